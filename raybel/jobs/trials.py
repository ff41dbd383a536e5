"""Trials of a job's stages on a part of its input: how long they take, and how much memory."""

from __future__ import annotations

import math
import resource
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CACHED_SURFACES
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import Source
from raybel.errors import InputError
from raybel.files import storage
from raybel.jobs.chunk_stage import ChunkStage
from raybel.jobs.runtime import Allocation
from raybel.linking.poison import CrashRecord
from raybel.reporting import tally
from raybel.runs.inputs import Shard

#: Documents of the pieces that a trial of an actor begins with, and seconds that the pieces after them are to take.
PIECE, PIECE_SECONDS = 25, 3.0

#: Makes the stage of an actor, given a directory for what it writes.
MakeStage = Callable[[str, Allocation], ChunkStage]


@dataclass(frozen=True)
class Searches:
    """How an actor's searches for candidates grow more slowly than its mentions: surfaces come again.

    Distinct surfaces grow as a power of the text's length (Heaps, Information Retrieval, 1978, section 7.5), up to what
    an actor keeps; from there on they are searched at the rate that they have then.

    Args:
        surfaces: Searched by an actor, all that it did.
        documents: That they were in.
        exponent: Of the power.
        seconds: What a search takes.
    """

    surfaces: float
    documents: float
    exponent: float
    seconds: float

    @classmethod
    def of(cls, grown: Sequence[tuple[int, float]], seconds: float, searched: float) -> Searches | None:
        """Return the law of a trial; None where nothing was searched.

        Args:
            grown: Documents and searched surfaces so far, after each piece.
            seconds: Of the searches that are counted.
            searched: Their number.
        """
        documents, surfaces = grown[-1] if grown else (0, 0.0)
        if not surfaces or not searched:
            return None
        half, of_half = min(grown, key=lambda each: abs(each[0] - documents / 2))
        exponent = 1.0
        if half < documents and of_half:
            exponent = min(1.0, math.log(surfaces / of_half) / math.log(documents / half))
        return cls(surfaces, documents, exponent, seconds / searched)

    def seconds_of(self, documents: float) -> float:
        """Return what an actor's searches take for so many documents."""
        if not self.exponent:
            return self.seconds * self.surfaces
        full = self.documents * (CACHED_SURFACES / self.surfaces) ** (1 / self.exponent)
        searched = self.surfaces * (min(documents, full) / self.documents) ** self.exponent
        beyond = max(0.0, documents - full) * self.exponent * CACHED_SURFACES / full
        return self.seconds * (searched + beyond)


@dataclass(frozen=True)
class Trial:
    """What a stage did on a part of the input.

    Args:
        documents: That it took.
        mentions: In them, those that were found too.
        seconds: For them; of an actor, without searches for candidates.
        before: Seconds before it could begin: starting its process, loading models and trying them on a few documents.
        memory: Largest resident memory of its process, bytes.
        read_bytes: Of the input, as stored, that they take; of a reader.
        chunk_bytes: Of the largest chunk in memory; of a reader.
        whole: Seconds of all that its process did, an actor's reading of what it worked on too.
        publishing: Seconds of a shard's publication, for each of its documents; of an actor.
        searches: What its searches for candidates take, of each actor that was tried; none of a reader.
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
    searches: tuple[Searches, ...] = field(default=())

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
    )


def try_reading(sources: Sequence[Source], options: ReadOptions, seconds: float) -> Trial:
    """Read chunks of some inputs for about so long; a small input to its end.

    Raises:
        InputError: None of them can be read.
    """
    documents = mentions = size = largest = 0
    taken, reason, started = 0.0, "", time.perf_counter()
    for source in sources:
        begun, read = time.perf_counter(), 0
        for chunk in read_chunks(source, source.name, options):
            reason = chunk["error"][0].as_py() or reason
            documents += _documents(chunk)
            mentions += _mentions(chunk)
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
    return Trial(documents, mentions, taken, 0.0, _memory(), size, largest, time.perf_counter() - started)


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
        for piece in islice(pieces, 1):
            done = work.do(piece)
            # Larger pieces are worked on faster, as the job's chunks are.
            size = int(PIECE_SECONDS * done.documents / done.seconds)
            if min(size, options.chunk_documents) > 2 * PIECE:
                pieces = _in_turn([_pieces(source, options, size) for source in sources])
        for piece in pieces:
            work.do(piece)
            if sum(each.seconds for each in work.done[1:]) > seconds:
                break
        return work.trial(before, started)


@dataclass(frozen=True)
class _Piece:
    """What was done with a piece, and how many surfaces were searched for it."""

    documents: int
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
        tally.take()

    def do(self, piece: pa.Table) -> _Piece:
        """Make a piece's part, and write it."""
        begun = time.perf_counter()
        part = self.stage.part(piece, self.crashes)
        part.summary["chunk"] = len(self.done)
        self.stage.run.write_part(self.shard, part)
        seconds, work = time.perf_counter() - begun, tally.take()
        searched = sum(amount for (name, _), amount in work.items() if name == "cache_misses")
        searching = work.get(("stage_seconds", "candidates"), 0.0) if searched else 0.0
        done = _Piece(_documents(piece), part.summary["mentions"], seconds, searched, searching)
        self.done.append(done)
        return done

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
        # Of a single piece, its models' time is in it.
        counted, before = (self.done[1:], before) if len(self.done) > 1 else (self.done, 0.0)
        searching = sum(piece.searching_seconds for piece in counted)
        searches = Searches.of(
            list(accumulate(((piece.documents, piece.searched) for piece in self.done), _sums)),
            searching,
            sum(piece.searched for piece in counted),
        )
        return Trial(
            sum(piece.documents for piece in counted),
            sum(piece.mentions for piece in counted),
            sum(piece.seconds for piece in counted) - (searching if searches else 0.0),
            before,
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
