"""The lookup job: a corpus's distinct surfaces, each searched once, into a table that `link` looks candidates up in.

In place of candidates that a generator finds, a surface's may be the concepts that its mentions have (`frequent`).

Most first-stage work on a large corpus is repetition (94 to 99 % over all of PubMed, extrapolated). Each file's
distinct surfaces are shuffled by the range of their hash; each range is searched by an actor and written as one
sorted Arrow file, so that the bytes don't depend on the number of files' readers or actors.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from raybel.candidates.base import Generator, chunk_surfaces
from raybel.candidates.calibrating import store
from raybel.candidates.lookup import ALIASES, FREQUENT, KIND, VERSION, bucket_table, buckets, hashes, write_json
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions, reading_identity
from raybel.corpus.reader_deaths import SUFFIX
from raybel.corpus.sources import Source, corpus_bytes, find_sources
from raybel.display import counted
from raybel.errors import ConfigError
from raybel.files import artefacts, storage, tables
from raybel.files.work_directory import WorkDirectory
from raybel.jobs.actors import on_actors
from raybel.jobs.datasets import BiocDatasource, Input, reader_record
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.lookup.directory import READERS, lookup_directory, range_name
from raybel.jobs.lookup.frequent import (
    Counts,
    annotated_in,
    annotated_in_run,
    count_concepts,
    frequent_candidates,
)
from raybel.jobs.runtime import Allocation, allocate_here, data_context, ray_session
from raybel.jobs.sessions import Session
from raybel.ontology import Ontology
from raybel.runs.mentions import mentions_tables, read_mentions_table
from raybel.runs.run_directory import RunDirectory

#: Stands for the name of a source that is a run's table of mentions.
_OF_RUN = "mentions of a run"
#: A task searches whole ranges and says nothing before its end: time that it may take.
RANGE_SECONDS = 24 * 3600

#: `mentions` is how many a surface has; where concepts are counted, how many of them have the `concept` (-1 for all).
_ROWS = pa.schema(
    [
        ("bucket", pa.int64()),
        ("surface", pa.string()),
        ("concept", pa.int32()),
        ("mentions", pa.int64()),
        ("path", pa.string()),
        ("bad", pa.int64()),
        ("error", pa.string()),
    ]
)
_WRITTEN = pa.schema(
    [
        ("name", pa.string()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("surfaces", pa.int64()),
        ("mentions", pa.int64()),
        ("found", pa.int64()),
        ("path", pa.string()),
        ("bad", pa.int64()),
        ("error", pa.string()),
    ]
)


@dataclass
class LookupResult:
    """What the job made.

    Args:
        surfaces: Distinct ones.
        mentions: That have them.
        found: Surfaces with at least one candidate.
        bad_documents: Documents that couldn't be read.
        failed: Why files couldn't be read.
    """

    surfaces: int
    mentions: int
    found: int
    bad_documents: int
    failed: list[str]


def make_lookup(config: LookupConfig) -> LookupResult:
    """Make a lookup of a corpus; an earlier one at the same place is replaced.

    Raises:
        ConfigError: Nothing to read, or the output is a directory of something other.
        MismatchError: Model and ontology don't belong together.
    """
    begun = time.perf_counter()
    inputs = _inputs(config)
    ontology = Ontology.open(config.ontology)
    generator = None if config.generator is None else open_generator(ontology, config.generator)
    published = storage.name_of(config.output).endswith((".json", ".json.gz"))
    home = config.output + ".parts" if published else config.output
    work = lookup_directory(home)
    with work.lock():
        work.check({}, overwrite=True)
        rows = _search(config, work, inputs)
        searched = [row for row in rows if row["name"]]
        written = {row["name"]: (row["size"], row["sha256"]) for row in searched}
        for number in range(config.ranges):  # a range without surfaces has a file too
            name = range_name(number)
            if name not in written:
                written[name] = artefacts.write_file(home, name, artefacts.arrow_bytes(bucket_table([], [], [])))
        ranges = sorted(written)
        if generator is not None and (aliases := generator.alias_table) is not None:
            written[ALIASES] = artefacts.write_file(home, ALIASES, artefacts.arrow_bytes(aliases))
        parameters = {
            "ontology_fingerprint": ontology.fingerprint,
            "generator": FREQUENT if generator is None else generator.name,
            "generator_fingerprint": "" if generator is None else generator.fingerprint,
            "top_k": config.top_k,
            **reading_identity(config.mentions),
        }
        stored_as = artefacts.seal(home, KIND, VERSION, parameters, written)
        if (
            generator is not None and generator.calibration is not None
        ):  # its candidates are the generator's, and so are their probabilities
            store(home, stored_as, generator.calibration)
        if published:
            local = storage.localise(home)
            write_json(config.output, (artefacts.load_arrow(local / name) for name in ranges))
    if published:
        storage.delete(home)
    done = LookupResult(
        sum(row["surfaces"] for row in searched),
        sum(row["mentions"] for row in searched),
        sum(row["found"] for row in searched),
        sum(row["bad"] or 0 for row in rows),
        sorted(row["error"] for row in rows if row["error"]),
    )
    if config.metric_file:
        tables.write_values(config.metric_file, {**asdict(done), "seconds": time.perf_counter() - begun})
    return done


def _inputs(config: LookupConfig) -> list[Input]:
    """Return what is read: corpora; of a run directory, the tables of its mentions, which have their surfaces already.

    Raises:
        ConfigError: A run's surfaces were made in another way than the lookup's are to be.
    """
    inputs, corpora = [], []
    for path in config.in_corpus:
        run = RunDirectory(path)
        if not run.exists():
            corpora.append(path)
            continue
        if config.confident is not None and not run.routes():
            raise ConfigError(f"{path} is a run without links: --confident needs those that `raybel link` makes")
        for name, table in mentions_tables(run, config.mentions).items():
            inputs.append(Input(Source(table, _OF_RUN, corpus_bytes([(table, name)])), name))
    if config.confident is not None and corpora:
        raise ConfigError(f"{corpora[0]} isn't a link run: --confident needs the links of one")
    return inputs + [Input(source, source.name) for source in (find_sources(corpora, None) if corpora else ())]


def _search(config: LookupConfig, work: WorkDirectory, inputs: list[Input]) -> list[dict[str, Any]]:
    """Search every range and write its file; return a row of `_WRITTEN` for each range and each input file."""
    options = ReadOptions(mentions=config.mentions)
    with ray_session(), data_context() as context:
        context.target_max_block_size = 16 << 20  # rows are small here
        context.execution_no_progress_timeout_s = RANGE_SECONDS
        size = sum(item.source.size for item in inputs)
        encodes = config.generator is not None and uses_encoder(config.generator)
        allocation = allocate_here(config.resources, encodes, size)
        work.open({}, overwrite=True, ranges=config.ranges)
        session = Session(storage.name_of(config.output))
        inputs = [_recorded(item, work, session, config.resources.max_restarts) for item in inputs]
        corpus = BiocDatasource(inputs, options, partial(_distinct, config))
        distinct = ray.data.read_datasource(
            corpus, override_num_blocks=max(1, len(inputs)), num_cpus=allocation.cpus_per_task
        )
        written = distinct.groupby("bucket", num_partitions=min(config.ranges, 4 * allocation.most_actors)).map_groups(
            **on_actors(LookupStage, (config, work.uri, allocation), allocation, config.resources.max_restarts),
            batch_format="pyarrow",
        )
        files_and_ranges: list[dict[str, Any]] = written.take_all()
        storage.delete(storage.join(work.uri, READERS))
        return files_and_ranges


def _recorded(item: Input, work: WorkDirectory, session: Session, max_restarts: int) -> Input:
    """Return an input whose readers that die are recorded in the lookup's directory."""
    path = storage.join(work.uri, READERS, item.shard + SUFFIX)
    return replace(item, record=partial(reader_record, path, session.id, max_restarts))


