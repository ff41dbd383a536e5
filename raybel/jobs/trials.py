"""Trials of a job's stages on a part of its input: how long they take, and how much memory."""

from __future__ import annotations

import resource
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import Source
from raybel.errors import InputError
from raybel.files import storage
from raybel.jobs.chunk_stage import ChunkStage
from raybel.jobs.runtime import Allocation
from raybel.jobs.searches import Searches
from raybel.linking.poison import CrashRecord
from raybel.reporting import tally
from raybel.runs.inputs import Shard

#: Documents of the pieces that a trial of an actor begins with; and how many times as large others must be that are
#: worth reading the inputs again.
PIECE, LARGER = 25, 4

#: Makes the stage of an actor, given a directory for what it writes.
MakeStage = Callable[[str, Allocation], ChunkStage]


@dataclass(frozen=True)
class Trial:
    """What a stage did on a part of the input.

    Args:
        documents: That it took; of several workers, those of all, which are the same ones.
        mentions: In them, those that were found too.
        seconds: For them; of an actor, without searches for candidates.
        before: Seconds before it could begin: starting its process, loading models and trying them on a few documents.
        memory: Largest resident memory of its process, bytes.
        read_bytes: Of the input, as stored, that they take; of a reader.
        chunk_bytes: Of the largest chunk in memory; of a reader.
        whole: Seconds of all that its process did, an actor's reading of what it worked on too.
        publishing: Seconds of a shard's publication, for each of its documents; of an actor.
        searches: What its searches for candidates take, of each actor that was tried; none of a reader.
        workers: How many were tried at once, on the same documents.
        chunks: That a reader made.
    """

    documents: int
    mentions: int
    seconds: float
    before: float
    memory: int
    read_bytes: int = 0
    chunk_bytes: int = 0
    whole: float = 0.0
    publishing: float = 0.0
    searches: tuple[Searches, ...] = ()
    workers: int = 1
    chunks: int = 0

    @property
    def tried(self) -> int:
        """Documents that were tried, each counted once, on average of the workers."""
        return round(self.documents / self.workers)

    def seconds_of(self, documents: float) -> float:
        """Return how long a single worker would take for so many documents."""
        searching = sum(each.seconds_of(documents) for each in self.searches) / max(1, len(self.searches))
        return searching + (self.seconds / self.documents * documents if self.documents else 0.0)


def joined(trials: Sequence[Trial], seconds: float) -> Trial:
    """Return what workers that were tried at once did, as one did it.

    Args:
        trials: Theirs.
        seconds: What all of it took, their processes' start included.
    """
    return Trial(
        sum(trial.documents for trial in trials),
        sum(trial.mentions for trial in trials),
        sum(trial.seconds for trial in trials),
        max(trial.before for trial in trials) + max(0.0, seconds - max(trial.whole for trial in trials)),
        max(trial.memory for trial in trials),
        sum(trial.read_bytes for trial in trials),
        max(trial.chunk_bytes for trial in trials),
        publishing=sum(trial.publishing for trial in trials) / len(trials),
        searches=tuple(search for trial in trials for search in trial.searches),
        workers=len(trials),
        chunks=sum(trial.chunks for trial in trials),
    )


def try_reading(sources: Sequence[Source], options: ReadOptions, seconds: float) -> Trial:
    """Read chunks of some inputs for about so long; a small input to its end.

    Raises:
        InputError: None of them can be read.
    """
    documents = mentions = size = largest = chunks = 0
    taken, reason, started = 0.0, "", time.perf_counter()
    for source in sources:
        begun, read = time.perf_counter(), 0
        for chunk in read_chunks(source, source.name, options):
            reason = chunk["error"][0].as_py() or reason
            documents += _documents(chunk)
            mentions += _mentions(chunk)
            chunks += 1
            largest = max(largest, chunk.nbytes)
            ends = chunk["next"][0].as_py() is None
            read = source.size if ends else chunk["read_bytes"][0].as_py()
            late = time.perf_counter() - begun > seconds / len(sources)
            if late and read < source.size:  # what is read ahead to its end says nothing of how far we are
                break
        size += read
        taken += time.perf_counter() - begun
    if not documents:
        raise InputError(f"nothing to try the job on: {reason or 'the inputs that were tried hold no document'}")
    whole = time.perf_counter() - started
    return Trial(documents, mentions, taken, 0.0, _memory(), size, largest, whole, chunks=chunks)


