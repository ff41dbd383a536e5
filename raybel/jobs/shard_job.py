"""A job that makes shards of a corpus: a stream of chunks over Ray Data, whose parts become shards; resumable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from ray.data import Dataset

from raybel.config import Resources
from raybel.display import counted
from raybel.errors import BadFractionError, RaybelError, without_secrets
from raybel.files import tables
from raybel.jobs import metrics
from raybel.jobs.assembling import Assembling
from raybel.jobs.nodes import resources_of_nodes
from raybel.jobs.progress import Progress
from raybel.jobs.runtime import LONGEST_SECONDS, Allocation, allocate_here, data_context, ray_session
from raybel.jobs.sessions import Session
from raybel.jobs.stragglers import Patience, StragglersError
from raybel.runs.findings import quarantine_reasons, repeated_ids, unreadable_files
from raybel.runs.inputs import RunInput
from raybel.runs.logs import write_plan, write_progress
from raybel.runs.parts import COUNTS, sum_counts
from raybel.runs.run_directory import RunDirectory
from raybel.runs.speed import SpeedLog

_LOG = logging.getLogger(__name__)
#: The share of bad documents is looked at once so many documents are done (and at the end).
BAD_FRACTION_AFTER = 10_000
PROGRESS_SECONDS = 1.0
#: How many of the input files that can't be read the log names.
MAX_NAMED = 3


@dataclass
class RunResult:
    """What a job did.

    Args:
        run: The run directory.
        counts: Of `schemas.SHARD_COUNTS`: all finished shards of the input, those of earlier starts too.
        progress: Counts and time of this start.
        failed: Input files that can't be read, with the reason.
        repeated: Documents whose id another one has, and examples of such ids.
        top_errors: Reasons of quarantined documents and annotations, a few.
        unreadable: Why files of archives and groups couldn't be read to their end, a few.
        notes: What else a person should know.
        tokens: Tokens that went through models in this start, by stage.
    """

    run: str
    counts: pa.Table
    progress: Progress
    failed: dict[str, str]
    repeated: tuple[int, list[str]]
    top_errors: list[str]
    unreadable: list[str]
    notes: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def incomplete(self) -> bool:
        """True if a file of the input, or of an archive or a group in it, couldn't be read to its end."""
        return bool(self.failed) or any(self.counts["unreadable"].to_pylist())