def _distinct(config: LookupConfig, item: Input, options: ReadOptions) -> Iterator[pa.Table]:
    """Yield an input's distinct surfaces with how many mentions have each, and rows (range -1) of what went wrong."""
    counts: Counts = Counter()
    bad = unnamed = 0
    errors: list[str] = []
    ontology = Ontology.open(config.ontology) if config.frequent else None
    types = options.mentions.mention_types
    if item.source.name == _OF_RUN:
        if ontology is None:
            surfaces = read_mentions_table(item.source.path, ["surface"], types)["surface"].to_pylist()
            counts.update((surface, -1) for surface in surfaces)
        else:
            counts += count_concepts(*annotated_in_run(item.source.path, types, config.confident), ontology)
    record = item.record() if item.record is not None else None
    for chunk in read_chunks(item.source, item.shard, options, record=record) if item.source.name != _OF_RUN else ():
        if ontology is None:
            counts.update((surface, -1) for surface in chunk_surfaces(chunk))
        else:
            counts += count_concepts(*annotated_in(chunk), ontology)
        bad += pc.sum(pc.is_valid(pc.struct_field(pc.list_flatten(chunk["docs"]), "error"))).as_py() or 0
        errors += chunk["unreadable"][0].as_py()
        unnamed += chunk["unnamed"][0].as_py()
        errors += filter(None, [chunk["error"][0].as_py()])
    if unnamed:
        errors.append(f"{item.source.path}: {counted(unnamed, 'more file')} of it")
    pairs = [pair for pair in counts if pair[0]]
    surfaces = [surface for surface, _ in pairs]
    size = len(pairs)
    problems: list[str | None] = [*errors] or [None]
    rest = len(problems)
    columns = {
        "bucket": [*buckets(hashes(surfaces), config.ranges).tolist(), *([-1] * rest)],
        "surface": [*surfaces, *([""] * rest)],
        "concept": [*(concept for _, concept in pairs), *([-1] * rest)],
        "mentions": [*(counts[pair] for pair in pairs), *([0] * rest)],
        "path": [None] * size + [item.source.path] * rest,
        "bad": [0] * size + [bad] + [0] * (rest - 1),
        "error": [None] * size + problems,
    }
    yield pa.table(columns, schema=_ROWS)


