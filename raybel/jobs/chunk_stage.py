"""What a job maps over chunks, one by one: each becomes its part of a shard."""

from __future__ import annotations

import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from functools import partial
from typing import Any

import pyarrow as pa
from ray.data import Dataset

from raybel.corpus.documents import ReadOptions
from raybel.display import counted, duration
from raybel.errors import RaybelError
from raybel.jobs import metrics
from raybel.jobs.actors import on_actors
from raybel.jobs.datasets import Input, read_files, reader_record
from raybel.jobs.nodes import is_lost, this_node
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.linking.poison import SUFFIX, CrashRecord
from raybel.reporting import logs, tally
from raybel.runs.inputs import RunInput, Shard
from raybel.runs.parts import COUNTS, Part
from raybel.runs.run_directory import RunDirectory

_LOG = logging.getLogger(__name__)
#: A chunk's row. `seconds` is how long its worker took (0 where it was done before), `work` what was counted
#: meanwhile, as JSON: a list of (what, label, amount).
_COUNTS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("shard", pa.string()),
        ("chunk", pa.int32()),
        ("last", pa.bool_()),
        ("ends", pa.bool_()),
        ("error", pa.string()),
        ("read_bytes", pa.int64()),
        ("skipped_bytes", pa.int64()),
        ("worker", pa.string()),
        ("seconds", pa.float64()),
        ("work", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
    ]
)


class ChunkStage(ABC):
    """Makes chunks' parts, and writes them; one per actor.

    Args:
        run: The run directory.
        inputs: What is read, by the names of the sources.
        session: This start of the job.
    """

    def __init__(self, run: RunDirectory, inputs: dict[str, RunInput], session: Session) -> None:
        self.run, self.inputs, self.session, self.node = run, inputs, session, this_node()
        self.work: Counter[tally.Key] = Counter()
        self.seconds = 0.0

    @abstractmethod
    def part(self, chunk: pa.Table, crashes: CrashRecord) -> Part:
        """Return what a chunk becomes.

        Args:
            chunk: A table of `schemas.CHUNK`, one row.
            crashes: What happened at earlier attempts at this chunk.
        """

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Write a chunk's part, if it isn't there from an earlier start, and return its counts."""
        source, name, number = (chunk[column][0].as_py() for column in ("source", "shard", "chunk"))
        self.session.begin()
        self.work.clear()
        self.seconds = 0.0
        with logs.about(shard=name, chunk=number):
            row = self._done(chunk, self.inputs[source].shard(name), number)
        return pa.Table.from_pylist([{**row, **self._work(chunk)}], schema=_COUNTS_SCHEMA)

    def _work(self, chunk: pa.Table) -> dict[str, Any]:
        """Return what a chunk's row says of the work: that of its reader, too."""
        self.work.update({("stage_seconds", "reading"): chunk["read_seconds"][0].as_py() or 0.0})
        work = json.dumps([[*key, amount] for key, amount in self.work.items()])
        return {"worker": f"{self.node} {os.getpid()}", "seconds": self.seconds, "work": work}

    def _done(self, chunk: pa.Table, shard: Shard, number: int) -> dict[str, Any]:
        if reason := chunk["error"][0].as_py():
            _LOG.info(f"not read to its end: {reason}")
            return _counts({"error": reason, "chunk": number, "last": True, "next": None}, chunk, shard)
        record, done = self.run.part_file(shard, number, SUFFIX), chunk["done"][0].as_py()
        crashes = CrashRecord(record, self.session.id, node=self.node, is_lost=is_lost)
        summary = None if crashes.is_first and not done else self.run.read_summary(shard, number)
        if summary is None:
            if done and self.run.state(shard) is not None:
                _LOG.info("a chunk came once more, whose shard is published")  # of a reader that a lost node had
                return _counts({"chunk": number, "last": False, "next": {}}, chunk, shard)
            if done:
                part = self.run.part_file(shard, number, "")
                raise RaybelError(f"{part} was there and is gone: run the same command again")
            crashes.begin()
            summary = self._write(shard, chunk, crashes)
        self.work.update(metrics.publish(self.session.run))
        return _counts(summary, chunk, shard)

    def _write(self, shard: Shard, chunk: pa.Table, crashes: CrashRecord) -> dict[str, Any]:
        """Make a chunk's part, write it, and report that."""
        begun = time.perf_counter()
        part = self.part(chunk, crashes)
        with tally.seconds_of("writing"):
            summary = self.run.write_part(shard, part)
        self.seconds = seconds = time.perf_counter() - begun
        metrics.record(self.session.run, "chunk_seconds", seconds)
        self.work.update(metrics.publish(self.session.run, summary))
        done = f"{counted(summary['documents'], 'document')}, {counted(summary['mentions'], 'mention')}"
        bad = f"; {summary['quarantined']:,} in quarantine" if summary["quarantined"] else ""
        _LOG.info(f"a chunk is done: {done}, in {duration(seconds)}{bad}")
        return summary


def assemble_shard(run: RunDirectory, session: Session, shard: Shard, chunks: int) -> dict[str, Any]:
    """Publish a shard from its parts, in a task, and return its state; see `RunDirectory.assemble`."""
    session.begin()
    with logs.about(shard=shard.name), tally.seconds_of("writing"):
        state = run.assemble(shard, chunks)
        _LOG.info(f"a shard is published: {counted(state['documents'], 'document')}")
    metrics.publish(session.run)
    return state


def _counts(summary: dict[str, Any], chunk: pa.Table, shard: Shard) -> dict[str, Any]:
    """Return a chunk's row of counts; one that couldn't be read counts nothing, whatever could be read of it."""
    of_chunk = {name: chunk[name][0].as_py() for name in ("source", "read_bytes", "skipped_bytes")}
    row = {**dict.fromkeys(COUNTS, 0), **summary, **of_chunk, "shard": shard.name}
    row["ends"] = summary["next"] is None
    return {name: row.get(name) for name in _COUNTS_SCHEMA.names}


def map_chunks(
    stage: type[ChunkStage],
    arguments: tuple[Any, ...],
    run: RunDirectory,
    inputs: list[RunInput],
    options: ReadOptions,
    allocation: Allocation,
    max_restarts: int,
) -> Dataset:
    """Return a Dataset that maps a stage over the chunks of some inputs; it yields a row of counts for each.

    Args:
        stage: Made in each actor with the arguments, the run directory, the inputs by name, and the session.
        arguments: The stage's own.
        run: The run directory.
        inputs: What to read.
        options: How documents become rows.
        allocation: Actors and tasks.
        max_restarts: Of an actor or a reader that dies.
    """
    by_name = {item.source.name: item for item in inputs}
    states = [run.finished_shards(item) if item.source.is_bundle else {} for item in inputs]
    finished = [partial(run.finished, item, of_item) for item, of_item in zip(inputs, states, strict=True)]
    session = Session(metrics.run_name(run.uri))
    records = [partial(reader_record, run.reader_record(item), session.id, max_restarts) for item in inputs]
    of_inputs = zip(inputs, finished, records, strict=True)
    files = [Input(item.source, item.name, known, record, session) for item, known, record in of_inputs]
    return read_files(files, options, allocation.cpus_per_task).map_batches(
        **on_actors(stage, (*arguments, run, by_name, session), allocation, max_restarts),
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
    )
