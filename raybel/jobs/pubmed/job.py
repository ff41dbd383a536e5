"""The pipeline's steps: find mentions, look their distinct surfaces up, link, count; each skipped when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from raybel.candidates.calibrating import stored
from raybel.candidates.registry import home_of
from raybel.config import GeneratorPaths, MentionOptions, deciding_fields
from raybel.corpus.documents import reading_identity
from raybel.detection.registry import detection_identity
from raybel.errors import MismatchError
from raybel.files import storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.jobs.detect.job import detect
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.job import link
from raybel.jobs.link.routes import OpenedRoute, Route
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.lookup.job import make_lookup
from raybel.jobs.progress import Progress
from raybel.jobs.pubmed.config import PubmedConfig
from raybel.jobs.pubmed.counts import linked_concepts
from raybel.jobs.pubmed.directory import work_directory
from raybel.jobs.runtime import ray_session
from raybel.jobs.shard_job import RunResult
from raybel.runs.pipeline import PipelineDirectory
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import unread_files

Watch = Callable[[str, Progress], None]


@dataclass
class PubmedResult:
    """What the pipeline did.

    Args:
        out_dir: Where its outputs are.
        steps: Of each step, `step`, `skipped` (it was done before), `seconds`, and what it counted.
        incomplete: Whether files of the input couldn't be read.
        unread: Why they couldn't: a few of them.
        notes: What else a person should know.
    """

    out_dir: str
    steps: list[dict[str, Any]]
    incomplete: bool
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pubmed(config: PubmedConfig, watch: Watch | None = None) -> PubmedResult:
    """Make links of a dump; the same call again goes on in the step in which a killed one stopped.

    What it writes is in `runs/pipeline.py`.

    Args:
        config: What to do.
        watch: Called with a step and how far it is.

    Raises:
        LockedError: Another job makes links in `out_dir`.
        RaybelError: As `detect`, `make_lookup` and `link`.
    """
    pipeline = PipelineDirectory(config.out_dir)
    with work_directory(pipeline).lock(), ray_session():  # one session for all steps
        return _run(config, pipeline, watch or (lambda step, progress: None))


def _run(config: PubmedConfig, pipeline: PipelineDirectory, watch: Watch) -> PubmedResult:
    found, links = pipeline.found, pipeline.links
    # What can't be used is refused before mentions are found, which may take hours.
    expand = config.mentions.expand_abbreviations
    opened = [
        OpenedRoute.open(types, route, config.top_k, expand, False, None) for types, route in config.routes_of_types
    ]
    _check_options(config, pipeline, opened)
    steps: list[dict[str, Any]] = []

    def done(step: dict[str, Any]) -> None:
        steps.append(step)
        storage.publish_json(pipeline.steps_file, steps)

    storage.publish_json(pipeline.steps_file, steps)  # else an earlier start's would be taken for this one's
    begun = time.perf_counter()
    detected = detect(config.detect_config(found.uri), lambda progress: watch("detect", progress))
    done(_of_run("detect", detected, begun))
    routes, of_lookups = _with_lookups(config, opened, pipeline)
    done(of_lookups)
    begun = time.perf_counter()
    linked = link(_link_config(config, routes, pipeline), lambda progress: watch("link", progress))
    _delete_other_links(found, links)
    done(_of_run("link", linked, begun))
    done(_count(pipeline))
    notes = list(dict.fromkeys([*detected.notes, *linked.notes]))
    unread = [*unread_files(found), *unread_files(links)]
    return PubmedResult(config.out_dir, steps, detected.incomplete or linked.incomplete, unread, notes)


def _of_run(step: str, result: RunResult, begun: float) -> dict[str, Any]:
    counts = {name: sum(result.counts[name].to_pylist()) for name in ("documents", "mentions", "linked", "quarantined")}
    counts["own_documents"] = result.progress.own["documents"]  # of this start, which the seconds are of
    return {"step": step, "skipped": not result.progress.chunks, "seconds": time.perf_counter() - begun, **counts}


def _check_options(config: PubmedConfig, pipeline: PipelineDirectory, opened: list[OpenedRoute]) -> None:
    """Refuse an output directory of other options or models before anything in it changes.

    Raises:
        MismatchError: It is one.
    """
    options = {
        "routes": [{**each.identity(), "threshold": each.route.threshold} for each in opened],
        **detection_identity(config.detection, config.mentions.mention_types),
        **deciding_fields(config.detection),
        **reading_identity(config.mentions),
        "input": asdict(config.input),
        "top_k": config.top_k,
        "rerank": config.rerank,
        "precision": config.precision,
    }
    path, identity = pipeline.options_file, fingerprint(options)
    if not storage.exists(path):
        storage.publish_json(path, {"identity": identity})
    elif storage.read_json(path).get("identity") != identity:
        raise MismatchError(
            f"{config.out_dir} holds what was made with other options or other models: give another --out-dir, or "
            "delete it"
        )


def _with_lookups(
    config: PubmedConfig, opened: list[OpenedRoute], pipeline: PipelineDirectory
) -> tuple[list[tuple[tuple[str, ...], Route]], dict[str, Any]]:
    """Make the lookup of each route, unless it is there; return routes that use them, and what was done."""
    begun = time.perf_counter()
    totals: dict[str, int] = {"mentions": 0, "surfaces": 0, "found": 0}
    with_lookups, made = [], False
    for number, each in enumerate(opened):
        types, route = each.types, each.route
        if route.generator.candidates_lookup is not None:  # it has one already
            with_lookups.append((types, route))
            continue
        output = join(pipeline.lookups, f"{number:02d}")
        mentions = _mentions_of(config.mentions, types)
        identity = fingerprint(
            {
                "ontology": each.ontology.fingerprint,
                "generator": f"{each.generator.name} {each.generator.fingerprint}",
                "calibrations": stored(home_of(route.generator)),
                "top_k": config.top_k,
                "found": _state_of(pipeline.found),
                **reading_identity(mentions),
            }
        )
        done_file = output + ".done.json"
        done = storage.read_json(done_file) if storage.exists(done_file) else {}
        if done.get("identity") != identity:
            made = True
            with pipeline.links.work.lock():  # of another content of the dump: it is linked anew
                pipeline.links.work.clear()
            storage.delete(done_file)
            lookup = make_lookup(
                LookupConfig(
                    (pipeline.found.uri,),
                    output,
                    route.ontology,
                    route.generator,
                    config.top_k,
                    mentions,
                    resources=config.resources,
                )
            )
            done = {"identity": identity, **{name: getattr(lookup, name) for name in totals}}
            storage.publish_json(done_file, done)
        for name in totals:
            totals[name] += done[name]
        from_lookup = GeneratorPaths(candidates_lookup=output)
        with_lookups.append((types, Route(route.ontology, from_lookup, route.reranker_model, route.threshold)))
    return with_lookups, {"step": "lookup", "skipped": not made, "seconds": time.perf_counter() - begun, **totals}


def _mentions_of(mentions: MentionOptions, types: tuple[str, ...]) -> MentionOptions:
    chosen = [name for name in types if not mentions.mention_types or name in mentions.mention_types]
    return MentionOptions(**{**asdict(mentions), "mention_types": tuple(chosen) if types else mentions.mention_types})


def _state_of(run: RunDirectory) -> str:
    """Return a hash of what a finished run holds: its identity, and which shards are made of which input."""
    keys = {state["name"]: state["key"] for state in run.states()}
    return fingerprint({"identity": run.manifest()["identity"], "shards": keys})


def _link_config(
    config: PubmedConfig, routes: list[tuple[tuple[str, ...], Route]], pipeline: PipelineDirectory
) -> LinkConfig:
    chosen: dict[str, Any]
    if config.routes:
        path = join(config.out_dir, "routes.json")
        value = {name: _route_value(route) for types, route in routes for name in types}
        storage.publish_json(path, value)
        chosen = {"routes": path}
    else:
        _, route = routes[0]
        chosen = {"ontology": route.ontology, "generator": route.generator, "threshold": route.threshold}
        chosen["reranker_model"] = route.reranker_model
    return LinkConfig(
        (pipeline.found.folder("shards"),),
        pipeline.links.uri,
        **chosen,
        rerank=config.rerank,
        precision=config.precision,
        top_k=config.top_k,
        mentions=config.mentions,
        input=replace(config.input, group_files=False),  # so that its shards are those of `found`
        max_bad_fraction=config.max_bad_fraction,
        resources=config.resources,
    )


def _route_value(route: Route) -> dict[str, Any]:
    value = asdict(route)
    return {name: item for name, item in {**value.pop("generator"), **value}.items() if item is not None}


def _delete_other_links(found: RunDirectory, links: RunDirectory) -> None:
    """Delete the links of shards that `found` has no more: a run keeps what is made of files that it isn't given."""
    names = frozenset(found.shard_names())
    with links.work.lock():
        links.delete_shards(lambda shard: shard not in names)


def _count(pipeline: PipelineDirectory) -> dict[str, Any]:
    """Write the table of linked concepts, unless it is of these very links."""
    begun = time.perf_counter()
    path, identity = pipeline.concepts_file, _state_of(pipeline.links)
    done_file = path + ".done.json"
    done = storage.read_json(done_file) if storage.exists(done_file) else {}
    skipped = storage.exists(path) and done.get("identity") == identity
    if not skipped:
        table: pa.Table = linked_concepts(pipeline.links)
        storage.publish(path, tables.parquet_bytes(table))
        storage.publish_json(done_file, {"identity": identity})
    return {"step": "count", "skipped": skipped, "seconds": time.perf_counter() - begun}
