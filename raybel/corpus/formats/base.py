"""The protocol of a corpus format: a file read as a stream of documents, and the format that its shards have."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, ClassVar

import bioc as model

from raybel.errors import InputError

#: What reading a file yields: its header (bytes), its documents with their serialisations, its footer (bytes).
Piece = bytes | tuple[model.BioCDocument, bytes]


class Format(ABC):
    """A format that a corpus may come in; `registry.FORMATS` lists them.

    A format that can't hold links derives from this class and names another one for its shards; a format that can
    derives from `ShardFormat`.
    """

    #: Its name for people, in one word.
    name: ClassVar[str]
    #: The suffixes of its files, the usual one first; each may be followed by `.gz`.
    suffixes: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def shard_format(self) -> ShardFormat:
        """The format of the shards of such files."""

    @abstractmethod
    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a file's header, (document, its serialisation) for each document, and the footer.

        Serialisations, header and footer are in `shard_format`: one after the other they are a file of it, and
        `ShardFormat.link` takes a serialisation. What stands between two documents (commas, comments, the end of a
        collection and the start of the next) is at the beginning of the later one's serialisation. Memory for one
        document at a time. A file without documents yields a header and a footer.

        An annotation whose place can't be told has no locations, and the reason in an attribute `problem`; a document
        that is damaged as a whole has one itself.

        Args:
            file: The file, decompressed.
            max_document_bytes: A document that takes more bytes of the file is an error.

        Raises:
            InputError: Not of this format, cut off, or over a limit; what was yielded before remains valid.
        """


class ShardFormat(Format):
    """A format that shards are written in: its documents can hold links.

    A document that its file only says is withdrawn has no serialisation (b""): none of these methods is given that.
    """

    #: What a shard of a bundle's documents ends with.
    bundle_footer: ClassVar[bytes]

    @property
    def shard_format(self) -> ShardFormat:
        """This format itself."""
        return self

    @property
    def bundle_format(self) -> ShardFormat:
        """The format in which documents of several files stand in one shard."""
        return self

    @abstractmethod
    def bundle_header(self, source: str) -> bytes:
        """Return what a shard of a bundle's documents begins with.

        Args:
            source: Name of the archive or the group.
        """

    @abstractmethod
    def in_bundle(self, source: bytes, first: bool) -> bytes:
        """Return a document's serialisation as it stands among those of other files: without what is in front of it.

        Args:
            source: As `read` yields it.
            first: Whether it is the first of its shard.
        """

    @abstractmethod
    def parse(self, source: bytes) -> model.BioCDocument:
        """Return the document of a serialisation, as `read` yields both."""

    @abstractmethod
    def annotate(
        self, source: bytes, annotations: Sequence[Sequence[model.BioCAnnotation]], replace: bool = False
    ) -> bytes:
        """Return a document's serialisation with annotations added to its passages, behind those that they have.

        What the serialisation has in front of the document stays there.

        Args:
            source: A document's serialisation, as `read` yields it.
            annotations: For each passage, the new ones: with one location, a text and infons.
            replace: Take all annotations that it has out first.
        """

    @abstractmethod
    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a document's serialisation with infons added to its annotations.

        What the serialisation has in front of the document stays there.

        Args:
            source: A document's serialisation, as `read` yields it.
            links: For an annotation's ordinal in the order of `documents.mentions_in`, its new infons.
            remove: Keys of infons that are taken out of every annotation first (links of an earlier run).
        """


#: Offsets and lengths are int32 in the schema.
MAX_NUMBER = 2**31 - 1
#: The offset of a passage or a sentence whose own isn't a whole number; its document has the reason as its `problem`.
INVALID_OFFSET = -2
_DIGITS = re.compile(r"[+-]?[0-9]{1,1000}")


def whole_number(value: Any, name: str) -> int:
    """Return an offset or a length: a number that is whole (31, 31.0) or text of one ("31", " 31 ").

    Args:
        value: As it is in the file: text, or a JSON value.
        name: What it is, for the error.

    Raises:
        ValueError: Anything else, a negative number, or one above `MAX_NUMBER`; the message says what was there.
    """
    shown = json.dumps(value, ensure_ascii=False)
    shown = f"{name}={shown if len(shown) < 50 else shown[:46] + '...'}"
    digits = isinstance(value, str) and _DIGITS.fullmatch(value.strip())
    if digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{shown} is no whole number")
    if value < 0:
        raise ValueError(f"{shown} is negative")
    if value > MAX_NUMBER:
        raise ValueError(f"{shown} is larger than {MAX_NUMBER:,}")
    return value


def read_offset(value: Any, name: str, missing: int | None, problems: list[str]) -> int:
    """Return the offset of a passage or a sentence.

    Args:
        value: As it is in the file: text, a JSON value, None where there is none.
        name: Which passage or sentence it is, for the error.
        missing: The offset of one that has none: 0 for a document's first passage, the passage's own for its first
            sentence (and for any sentence of a passage with a text, which isn't laid out by its sentences). None where
            that would be a guess, which is an error.
        problems: Gets the error.

    Returns:
        `INVALID_OFFSET` where there is an error.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        if missing is not None:
            return missing
        problems.append(f"{name} has no offset")
        return INVALID_OFFSET
    try:
        return whole_number(value, "offset")
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return INVALID_OFFSET


class LimitedFile:
    """A binary file that limits the bytes of a document; its reader resets `since_document` after each one."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit, self.since_document = file, limit, 0

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes, b"" at the end.

        Raises:
            InputError: More than the limit since the last document.
        """
        data = self.file.read(size)
        self.since_document += len(data)
        if self.since_document > self.limit:
            raise InputError(f"a document is larger than {self.limit >> 20} MiB (--max-document-mb sets the limit)")
        return data
