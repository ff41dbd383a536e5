"""The protocol of an export format."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from raybel.exports.documents import Document, Tally


class ExportFormat(ABC):
    """A format that runs can be exported to; `registry.FORMATS` lists them."""

    #: What the names of its files end with, the usual one first.
    suffixes: ClassVar[tuple[str, ...]]
    #: Whether files are gzipped: those of a directory, and one whose name ends in `.gz`.
    gzipped: ClassVar[bool] = True
    #: The package that writes it, which an extra of the same name installs; "" where it needs none.
    package: ClassVar[str] = ""

    @abstractmethod
    def content(self, documents: Iterable[Document], tally: Tally) -> Iterator[bytes]:
        """Yield a file of documents, not gzipped; the same bytes for the same documents.

        Args:
            documents: Taken one at a time.
            tally: Gets what isn't written as it is in the run; documents, mentions and links are counted already.
        """


def json_line(value: Any) -> bytes:
    """Return a value as a line of JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