class ShardJob:
    """One start of a job on a run directory, which is locked and opened.

    Args:
        run: The run directory.
        inputs: What the run reads.
        max_bad_fraction: The job fails when more of the documents go to the quarantine.
        chunk_documents: Of a full chunk.
        watch: Called after each chunk.
    """

    def __init__(
        self,
        run: RunDirectory,
        inputs: list[RunInput],
        max_bad_fraction: float,
        chunk_documents: int,
        watch: Callable[[Progress], None] | None = None,
    ) -> None:
        self.run, self.max_bad_fraction, self.watch = run, max_bad_fraction, watch or (lambda progress: None)
        self.session = Session(metrics.run_name(run.uri))
        self.session.begin()
        self.inputs = {item.source.name: item for item in inputs}
        self.finished: dict[str, dict[str, Any]] = {}
        self.to_do: dict[str, RunInput] = {}
        self.totals: dict[str, int] = {}
        self.shards: dict[str, set[str]] = {item.source.name: set() for item in inputs}
        for item in inputs:
            self._take_up(item)
        self.failed: dict[str, str] = {}
        before = len(inputs) - len(self.to_do)
        self.progress = Progress(len(inputs), files_before=before, shards_before=len(self.finished))
        self.progress.counts = sum_counts(list(self.finished.values()))
        self.progress.bytes_total = sum(item.source.size for item in self.to_do.values())
        self.progress.bytes_before = sum(item.source.size for item in inputs) - self.progress.bytes_total
        self.read: dict[str, int] = {}
        self.chunks: dict[str, set[int]] = {}
        self.last: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        self.assembling = Assembling(run, self.session)
        self.patience = Patience.with_places(chunk_documents, [run.uri, *(item.source.path for item in inputs)])
        self.tallies: dict[str, list[dict[str, Any]]] = {}
        self.written = 0.0
        self.speed = SpeedLog(self.progress.started)
        write_plan(run, inputs)
        self._log(finished=False)  # else an earlier start's would be taken for this one's

    def _take_up(self, item: RunInput) -> None:
        """See what of an input earlier starts finished."""
        states = self.run.finished_shards(item)
        self.finished |= states
        self.shards[item.source.name] |= states.keys()
        for name, state in states.items():
            if state["next"] is None:
                self.totals[item.source.name] = item.number_of(name) + 1
        if not self._is_finished(item):
            self.to_do[item.source.name] = item

    def _is_finished(self, item: RunInput) -> bool:
        """True if all shards of an input are published; how many there are is known from the last one."""
        published = self.shards[item.source.name] & self.finished.keys()
        return len(published) == self.totals.get(item.source.name)

    def go(
        self, stream: Callable[[list[RunInput], Allocation], Dataset], resources: Resources, encodes: bool = False
    ) -> None:
        """Run the stream until every input to do is finished or set aside.

        Args:
            stream: Returns the Dataset for some inputs: consuming it writes the parts, and yields a row of counts for
                each chunk.
            resources: What it takes of the cluster.
            encodes: Whether its actors run an encoder.

        Raises:
            BadFractionError: Too many documents went to the quarantine; what is finished stays.
            RaybelError: A worker died again and again, or the cluster made no progress.
        """
        with ray_session(), data_context() as context:
            context.execution_no_progress_timeout_s = LONGEST_SECONDS
            given = allocation = allocate_here(resources, encodes, self.progress.bytes_total)
            self.progress.started = time.time()
            self.speed = SpeedLog(self.progress.started)
            with self.patience.watches():
                while left := self._left():
                    try:
                        self._follow(stream(left, given))
                        break
                    except StragglersError as error:
                        _LOG.warning(f"{error}: what is left begins again")
                        self.patience.restarts += 1
                        self._assemble_rest()  # which deletes parts that the next stream would count on
                        allocation = allocation.apart()
                        given = allocation.within(resources_of_nodes())
            self._assemble_rest()
            self._publish()
            if missing := self._left():
                raise RaybelError(
                    f"{counted(len(missing), 'input file')} couldn't be finished, such as {missing[0].name}: run the "
                    "same command again"
                )

    def _left(self) -> list[RunInput]:
        """Return the inputs that are neither finished nor set aside."""
        left = (item for item in self.to_do.values() if not self._is_finished(item))
        return [item for item in left if without_secrets(item.source.path) not in self.failed]

    def _follow(self, dataset: Dataset) -> None:
        """Consume a stream of chunks, and have the shards assembled that are complete."""
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in batch.to_pylist():
                self._count(row)
            self._collect(timeout=0)
            self._show()
            self._check_fraction(self.progress.counts, BAD_FRACTION_AFTER)

    def _assemble_rest(self) -> None:
        while self.assembling:
            self._collect(timeout=5)
            self.assembling.again(self.patience.publication)
            self._show()

    def _count(self, row: dict[str, Any]) -> None:
        item, name = self.to_do[row["source"]], row["shard"]
        chunks = self.chunks.setdefault(name, set())
        if row["chunk"] in chunks:
            return  # a second row for the same part, of a task that was retried
        chunks.add(row["chunk"])
        shard = item.shard(name)
        self.shards[row["source"]].add(name)
        self.progress.chunks += 1
        if row["read_bytes"] is not None:  # not linked by an earlier start
            self.patience.note(row["seconds"], row["documents"])
            if row["source"] not in self.read:
                self.progress.bytes_skipped += min(row["skipped_bytes"] or 0, item.source.size)
            # What is read ahead to its end, as small files are, says nothing of the work.
            self._count_bytes(item, row["read_bytes"] if row["read_bytes"] < item.source.size else 0)
            for count in self.progress.own:
                self.progress.own[count] += row[count]
            self.speed.add(time.time(), row)
        self.progress.first_chunk = self.progress.first_chunk or self.progress.seconds
        tallies = self.tallies.setdefault(name, [])
        tallies.append({count: row[count] for count in COUNTS})
        self._add_counts(tallies[-1])
        if row["error"]:
            self.errors[name] = row["error"]
        if row["last"]:
            self.last[name] = row["chunk"]
        if row["ends"]:
            self.totals[row["source"]] = item.number_of(name) + 1
        if len(chunks) == self.last.get(name, -2) + 1:
            if name in self.errors:
                self.failed[shard.path] = self.errors[name]
                self.progress.files_failed += 1
                self._count_bytes(item, item.source.size)
                self._add_counts(sum_counts(tallies), -1)
                self.run.set_aside(shard, self.errors[name])
            else:
                self.assembling.begin(shard, self.last[name] + 1)
            del self.tallies[name]

    def _add_counts(self, counts: Mapping[str, int], times: int = 1) -> None:
        for count in COUNTS:
            self.progress.counts[count] += times * counts[count]

    def _count_bytes(self, item: RunInput, read: int) -> None:
        """Note how far an input was read, by a chunk (they come in any order), or all of it when it is over."""
        before = self.read.setdefault(item.source.name, 0)
        self.read[item.source.name] = max(before, read)
        self.progress.bytes_done += self.read[item.source.name] - before

    def _collect(self, timeout: float) -> None:
        """Take in the shards that were published."""
        for shard, state in self.assembling.done(timeout):
            self.finished[shard.name] = state
            item = self.to_do[shard.source]
            if self._is_finished(item):
                self.progress.files_done += 1
                self._count_bytes(item, item.source.size)

    def _show(self) -> None:
        self.watch(self.progress)
        self.run.check()  # a job that lost its directory ends now, not with the next shard
        if time.time() - self.written > PROGRESS_SECONDS:
            self.written = time.time()
            self._log(finished=False)
            self._publish()

    def _publish(self) -> None:
        metrics.record(self.session.run, "share_read", self.progress.share or 0.0)
        metrics.publish(self.session.run)

    def _log(self, finished: bool) -> None:
        figures = {"seconds": self.progress.seconds, "share": self.progress.share}
        failed = list(self.failed.values())[:MAX_NAMED]
        write_progress(self.run, {**asdict(self.progress), **figures, "failed": failed, "finished": finished})
        self.speed.write(self.run, self.progress.seconds)

    def _check_fraction(self, counts: Mapping[str, int], least: int) -> None:
        bad, documents = counts["quarantined"], counts["documents"]
        if documents >= least and bad > documents * self.max_bad_fraction:
            raise BadFractionError(
                f"{bad:,} of {documents:,} documents couldn't be linked, more than --max-bad-fraction "
                f"{self.max_bad_fraction:g} allows; reasons are in {self.run.quarantine}, "
                "finished shards stay"
            )

    def finish(self, metric_file: str | None) -> RunResult:
        """Write the counts, and say what was done.

        Args:
            metric_file: Where a copy of the table of counts goes; None for nowhere.
        """
        bundles = [item.name for item in self.inputs.values() if item.source.is_bundle]
        self.run.delete_other_shards(bundles, set().union(*self.shards.values()))
        counts = self.run.finish(self.finished.values())
        if metric_file:
            tables.write_rows(metric_file, counts)
        self._log(finished=True)
        totals = self.progress.counts
        result = RunResult(
            self.run.uri,
            counts,
            self.progress,
            self.failed,
            repeated_ids(self.run, self.finished),
            quarantine_reasons(self.run, self.finished) if totals["quarantined"] + totals["set_aside"] else [],
            unreadable_files(self.run, self.finished),
            tokens={stage: round(amount) for (name, stage), amount in self.speed.work.items() if name == "tokens"},
        )
        self._check_fraction(totals, 1)
        return result
