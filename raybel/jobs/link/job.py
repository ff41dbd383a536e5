"""The link job: read -> candidates -> re-rank -> write, as one stream of chunks over Ray Data; resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import ray

from raybel.candidates.base import UNKNOWN_GENERATOR
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.config import deciding_fields
from raybel.display import counted
from raybel.errors import BadFractionError, ConfigError, RaybelError
from raybel.files import places, storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import OUTPUT_FORMAT, git_hash, versions
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.stage import stream
from raybel.jobs.runtime import allocate, data_context, ray_session
from raybel.linking.corpus_notes import corpus_notes
from raybel.ontology import Ontology
from raybel.runs.parts import COUNTS, sum_counts
from raybel.runs.run_directory import RunDirectory, Shard, find_shards

#: The share of bad documents is looked at once so many documents are done (and at the end).
BAD_FRACTION_AFTER = 10_000
PROGRESS_SECONDS = 1.0


@dataclass
class Progress:
    """How far a link job is.

    Args:
        shards_total: Input files.
        shards_done: Published by this start.
        shards_before: Published by earlier starts.
        shards_failed: Input files that couldn't be read.
        chunks: That this start finished.
        counts: Of `COUNTS`, over this start's chunks.
        bytes_total: Of the input files that this start has to do.
        bytes_done: Of those of them that are published or set aside.
        started: When Ray was there: seconds since the epoch.
        first_chunk: Seconds from then to the first finished chunk; None before it.
    """

    shards_total: int
    shards_done: int = 0
    shards_before: int = 0
    shards_failed: int = 0
    chunks: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    bytes_total: int = 0
    bytes_done: float = 0
    started: float = field(default_factory=time.time)
    first_chunk: float | None = None

    @property
    def seconds(self) -> float:
        """Since Ray was there; actors start and load the model in it."""
        return max(time.time() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """By the share of input bytes in finished shards; None before there is one."""
        done = min(self.bytes_done, self.bytes_total)
        return self.seconds * (self.bytes_total - done) / done if done else None


@dataclass
class LinkResult:
    """What a link job did.

    Args:
        run: The run directory.
        counts: Of `schemas.SHARD_COUNTS`: all finished shards of the input, those of earlier starts too.
        progress: Counts and time of this start.
        failed: Input files that can't be read, with the reason.
        repeated: Documents whose id another one has, and examples of such ids.
        top_errors: Reasons of quarantined documents, a few.
        notes: What else a person should know.
    """

    run: str
    counts: pa.Table
    progress: Progress
    failed: dict[str, str]
    repeated: tuple[int, list[str]]
    top_errors: list[str]
    notes: list[str] = field(default_factory=list)


def link(config: LinkConfig, watch: Callable[[Progress], None] | None = None) -> LinkResult:
    """Link a corpus; the same call again goes on where a killed one stopped, and ends in the same bytes.

    Args:
        config: What to do.
        watch: Called after each chunk.

    Raises:
        ConfigError: The configuration can't be carried out, or the run directory holds something other.
        MismatchError: Model and ontology don't belong together.
        LockedError: Another job works on the run directory.
        BadFractionError: Too many documents went to the quarantine; what is finished stays.
        RaybelError: A worker died again and again, or the cluster made no progress.
    """
    _refuse_output_among_input(config)
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    generator.check_usable(config.top_k, config.mentions.expand_abbreviations)
    reranker = None
    if config.reranker_model is not None:
        from raybel.rerank import reranker as second_stage  # imports torch

        reranker = second_stage.describe(
            config.reranker_model, None if config.any_ontology else ontology, config.crosstype
        )
    identity = {
        "format": OUTPUT_FORMAT,
        "ontology": ontology.fingerprint,
        "generator": f"{generator.name} {generator.fingerprint}",
        **({"reranker": reranker["fingerprint"]} if reranker else {}),
        **deciding_fields(config),
    }
    shards = find_shards(config.in_corpus, fingerprint(identity))
    _refuse_output_as_input(config, shards)
    run = RunDirectory(config.out_corpus)
    with run.work.lock():
        manifest = {"config": asdict(config), "versions": versions(), "git": git_hash()}
        run.open(identity, manifest, config.overwrite)
        states = {shard.name: run.state(shard) for shard in shards}
        finished = {name: state for name, state in states.items() if state is not None}
        to_do = [shard for shard in shards if shard.name not in finished]
        job = _Job(config, to_do, finished, watch or (lambda progress: None))
        job.progress.shards_total, job.progress.shards_before = len(shards), len(finished)
        run.write_plan(shards)
        if to_do:
            job.go(_shared_ontology(config, ontology))
        result = job.finish()
        totals = sum_counts(list(job.finished.values()))
        result.notes += corpus_notes(
            run, job.finished, ontology, config.mentions, totals["documents"], totals["mentions"]
        )
        result.notes += ontology.notes
    if (
        reranker
        and reranker["generator"] != generator.name
        and UNKNOWN_GENERATOR not in (reranker["generator"], generator.name)
    ):
        result.notes.append(
            f"the re-ranker was trained on {reranker['generator']} candidates, these are {generator.name} ones: its "
            "probabilities were fitted to the others' scores"
        )
    return result


def _refuse_output_among_input(config: LinkConfig) -> None:
    for pattern in config.in_corpus:
        if places.lies_in(config.out_corpus, pattern):
            raise ConfigError(
                f"the run directory {config.out_corpus} lies inside the input {pattern}: the next start would take its "
                "shards for input; choose another --out-corpus"
            )


def _refuse_output_as_input(config: LinkConfig, shards: list[Shard]) -> None:
    """Refuse input files that lie in the run directory, by whatever glob or link they were found."""
    if not storage.exists(config.out_corpus):
        return
    for path in {shard.path.rpartition("/")[0]: shard.path for shard in shards}.values():
        if places.lies_in(path, config.out_corpus):
            raise ConfigError(
                f"the input file {path} lies inside the run directory {config.out_corpus}: give input that leaves it "
                "out, or choose another --out-corpus"
            )


def _shared_ontology(config: LinkConfig, ontology: Ontology) -> str:
    """Return the path of an ontology that workers can memory-map: itself, or a copy in the run directory."""
    if config.ontology.endswith(".arrow"):
        return config.ontology
    copy = RunDirectory(config.out_corpus).ontology_copy
    ontology.save(copy)
    return copy


class _Job:
    """One start of the job."""

    def __init__(
        self,
        config: LinkConfig,
        to_do: list[Shard],
        finished: dict[str, dict[str, Any]],
        watch: Callable[[Progress], None],
    ) -> None:
        self.config, self.run, self.watch = config, RunDirectory(config.out_corpus), watch
        self.to_do = {shard.name: shard for shard in to_do}
        self.finished, self.failed = finished, dict[str, str]()
        self.before = list(finished.values())
        self.progress = Progress(0, bytes_total=sum(shard.size for shard in to_do))
        self.chunks: dict[str, set[int]] = {name: set() for name in self.to_do}
        self.last: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        self.assembling: dict[Any, str] = {}
        self.written = 0.0

    def go(self, ontology: str) -> None:
        """Run the stream until every shard to do is published or set aside."""
        with ray_session(), data_context():
            encodes = uses_encoder(self.config.generator) or self.config.reranker_model is not None
            allocation = allocate(self.config.resources, ray.cluster_resources(), encodes, self.progress.bytes_total)
            self.progress.started = time.time()
            dataset = stream(self.config, list(self.to_do.values()), allocation, ontology)
            assemble = ray.remote(num_cpus=allocation.cpus_per_task, max_retries=3)(RunDirectory.assemble)
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in batch.to_pylist():
                    self._count(row, assemble)
                self._collect(timeout=0)
                self._show()
                self._check_fraction([self.progress.counts, *self.before], BAD_FRACTION_AFTER)
            while self.assembling:
                self._collect(timeout=5)
                self._show()
            missing = [
                name for name, shard in self.to_do.items() if not (name in self.finished or shard.path in self.failed)
            ]
            if missing:
                raise RaybelError(
                    f"{counted(len(missing), 'shard')} couldn't be finished, such as {missing[0]}: run the same "
                    "command again"
                )

    def _count(self, row: dict[str, Any], assemble: Any) -> None:
        shard = self.to_do[row["shard"]]
        if row["chunk"] in self.chunks[shard.name]:
            return  # a retried task's second row for the same part
        self.chunks[shard.name].add(row["chunk"])
        self.progress.chunks += 1
        self.progress.first_chunk = self.progress.first_chunk or self.progress.seconds
        for name in COUNTS:
            self.progress.counts[name] += row[name]
        if row["error"]:
            self.errors[shard.name] = row["error"]
        if row["last"]:
            self.last[shard.name] = row["chunk"]
        if len(self.chunks[shard.name]) == self.last.get(shard.name, -2) + 1:
            if shard.name in self.errors:
                self.failed[shard.path] = self.errors[shard.name]
                self.progress.shards_failed += 1
                self.progress.bytes_done += shard.size
                self.run.set_aside(shard, self.errors[shard.name])
            else:
                self.assembling[assemble.remote(self.run, shard, self.last[shard.name] + 1)] = shard.name

    def _collect(self, timeout: float) -> None:
        """Take in the shards that were published."""
        ready, _ = ray.wait(list(self.assembling), num_returns=1, timeout=timeout) if self.assembling else ([], [])
        while ready:
            name = self.assembling.pop(ready[0])
            self.finished[name] = ray.get(ready[0])
            self.progress.shards_done += 1
            self.progress.bytes_done += self.to_do[name].size
            ready, _ = ray.wait(list(self.assembling), num_returns=1, timeout=0) if self.assembling else ([], [])

    def _show(self) -> None:
        self.watch(self.progress)
        if time.time() - self.written > PROGRESS_SECONDS:
            self.written = time.time()
            self._log(finished=False)

    def _log(self, finished: bool) -> None:
        self.run.write_progress({**asdict(self.progress), "seconds": self.progress.seconds, "finished": finished})

    def _check_fraction(self, tallies: list[dict[str, Any]], least: int) -> None:
        bad, documents = (sum(counts[name] for counts in tallies) for name in ("quarantined", "documents"))
        if documents >= least and bad > documents * self.config.max_bad_fraction:
            raise BadFractionError(
                f"{bad:,} of {documents:,} documents couldn't be linked, more than --max-bad-fraction "
                f"{self.config.max_bad_fraction:g} allows; reasons are in {self.run.quarantine}, "
                "finished shards stay"
            )

    def finish(self) -> LinkResult:
        """Write the counts, and say what was done."""
        counts = self.run.finish(self.finished.values())
        if self.config.metric_file:
            tables.write_rows(self.config.metric_file, counts)
        self._log(finished=True)
        repeated = self.run.repeated_ids(self.finished)
        set_aside = self.progress.counts["quarantined"] + self.progress.counts["set_aside"]
        top = self.run.quarantine_reasons(self.finished) if set_aside else []
        result = LinkResult(self.run.uri, counts, self.progress, self.failed, repeated, top)
        self._check_fraction(list(self.finished.values()), 1)  # of earlier starts too
        return result
