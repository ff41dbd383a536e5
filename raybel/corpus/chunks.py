"""Corpora as streams: chunks of documents out of a source, documents into a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import bioc as model
import pyarrow as pa

from raybel.corpus.documents import DocumentRow, ReadOptions, chunk_table, to_row
from raybel.corpus.formats.base import Piece, ShardFormat
from raybel.corpus.formats.registry import FORMATS, format_of
from raybel.corpus.opening import OpenedFile, files_of
from raybel.corpus.reader_deaths import Position, ReaderRecord
from raybel.corpus.sources import Source
from raybel.errors import AccessError, InputError
from raybel.files.meter import Meter

#: A chunk ends early at this many bytes of serialisation, so that full texts don't make chunks of gigabytes.
CHUNK_BYTES = 4 << 20
#: So many of the files that can't be read before a chunk ends are named in it; further ones are counted. An archive may
#: have millions of them in a row.
MAX_NAMED = 100
_START: Position = (0, 0)


@dataclass(frozen=True)
class FinishedChunk:
    """A chunk, or all chunks of a shard, that were linked before.

    Args:
        next: Where the next one begins; None where the source ends.
        last: Whether it is the last one of its shard.
        documents: How many documents it has.
    """

    next: Position | None
    last: bool = True
    documents: int = 0


@dataclass(frozen=True)
class Finished:
    """What of a source was linked before.

    Args:
        shards: Of a bundle's shards those that are finished, by their numbers.
        chunks: Of the other shards the finished chunks, by (shard's name, chunk's number).
        names: The names of a bundle's shards that have finished chunks, by their numbers.
    """

    shards: Mapping[int, FinishedChunk] = field(default_factory=dict)
    chunks: Mapping[tuple[str, int], FinishedChunk] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)


def read_chunks(
    source: Source,
    shard: str,
    options: ReadOptions,
    finished: Finished | None = None,
    record: ReaderRecord | None = None,
) -> Iterator[pa.Table]:
    """Yield a source's chunks in order, each a table of one row of `schemas.CHUNK`; the last one has `next` null.

    A file that can't be read to its end yields the documents before the damage, and `error` in its last chunk; nothing
    is raised. A bundle goes on with its next file, and says so in `unreadable`; it ends with `error` where the archive
    is damaged, or a file can't be opened or read for a reason that isn't its content: it may well be, at a next start.
    Every source yields at least one chunk. Memory: one chunk.

    What was linked before is yielded without documents or, of a bundle's finished shards, not at all. A bundle's files
    that lie wholly in it aren't parsed (those of a zip or a plain tar not even read).

    Args:
        source: What to read.
        shard: Name of a file's shard; of the folder of a bundle's.
        options: How documents become rows.
        finished: What was linked before; None for nothing.
        record: What earlier readers of the source died at; one that died too often ends the reading of its file, as
            damage does. None to record nothing.
    """
    chunker = (_BundleChunker if source.is_bundle else _FileChunker)(source, shard, options, finished or Finished())
    chunker.record = record
    return chunker.read()


class _Chunker:
    """Gathers documents into chunks."""

    def __init__(self, source: Source, shard: str, options: ReadOptions, finished: Finished) -> None:
        self.source, self.shard, self.options, self.finished = source, shard, options, finished
        self.rows: list[DocumentRow] = []
        self.documents = self.size = self.number = 0
        self.unreadable: list[str] = []
        self.unnamed = self.passed_over = 0
        self.meter = Meter()
        self.record: ReaderRecord | None = None
        #: How far the source was read when this start's own work began; None until then.
        self.skipped_bytes = None if finished.shards or finished.chunks else 0

    def files(self) -> Iterator[OpenedFile]:
        """Yield the source's files; that its reading begins is recorded before."""
        if self.record is not None:
            self.record.begin()
        yield from files_of(self.source, self.meter)

    def recorded(self, pieces: Iterable[Piece], file: OpenedFile) -> Iterator[Piece]:
        """Yield a file's pieces; each document's turn, from its parsing to its row, is recorded before it comes."""
        remaining, place = iter(pieces), 0
        while True:
            if self.record is not None:
                self.record.enter((file.number, place))
            piece = next(remaining, None)
            if piece is None:
                return
            yield piece
            place += not isinstance(piece, bytes)

    def deadly(self, file: int) -> Position | None:
        """Return the document at which the reading of a file ended since readers died there, None for none."""
        ended = self.record.ended if self.record is not None else None
        return ended if ended is not None and ended[0] == file else None

    def add(self, document: model.BioCDocument, serialisation: bytes, file: str) -> None:
        """Take a document."""
        if (self.shard, self.number) not in self.finished.chunks:
            row = to_row(document, serialisation, self.options)
            row.file = file
            self.rows.append(row)
            if self.skipped_bytes is None:
                self.skipped_bytes = self.meter.read_bytes
        self.documents += 1
        self.size += len(serialisation)

    def is_full(self) -> bool:
        """True if the next document goes into another chunk."""
        return self.documents >= self.options.chunk_documents or self.size > CHUNK_BYTES

    def take(self, following: Position | None, last: bool, **columns: object) -> pa.Table:
        """Return the chunk of what was gathered, and begin the next one."""
        place = {"path": self.source.path, "source": self.source.name, "shard": self.shard, "chunk": self.number}
        ends = None if following is None else {"file": following[0], "document": following[1]}
        counts = {"unreadable": self.unreadable, "unnamed": self.unnamed, "passed_over": self.passed_over}
        done = (self.shard, self.number) in self.finished.chunks
        read = {"read_bytes": None if done else self.meter.read_bytes, "skipped_bytes": self.skipped_bytes}
        of_chunk = {**place, **counts, **read, "last": last, "next": ends, "done": done}
        table = chunk_table(self.rows, **{**of_chunk, **columns})
        self.rows, self.unreadable = [], []
        self.documents = self.size = self.unnamed = self.passed_over = 0
        self.number += 1
        if self.record is not None:
            self.record.begin_chunk()
        return table


