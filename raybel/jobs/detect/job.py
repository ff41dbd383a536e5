"""The detection job: read -> detect -> write, as one stream of chunks over Ray Data; resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from ray.data import Dataset

from raybel.config import deciding_fields
from raybel.corpus.typography import FOLDING
from raybel.detection.registry import detection_identity
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import OUTPUT_FORMAT, git_hash, versions
from raybel.jobs.chunk_stage import map_chunks
from raybel.jobs.detect.config import DetectConfig
from raybel.jobs.detect.stage import DetectStage
from raybel.jobs.planning import Plan, Prices, plan_job
from raybel.jobs.progress import Progress
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.jobs.shard_job import RunResult, ShardJob
from raybel.runs.inputs import RunInput, find_inputs
from raybel.runs.refusals import refuse_long_names, refuse_output_among_input, refuse_output_as_input
from raybel.runs.run_directory import RunDirectory


def detect(config: DetectConfig, watch: Callable[[Progress], None] | None = None) -> RunResult:
    """Find the mentions of a corpus; the same call again goes on where a killed one stopped.

    The run directory is as `link` makes it, without links: its shards are a corpus with annotations.

    Args:
        config: What to do.
        watch: Called after each chunk.

    Raises:
        ConfigError: The configuration can't be carried out, the run directory holds something other, or a document has
            annotations and the configuration doesn't say what becomes of them.
        InputError: The detector can't be read.
        LockedError: Another job works on the run directory.
        BadFractionError: Too many documents went to the quarantine; what is finished stays.
        RaybelError: A worker died again and again, or the cluster made no progress.
    """
    opened, identity, inputs = _opened(config)
    with opened.held() as run:
        run.open(identity, {"config": asdict(config), "versions": versions(), "git": git_hash()}, config.overwrite)
        job = ShardJob(run, inputs, config.max_bad_fraction, config.input.chunk_documents, watch)
        if job.to_do:
            job.go(partial(_stream, run, config), config.resources, encodes=config.detection.detector is not None)
        return job.finish(config.metric_file)


def plan_detect(config: DetectConfig, prices: Prices | None = None) -> Plan:
    """Try `detect` on a part of its input, and say what all of it would take; nothing is written.

    Args:
        config: What would be done.
        prices: What the cluster costs.

    Raises:
        ConfigError: As `detect`; or there isn't the memory that its workers take.
        InputError: The detector can't be read, or none of the inputs that were tried.
        RaybelError: A worker died.
    """
    run, identity, inputs = _opened(config)
    run.work.check(identity, config.overwrite)
    encodes = config.detection.detector is not None
    return plan_job(
        *(run, inputs, partial(_tried_stage, config), config.read_options, config.resources, encodes, prices)
    )


def _tried_stage(config: DetectConfig, home: str, allocation: Allocation) -> DetectStage:
    """Return a stage that notes what it must in another directory than the run's."""
    return DetectStage(config, allocation, RunDirectory(home), {}, Session(""))


def _opened(config: DetectConfig) -> tuple[RunDirectory, dict[str, Any], list[RunInput]]:
    """Return the run directory, all that decides the output, and what is read."""
    refuse_output_among_input(config.in_corpus, config.out_corpus)
    identity: dict[str, Any] = {
        "format": OUTPUT_FORMAT,
        "folding": FOLDING,
        **detection_identity(config.detection, config.mentions.mention_types),
        **deciding_fields(config),
    }
    inputs = find_inputs(config.in_corpus, fingerprint(identity), config.input.group_files)
    refuse_output_as_input(config.out_corpus, inputs)
    refuse_long_names(config.out_corpus, inputs)
    return RunDirectory(config.out_corpus), identity, inputs


def _stream(run: RunDirectory, config: DetectConfig, inputs: list[RunInput], allocation: Allocation) -> Dataset:
    """Return the job's Dataset: consuming it writes the parts, and yields a row of counts for each chunk."""
    restarts = config.resources.max_restarts
    return map_chunks(DetectStage, (config, allocation), run, inputs, config.read_options, allocation, restarts)
