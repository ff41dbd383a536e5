"""Errors that a person can act on: they say what is wrong, where, and what to do.

The command line prints their text without a traceback (with one under `--debug`).
"""

from __future__ import annotations

import re
from typing import Any

#: Keys before a URI's host. A secret may hold `/`, as AWS's and Azure's do; elsewhere `:80/` is a port.
_KEYS = re.compile(
    r"""(?:(?<=s3://)|(?<=abfs://)|(?<=abfss://))[^\s/?@:"'<>,]*:[^\s?@]{0,999}@"""
    r"""|(?<=://)[^\s/?@:"'<>,]*:(?!\d{1,5}/)[^\s?@]{0,999}@"""
    r"""|(?<=://)[^/?@\s]*@"""
)
#: Values in a URI's query of names such as `client_secret`, `access_key`, `sig`.
_QUERY = re.compile(
    r"""(?i)([?&][\w.%-]{0,99}(?:secret|key|key_?id|token|password|sig|signature|credential)=)"""
    r"""[^\s&#"']*[^\s&#"':,;.)]"""
)


def without_secrets(text: str) -> str:
    """Return a URI, or a text with URIs, without the keys that they may hold.

    Those before the host are left out (`s3://key:secret@bucket`), those in the query are masked (`?client_secret=***`).
    """
    return _QUERY.sub(r"\1***", _KEYS.sub("", text))


class RaybelError(Exception):
    """Base of every error that raybel raises on purpose; `str(error)` is a full sentence for a person, without keys."""

    def __str__(self) -> str:
        return without_secrets(super().__str__())


class ConfigError(RaybelError):
    """The configuration or the command line can't be carried out as given."""


class MismatchError(RaybelError):
    """Two artefacts don't belong together, or an artefact is of another kind or version."""


class InputError(RaybelError):
    """An input file can't be read.

    Args:
        message: What is wrong, and what to do.
        path: The file.
        document: The document's id, where one is known.
        offset: Offset within the document in code points, or the line of the file; None if unknown.
    """

    def __init__(
        self, message: str, *, path: str | None = None, document: str | None = None, offset: int | None = None
    ) -> None:
        where = ", ".join(
            part
            for part in (
                path,
                f"document {document or 'without an id'}" if document is not None else None,
                f"offset {offset}" if offset is not None else None,
            )
            if part
        )
        super().__init__(f"{where}: {message}" if where else message)
        self.message, self.path, self.document, self.offset = message, path, document, offset

    def __reduce__(self) -> tuple[Any, ...]:  # keyword-only arguments must survive a worker
        state = {"path": self.path, "document": self.document, "offset": self.offset}
        return _rebuild, (type(self), self.message, state)


class AccessError(InputError):
    """A file can't be opened or read for another reason than what it holds; it may well be, another time."""


class DeviceError(RaybelError):
    """A GPU failed or has too little memory; the documents aren't to blame."""


def _rebuild(kind: type[InputError], message: str, state: dict[str, Any]) -> InputError:
    return kind(message, **state)


class DocumentError(InputError):
    """One document can't be linked; the job puts it into quarantine and goes on."""


class LockedError(RaybelError):
    """Another job works in the same directory."""


class BadFractionError(RaybelError):
    """More documents than `--max-bad-fraction` allows went into quarantine."""
