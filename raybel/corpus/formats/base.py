"""The protocol of a corpus format: a file read as a stream of documents, and the format that its shards have."""

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

        Serialisations, header and footer are in `shard_format`: together they are a file of it, and `ShardFormat.link`
        takes them. Memory for one document at a time. A file without documents yields a header and a footer.

        Args:
            file: The file, decompressed.
            max_document_bytes: A document that takes more bytes of the file is an error.

        Raises:
            InputError: Not of this format, cut off, or over a limit; what was yielded before remains valid.
        """


class ShardFormat(Format):
    """A format that shards are written in: its documents can hold links."""

    #: The bytes between two documents in a file.
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
            remove: Keys of infons that are taken out of every annotation first (links of an earlier run).
        """


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
