"""The link job: read -> detect -> candidates -> re-rank -> write, as one stream of chunks over Ray Data; resumable."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ray.data import Dataset

from raybel.config import deciding_fields
from raybel.corpus.typography import FOLDING
from raybel.detection.registry import detection_identity
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import OUTPUT_FORMAT, git_hash, versions
from raybel.jobs.chunk_stage import map_chunks
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.routes import OpenedRoute, ontology_names
from raybel.jobs.link.stage import LinkStage
from raybel.jobs.planning import Plan, Prices, plan_job
from raybel.jobs.progress import Progress
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.jobs.shard_job import RunResult, ShardJob
from raybel.linking.corpus_notes import corpus_notes
from raybel.runs.inputs import RunInput, find_inputs
from raybel.runs.refusals import refuse_long_names, refuse_output_among_input, refuse_output_as_input
from raybel.runs.run_directory import RunDirectory


def link(config: LinkConfig, watch: Callable[[Progress], None] | None = None) -> RunResult:
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
    opened = _Opened.open(config)
    routes = opened.routes
    with opened.run.held() as run:
        manifest: dict[str, Any] = {"config": asdict(config), "versions": versions(), "git": git_hash()}
        if config.routes:
            manifest["routes"] = [{"types": list(types), **asdict(route)} for types, route in config.opened_routes]
        run.open(opened.identity, manifest, config.overwrite)
        job = ShardJob(run, opened.inputs, config.max_bad_fraction, config.input.chunk_documents, watch)
        if job.to_do:
            stream = partial(_stream, run, config, _for_workers(run, routes, opened.names))
            job.go(stream, config.resources, opened.encodes)
        result = job.finish(config.metric_file)
        for route in routes:
            result.notes += corpus_notes(run, job.finished, route.ontology, config.wanted_mentions, route.types)
            result.notes += route.notes(config.rerank, config.top_k)
    result.notes = list(dict.fromkeys(result.notes))
    return result


def plan_link(config: LinkConfig, prices: Prices | None = None) -> Plan:
    """Try `link` on a part of its input, and say what all of it would take; nothing is written.

    Args:
        config: What would be done.
        prices: What the cluster costs.

    Raises:
        ConfigError, MismatchError: As `link`; or there isn't the memory that its workers take.
        InputError: None of the inputs that were tried can be read.
        RaybelError: A model can't be loaded, or a worker died.
    """
    opened = _Opened.open(config)
    opened.run.work.check(opened.identity, config.overwrite)
    with tempfile.TemporaryDirectory() as home:  # of ontologies in a form that workers can't map
        routes = _for_workers(RunDirectory(home), opened.routes, opened.names)
        make_stage = partial(_tried_stage, config, routes)
        return plan_job(
            *(opened.run, opened.inputs, make_stage, config.read_options, config.resources, opened.encodes, prices)
        )


def _tried_stage(config: LinkConfig, routes: list[Any], home: str, allocation: Allocation) -> LinkStage:
    """Return a stage that notes what it must in another directory than the run's."""
    return LinkStage(config, routes, allocation, RunDirectory(home), {}, Session(""))


@dataclass(frozen=True)
class _Opened:
    """What a configuration names, opened and checked before Ray starts.

    Args:
        run: The run directory.
        routes: The types of mentions (none for all), and what each is linked to.
        names: What each route's ontology is called.
        identity: All that decides the output, as JSON values.
        inputs: What is read.
        encodes: Whether an actor runs an encoder.
    """

    run: RunDirectory
    routes: list[OpenedRoute]
    names: list[str]
    identity: dict[str, Any]
    inputs: list[RunInput]
    encodes: bool

    @classmethod
    def open(cls, config: LinkConfig) -> _Opened:
        refuse_output_among_input(config.in_corpus, config.out_corpus)
        wanted, expands = config.wanted_mentions, config.wanted_mentions.expand_abbreviations
        routes = [
            OpenedRoute.open(types, route, config.top_k, expands, config.any_ontology, config.crosstype)
            for types, route in config.opened_routes
        ]
        names = ontology_names([route.route.ontology for route in routes])
        identity = {
            "format": OUTPUT_FORMAT,
            "folding": FOLDING,
            **({"routes": [route.identity() for route in routes]} if config.routes else routes[0].identity()),
            **detection_identity(config.detection, wanted.mention_types),
            **deciding_fields(config),
            "ontology_names": names,
            "mention_types": list(wanted.mention_types),
        }
        inputs = find_inputs(config.in_corpus, fingerprint(identity), config.input.group_files)
        refuse_output_as_input(config.out_corpus, inputs)
        refuse_long_names(config.out_corpus, inputs)
        encodes = any(route.route.encodes for route in routes) or config.detection.detector is not None
        return cls(RunDirectory(config.out_corpus), routes, names, identity, inputs, encodes)


def _for_workers(run: RunDirectory, routes: list[OpenedRoute], names: list[str]) -> list[Any]:
    """Return each route's types and options, an ontology that workers can memory-map (itself or a copy), its name."""
    mapped = []
    for number, (route, name) in enumerate(zip(routes, names, strict=True)):
        path = route.route.ontology
        if not path.endswith(".arrow"):
            path = run.ontology_copy(number)
            route.ontology.save(path)
        mapped.append((route.types, route.route, path, name))
    return mapped


def _stream(
    run: RunDirectory, config: LinkConfig, routes: list[Any], inputs: list[RunInput], allocation: Allocation
) -> Dataset:
    """Return the job's Dataset: consuming it writes the parts, and yields a row of counts for each chunk."""
    restarts = config.resources.max_restarts
    return map_chunks(LinkStage, (config, routes, allocation), run, inputs, config.read_options, allocation, restarts)