class _FileChunker(_Chunker):
    """Reads a file, whose shard keeps its header and its footer."""

    def read(self) -> Iterator[pa.Table]:
        """Yield the chunks."""
        header: bytes | None = None
        position = 0
        try:
            opened = next(self.files())
            with opened.open() as (known, file):
                for item in self.recorded(known.read(file, self.options.max_document_bytes), opened):
                    if isinstance(item, bytes):
                        if header is None:
                            header = item
                            continue
                        yield self.take(None, True, header=None if self.number else header, footer=item)
                        return
                    if self.is_full():
                        yield self.take((0, position), False, header=None if self.number else header)
                        if self._rest_is_finished():
                            yield self.take(None, True)
                            return
                    self.add(*item, opened.name)
                    position += 1
        except InputError as error:
            if (deadly := self.deadly(0)) and self.is_full():
                yield self.take(deadly, False, header=None if self.number else header)
            yield self.take(None, True, header=None if self.number else header, error=str(error))

    def _rest_is_finished(self) -> bool:
        """True if this chunk is the source's last one, and was linked before: then the rest needn't be read."""
        chunk = self.finished.chunks.get((self.shard, self.number))
        return chunk is not None and chunk.next is None


class _BundleChunker(_Chunker):
    """Reads the files of an archive or of a group into a folder of shards.

    A shard ends where it has enough documents, and where another format begins. Files that are damaged are noted in
    the chunk that comes at their place, so that what a chunk holds doesn't depend on where reading began.
    """

    def __init__(self, source: Source, folder: str, options: ReadOptions, finished: Finished) -> None:
        super().__init__(source, folder, options, finished)
        self.folder = folder
        self.format: ShardFormat | None = None
        self.shard_number = self.in_shard = 0
        #: The next document that is wanted; None where all to the end was linked before.
        self.wanted: Position | None = _START

    def read(self) -> Iterator[pa.Table]:
        """Yield the chunks."""
        error: str | None = None
        yield from self._pass_finished()
        try:
            for opened in self.files() if self.wanted else ():
                if self.wanted is None:
                    return
                if opened.number < self.wanted[0]:
                    continue
                if opened.is_corpus:
                    yield from self._read_file(opened)
                else:
                    self.passed_over += 1
        except InputError as reason:  # of the archive, or of a file that may be read another time
            error = str(reason)
        if self.wanted is not None:
            self._begin_shard(FORMATS[0].shard_format.bundle_format)
            yield self._take(None, True, error=error)

    def _read_file(self, opened: OpenedFile) -> Iterator[pa.Table]:
        try:
            with opened.open() as (known, file):
                pieces = self.recorded(known.read(file, self.options.max_document_bytes), opened)
                written = known.shard_format.bundle_format
                documents = (item for item in pieces if not isinstance(item, bytes))
                for place, (document, serialisation) in enumerate(documents):
                    position = (opened.number, place)
                    if self._ends_before(written):
                        yield self._take(position, self._is_shard_full(written))
                        yield from self._pass_finished()
                    if self.wanted is None:
                        return
                    if position >= self.wanted:
                        self._begin_shard(written)
                        if serialisation:  # a document that is withdrawn has none
                            serialisation = written.in_bundle(serialisation, not self.in_shard)
                        self.add(document, serialisation, opened.name)
                        self.in_shard += 1
        except AccessError:
            raise
        except InputError as error:
            if (deadly := self.deadly(opened.number)) and self._ends_before(written):
                yield self._take(deadly, self._is_shard_full(written))
                yield from self._pass_finished()
            if self.wanted is not None and opened.number >= self.wanted[0]:  # else it was noted before
                self._note_damage(str(error))

    def _note_damage(self, reason: str) -> None:
        if len(self.unreadable) < MAX_NAMED:
            self.unreadable.append(reason)
        else:
            self.unnamed += 1

    def _is_shard_full(self, written: ShardFormat) -> bool:
        return self.in_shard >= self.options.shard_documents or written is not self.format

    def _ends_before(self, written: ShardFormat) -> bool:
        """True if a document of this format goes into another chunk than what was gathered."""
        return bool(self.documents) and (self.is_full() or self._is_shard_full(written))

    def _begin_shard(self, written: ShardFormat) -> None:
        """Take a format for the shard, unless it has one."""
        if self.format is None:
            self.format = written
            self.shard = f"{self.folder}/{self.shard_number:05d}{written.suffixes[0]}.gz"

    def _take(self, following: Position | None, last: bool, **columns: object) -> pa.Table:
        assert self.format is not None, "a shard has begun"
        header = None if self.number else self.format.bundle_header(self.source.name)
        footer = self.format.bundle_footer if last else None
        table = self.take(following, last, header=header, footer=footer, **columns)
        if last:
            self._end_shard()
        return table

    def _end_shard(self) -> None:
        self.shard_number, self.number, self.in_shard, self.format = self.shard_number + 1, 0, 0, None

    def _pass_finished(self) -> Iterator[pa.Table]:
        """Yield the finished chunks that follow, without documents, and see what is wanted next."""
        while self.wanted is not None:
            if (whole := self.finished.shards.get(self.shard_number)) is not None:
                self.wanted = whole.next
                self._end_shard()
                continue
            name = self.finished.names.get(self.shard_number, "")
            chunk = self.finished.chunks.get((name, self.number))
            if chunk is None:
                return
            self.shard, self.format = name, format_of(name).shard_format
            self.wanted, self.in_shard = chunk.next, self.in_shard + chunk.documents
            yield self._take(chunk.next, chunk.last)
