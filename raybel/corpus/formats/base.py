"""What every corpus format has in common: a file read as a stream of documents, and what its shards are written in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, ClassVar

import bioc as model

from raybel.errors import InputError

#: What reading a file yields: its header (bytes), its documents with their serialisations, its footer (bytes).
Piece = bytes | tuple[model.BioCDocument, bytes]


class Format(ABC):
    """A format that a corpus may come in; `registry.FORMATS` lists them.

    One that can't hold links derives from this class and names another format for its shards; one that can derives from
    `ShardFormat`.
    """

    #: What people call it, in one word.
    name: ClassVar[str]
    #: Ends of file names that tell the format, the usual one first; with `.gz` behind them they tell it too.
    suffixes: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def shard_format(self) -> ShardFormat:
        """The format that shards of such a file are written in."""

    @abstractmethod
    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a file's header, (document, its serialisation) for each document, and the footer.

        Serialisations, header and footer are in `shard_format`: together they are a file of it, and `ShardFormat.link`
        takes them. Memory for one document at a time. A file without documents yields a header and a footer.

        Args:
            file: Uncompressed.
            max_document_bytes: A document that takes more of the file is an error.

        Raises:
            InputError: Not of this format, cut off, or over a limit; what was yielded before stands.
        """


class ShardFormat(Format):
    """A format that shards are written in: its documents can hold links."""

    #: Stands between two documents in a file.
    separator: ClassVar[bytes]

    @property
    def shard_format(self) -> ShardFormat:
        """This format itself."""
        return self

    @abstractmethod
    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a document's serialisation with infons added to its annotations.

        Args:
            source: A document's serialisation, as `read` yields it.
            links: For an annotation's ordinal in the order of `documents.mentions_in`, its new infons.
            remove: Infon keys taken out of every annotation first (links of an earlier run).
        """


class LimitedFile:
    """A binary file that limits the bytes between two documents; who reads it sets `since_document` back to 0."""

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
