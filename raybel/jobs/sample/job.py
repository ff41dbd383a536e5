"""The sampling job: mentions drawn from all inputs, then the documents that they are in written as a corpus."""

from __future__ import annotations

import io
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow.parquet as pq
import ray

from raybel.config import deciding_fields
from raybel.corpus.excerpts import excerpt_shards
from raybel.corpus.sources import corpus_bytes
from raybel.corpus.typography import FOLDING
from raybel.errors import ConfigError
from raybel.files import storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import OUTPUT_FORMAT
from raybel.jobs.assembling import RETRIES
from raybel.jobs.runtime import Allocation, allocate_here, data_context, ray_session
from raybel.jobs.sample.config import SampleConfig
from raybel.jobs.sample.directory import SampleDirectory
from raybel.jobs.sample.draw import DrawnInput, draw_mentions, read_surfaces
from raybel.linking.rankings import LINK_INFONS
from raybel.runs.inputs import find_inputs
from raybel.runs.mentions import mentions_tables
from raybel.runs.refusals import refuse_output_among_input
from raybel.runs.run_directory import RunDirectory

#: The infons of an annotation whose gold id is a link: where the label is from, and the link's probability.
LABEL_INFON, LABEL_SCORE_INFON = "label", "label_score"
PREDICTED = "predicted"
#: A task that draws or merges says nothing before its end: time that it may take.
DRAW_SECONDS = 24 * 3600


@dataclass
class SampleResult:
    """What was drawn.

    Args:
        surfaces: Distinct surfaces, counted once for each type that their mentions have.
        mentions: That could be drawn.
        sampled: Mentions that were drawn.
        documents: That these are in.
        shards: Files that hold those.
        bad_documents: Documents that couldn't be read.
        failed: Why files couldn't be read to their end.
    """

    surfaces: int
    mentions: int
    sampled: int
    documents: int
    shards: int
    bad_documents: int
    failed: list[str]


def sample(config: SampleConfig) -> SampleResult:
    """Draw mentions from a corpus, and write the documents that they are in; the same call again resumes a killed one.

    Drawing begins anew where it was killed; once it is done, the inputs whose documents are written stay.

    Args:
        config: What to do.

    Raises:
        ConfigError: The configuration can't be carried out, or the directory holds something other.
        InputError: The list of surfaces can't be read, or a directory isn't a run.
        MismatchError: An input has changed since the mentions were drawn.
        LockedError: Another job works on the directory.
        RaybelError: A worker died again and again, or the cluster made no progress.
    """
    begun = time.perf_counter()
    refuse_output_among_input(config.in_corpus, config.out_corpus)
    inputs, versions = _inputs(config)
    identity: dict[str, Any] = {
        "format": OUTPUT_FORMAT,
        "folding": FOLDING,
        "input": fingerprint(versions),
        "surfaces": None if config.surfaces is None else fingerprint({"": read_surfaces(config.surfaces)}),
        **deciding_fields(config),
    }
    directory = SampleDirectory(config.out_corpus)
    work = directory.work
    with work.lock():
        drawn = work.open(identity, config.overwrite).get("drawn")
        with ray_session(), data_context() as context:
            context.target_max_block_size = 16 << 20  # rows are small here
            context.execution_no_progress_timeout_s = DRAW_SECONDS
            size = sum(each.source.size for each in inputs)
            allocation = allocate_here(config.resources, input_bytes=size)
            if drawn is None:
                drawn = draw_mentions(config, inputs, allocation)
                work.write_description(identity, drawn=drawn)
            _write_shards(config, directory, inputs, allocation)
        shards = sum(state["shards"] for state in directory.states())
    counts = {name: drawn[name] for name in ("surfaces", "mentions", "sampled", "documents")}
    result = SampleResult(**counts, shards=shards, bad_documents=drawn["bad"], failed=drawn["failed"])
    if config.metric_file:
        tables.write_values(config.metric_file, {**asdict(result), "seconds": time.perf_counter() - begun})
    return result


def _inputs(config: SampleConfig) -> tuple[list[DrawnInput], dict[str, str]]:
    """Return what is drawn from, in order of the names of its shards, and the version of each by that name.

    Raises:
        ConfigError: Nothing matches, or links are wanted of what is no link run.
    """
    runs = {path: RunDirectory(path) for path in config.in_corpus if RunDirectory(path).exists()}
    others = [path for path in config.in_corpus if path not in runs]
    if config.confident is not None and others:
        raise ConfigError(f"{others[0]} isn't a link run: --confident needs the links of one")
    tables_of = {
        run.shard_file(name): table
        for run in runs.values()
        for name, table in mentions_tables(run, config.mentions).items()
    }
    if config.confident is not None:
        for path, run in runs.items():
            if not run.routes():
                raise ConfigError(f"{path} is a run without links: --confident needs those that `raybel link` makes")
    patterns = [*others, *(storage.join(path, "shards") for path in runs)]
    found = find_inputs(patterns, "", False if runs else config.input.group_files)
    inputs, versions = [], {}
    for number, item in enumerate(found):
        table = tables_of.get(item.source.path)
        inputs.append(DrawnInput(item.source, item.name, number=number, table=table))
        versions[item.name] = item.source.version
        if table is not None:
            versions[item.name] += f" {corpus_bytes([(table, '')])}"
    return inputs, versions


def _write_shards(
    config: SampleConfig, directory: SampleDirectory, inputs: list[DrawnInput], allocation: Allocation
) -> None:
    """Write the shards of the inputs that have sampled mentions, but of those that an earlier start has done."""
    retries = RETRIES + config.resources.max_restarts  # Ray counts the tasks that were lost with their nodes, too
    write = ray.remote(num_cpus=allocation.cpus_per_task, max_retries=retries)(_write_documents)
    waiting = []
    for each in inputs:
        name = each.shard
        if storage.exists(directory.mentions_file(name)) and not storage.exists(directory.state_file(name)):
            waiting.append(write.remote(config, directory, each))
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        ray.get(ready)


def _write_documents(config: SampleConfig, directory: SampleDirectory, drawn: DrawnInput) -> None:
    """Write the documents of an input that have sampled mentions, then the input's state."""
    rows = pq.read_table(io.BytesIO(storage.read_bytes(directory.mentions_file(drawn.shard)))).to_pylist()
    wanted: dict[int, dict[int, dict[str, str]]] = {}
    for row in rows:
        wanted.setdefault(row["document"], {})[row["ordinal"]] = _label(config, row)
    remove = () if config.confident is None else LINK_INFONS
    options = replace(config.read_options, source_only=True)
    shards = 0
    for name, content in excerpt_shards(drawn.source, drawn.shard, options, wanted, remove):
        storage.publish(directory.shard_file(name), content)
        shards += 1
    storage.publish_json(directory.state_file(drawn.shard), {"documents": len(wanted), "shards": shards})


def _label(config: SampleConfig, row: dict[str, Any]) -> dict[str, str]:
    """Return the infons that a sampled mention gets: none, or its link as its gold id, marked as predicted."""
    if config.confident is None:
        return {}
    infons = {LABEL_INFON: PREDICTED, LABEL_SCORE_INFON: f"{row['link_score']:.4f}"}
    return {config.mentions.gold_infon: row["link_id"], **infons}