def try_work(
    sources: Sequence[Source], options: ReadOptions, make_stage: MakeStage, allocation: Allocation, seconds: float
) -> Trial:
    """Do an actor's work on pieces of some inputs in turn for about so long, after one that loads the models.

    What it makes is written to a directory of its own, and published there as a shard.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        work = _Work(make_stage(home, allocation), home)
        pieces = _in_turn([_pieces(source, options, PIECE) for source in sources])
        for piece in islice(pieces, 1):
            work.do(piece)
        before = time.perf_counter() - begun
        for piece in islice(pieces, len(sources)):
            work.do(piece)
        # Larger pieces are worked on faster, as the job's chunks are; but there should be one of each input.
        size = int((seconds - work.seconds) * work.documents / max(work.seconds, 1e-9) / len(sources))
        if min(size, options.chunk_documents) >= LARGER * PIECE:
            pieces = _in_turn([_pieces(source, options, size) for source in sources])
            work.read_again()
        for piece in pieces:
            if work.seconds > seconds:
                break
            work.do(piece)
        return work.trial(before, started)


@dataclass(frozen=True)
class _Piece:
    """What was done with a piece.

    Args:
        source: The input's name.
        documents: Its.
        fresh: Of these, documents that weren't in an earlier piece.
        mentions: Its, those that were found too.
        seconds: It took.
        searched: Surfaces that were searched for it.
        searching_seconds: Of the searches.
    """

    source: str
    documents: int
    fresh: int
    mentions: int
    seconds: float
    searched: float
    searching_seconds: float


class _Work:
    """An actor's work on pieces of a trial.

    Args:
        stage: The actor's.
        home: A directory for what it notes.
    """

    def __init__(self, stage: ChunkStage, home: str) -> None:
        self.stage, self.shard = stage, Shard("trial", "trial.gz", "trial", "trial")
        self.crashes = CrashRecord(storage.join(home, "crashes"), uuid.uuid4().hex)
        self.done: list[_Piece] = []
        #: Documents of each source that were read, and those that were read before that.
        self.by_source: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        tally.take()

    def read_again(self) -> None:
        """Have the pieces that follow begin at the sources' starts: what was done of each isn't new."""
        self.seen, self.by_source = self.by_source, Counter()

    @property
    def counted(self) -> list[_Piece]:
        """The pieces that count: not the first one, in which models were loaded, unless it is the only one."""
        return self.done[1:] or self.done

    @property
    def seconds(self) -> float:
        """Of the pieces that count; 0 before there is one."""
        return sum(piece.seconds for piece in self.done[1:])

    @property
    def documents(self) -> int:
        """Of the pieces that count; 0 before there is one."""
        return sum(piece.documents for piece in self.done[1:])

    def do(self, piece: pa.Table) -> None:
        """Make a piece's part, and write it."""
        begun = time.perf_counter()
        part = self.stage.part(piece, self.crashes)
        part.summary["chunk"] = len(self.done)
        self.stage.run.write_part(self.shard, part)
        seconds, work = time.perf_counter() - begun, tally.take()
        searched, searching = (
            sum(amount for (name, _), amount in work.items() if name == wanted)
            for wanted in ("cache_misses", "search_seconds")
        )
        documents, source = _documents(piece), piece["source"][0].as_py()
        known = min(documents, max(0, self.seen[source] - self.by_source[source]))
        self.by_source[source] += documents
        done = _Piece(source, documents, documents - known, part.summary["mentions"], seconds, searched, searching)
        self.done.append(done)

    def trial(self, before: float, started: float) -> Trial:
        """Publish the shard, and return what was done.

        Args:
            before: Seconds until the models were loaded, and the first piece was done.
            started: When the trial was.
        """
        documents, publishing = sum(piece.documents for piece in self.done), 0.0
        if documents:
            begun = time.perf_counter()
            self.stage.run.assemble(self.shard, len(self.done))
            publishing = (time.perf_counter() - begun) / documents
        counted = self.counted
        searching = sum(piece.searching_seconds for piece in counted)
        searches = Searches.of(
            list(accumulate(((piece.fresh, piece.searched) for piece in self.done), _sums)),
            searching,
            sum(piece.searched for piece in counted),
        )
        # Each input counts alike, though some may have had a piece more, or one that was cut off.
        by_source: dict[str, list[tuple[int, float]]] = {}
        for piece in counted:
            seconds = piece.seconds - (piece.searching_seconds if searches else 0.0)
            by_source.setdefault(piece.source, []).append((piece.documents, seconds))
        of_document = [sum(s for _, s in of) / sum(n for n, _ in of) for of in by_source.values()]
        done = sum(piece.documents for piece in counted)
        return Trial(
            done,
            sum(piece.mentions for piece in counted),
            done * sum(of_document) / max(1, len(of_document)),
            before if len(self.done) > 1 else 0.0,
            _memory(),
            whole=time.perf_counter() - started,
            publishing=publishing,
            searches=(searches,) if searches else (),
        )


def _sums(one: tuple[int, float], other: tuple[int, float]) -> tuple[int, float]:
    return one[0] + other[0], one[1] + other[1]


def _pieces(source: Source, options: ReadOptions, documents: int) -> Iterator[pa.Table]:
    """Yield the input's documents in chunks of so many, at most those of a chunk."""
    size = min(documents, options.chunk_documents)
    yield from read_chunks(source, source.name, replace(options, chunk_documents=size))


def _in_turn(streams: Sequence[Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """Yield a chunk with documents of each stream in turn, until all are at their end."""
    left = list(streams)
    while left:
        for stream in tuple(left):
            chunk = next(islice(stream, 1), None)
            if chunk is None:
                left.remove(stream)
            elif _documents(chunk):
                yield chunk


def _documents(chunk: pa.Table) -> int:
    return len(pc.list_flatten(chunk["docs"]))


def _mentions(chunk: pa.Table) -> int:
    documents: Any = pc.list_flatten(chunk["docs"].combine_chunks())
    return len(pc.list_flatten(pc.struct_field(documents, "mentions")))


def _memory() -> int:
    """The largest resident memory that this process has had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