class LookupStage:
    """Searches one range's surfaces and writes its file; one per actor."""

    def __init__(self, config: LookupConfig, home: str, allocation: Allocation) -> None:
        self.config, self.home = config, home
        self.generator: Generator | None = None
        if config.generator is not None:
            ontology = Ontology.open(config.ontology)
            self.generator = open_generator(ontology, config.generator, allocation.device, allocation.threads)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return a row that names the file, or for range -1 a row for each input file."""
        bucket = rows["bucket"][0].as_py()
        empty = dict.fromkeys(_WRITTEN.names)
        if bucket < 0:
            files = rows.select(["path", "bad", "error"]).to_pylist()
            return pa.Table.from_pylist([{**empty, **row} for row in files], schema=_WRITTEN)
        of_surfaces = rows.filter(pc.less(rows["concept"], 0))
        summed = of_surfaces.group_by("surface").aggregate([("mentions", "sum")])
        unsorted = summed["surface"].to_pylist()
        order = np.argsort(np.array(unsorted, dtype=object)).tolist()
        distinct = [unsorted[row] for row in order]
        mentions = summed["mentions_sum"].to_numpy()[order].tolist()
        if self.generator is None:
            candidates = list(frequent_candidates(rows, distinct, self.config.top_k))
        else:
            candidates = self.generator.search(distinct, self.config.top_k)
        table = bucket_table(distinct, mentions, candidates)
        size, digest = artefacts.write_file(self.home, range_name(bucket), artefacts.arrow_bytes(table))
        row = {"name": range_name(bucket), "size": size, "sha256": digest, "surfaces": len(distinct), "bad": 0}
        with_candidates = sum(len(ranking) > 0 for ranking in candidates)
        counted = {"mentions": sum(mentions), "found": with_candidates}
        return pa.Table.from_pylist([{**empty, **row, **counted}], schema=_WRITTEN)
