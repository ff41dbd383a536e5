"""Trials of a job's stages on a part of its input: how long they take, and how much memory."""

from __future__ import annotations

import resource
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
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
from raybel.linking.poison import CrashRecord

#: Documents that the actors' work is tried on at a time.
PIECE = 25

#: Makes the stage of an actor, given a directory for what it notes.
MakeStage = Callable[[str, Allocation], ChunkStage]


@dataclass(frozen=True)
class Trial:
    """What a stage did on a part of the input.

    Args:
        documents: That it took.
        mentions: In them, those that were found too.
        seconds: For them.
        before: Seconds before it could begin: starting its process, loading models and trying them on a few documents.
        memory: Largest resident memory of its process, bytes.
        read_bytes: Of the input, as stored, that they take; of a reader.
        chunk_bytes: Of the largest chunk in memory; of a reader.
        whole: Seconds of all that its process did, an actor's reading of what it worked on too.
    """

    documents: int
    mentions: int
    seconds: float
    before: float
    memory: int
    read_bytes: int = 0
    chunk_bytes: int = 0
    whole: float = 0.0

    def seconds_of(self, documents: float) -> float:
        """Return how long a single worker would take for so many documents."""
        return self.seconds / self.documents * documents if self.documents else 0.0


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
    """Do an actor's work on pieces of some inputs in turn for about so long, after one that loads the models."""
    started = time.perf_counter()
    pieces = _in_turn([_pieces(source, options) for source in sources])
    with tempfile.TemporaryDirectory() as home:
        stage = make_stage(home, allocation)
        crashes = CrashRecord(storage.join(home, "crashes"), uuid.uuid4().hex)
        begun = time.perf_counter()
        first = next(pieces, None)
        if first is None:
            return Trial(0, 0, 0.0, 0.0, _memory(), whole=time.perf_counter() - started)
        found = stage.part(first, crashes)
        before = time.perf_counter() - begun
        documents, mentions, taken = 0, 0, 0.0
        for piece in pieces:
            begun = time.perf_counter()
            found = stage.part(piece, crashes)
            taken += time.perf_counter() - begun
            documents += _documents(piece)
            mentions += found.summary["mentions"]
            if taken > seconds:
                break
        if not documents:  # all that there is: its models' time is in it
            documents, mentions, taken, before = _documents(first), found.summary["mentions"], before, 0.0
    return Trial(documents, mentions, taken, before, _memory(), whole=time.perf_counter() - started)


def _pieces(source: Source, options: ReadOptions) -> Iterator[pa.Table]:
    """Yield the input's documents in small chunks."""
    yield from read_chunks(source, source.name, replace(options, chunk_documents=min(PIECE, options.chunk_documents)))


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
