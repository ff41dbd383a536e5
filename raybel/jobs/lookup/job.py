"""The lookup job: a corpus's distinct surfaces, each searched once, into a table that `link` looks candidates up in.

Most first-stage work on a large corpus is repetition (94 to 99 % over all of PubMed, extrapolated). Each file's
distinct surfaces are shuffled by the range of their hash; each range is searched by an actor and written as one
sorted Arrow file, so that the bytes don't depend on the number of files' readers or actors.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy

from raybel.candidates.base import chunk_surfaces
from raybel.candidates.lookup import ALIASES, KIND, VERSION, bucket_table, buckets, hashes, write_json
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.corpus.chunks import corpus_files, read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.files import artefacts, storage, tables
from raybel.files.locks import lock
from raybel.jobs.datasets import BiocDatasource, Source
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.runtime import Plan, data_context, plan, started, told
from raybel.ontology import Ontology

#: A task searches whole ranges and says nothing before its end: time that it may take.
RANGE_SECONDS = 24 * 3600
#: Files that a lookup directory holds.
_OWN = re.compile(r"range-\d{5}\.arrow|aliases\.arrow|config\.json|\.lock|.*\.tmp")

_ROWS = pa.schema(
    [
        ("bucket", pa.int64()),
        ("surface", pa.string()),
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
    """What the job made: counts, and the files and documents that it couldn't take surfaces from."""

    surfaces: int
    mentions: int
    found: int
    bad_documents: int
    failed: dict[str, str]


def make_lookup(config: LookupConfig) -> LookupResult:
    """Make a lookup of a corpus; an earlier one at the same place is replaced.

    Raises:
        ConfigError: Nothing to read, or the output is a directory of something else.
        MismatchError: Model and ontology don't belong together.
    """
    begun = time.perf_counter()
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    published = storage.name_of(config.output).endswith((".json", ".json.gz"))
    home = config.output + ".parts" if published else config.output
    foreign = [name for name in storage.names(home) if not _OWN.fullmatch(name)]
    if foreign:
        raise ConfigError(f"{home} holds other files than a lookup's ({foreign[0]}): choose a new or empty directory")
    artefacts.refuse_other(home, KIND)
    with lock(home):
        artefacts.unseal(home)
        for name in storage.names(home):
            if name.endswith(".arrow"):
                storage.delete(storage.join(home, name))
        rows = _run(config, home)
        parts = [row for row in rows if row["name"]]
        written = {row["name"]: (row["size"], row["sha256"]) for row in parts}
        for number in range(config.ranges):  # a range without surfaces has a file too
            name = _name(number)
            if name not in written:
                written[name] = artefacts.write_file(home, name, artefacts.arrow_bytes(bucket_table([], [], [])))
        ranges = sorted(written)
        if (aliases := generator.alias_table) is not None:
            written[ALIASES] = artefacts.write_file(home, ALIASES, artefacts.arrow_bytes(aliases))
        parameters = {
            "ontology_fingerprint": ontology.fingerprint,
            "generator": generator.name,
            "generator_fingerprint": generator.fingerprint,
            "top_k": config.top_k,
            "expand_abbreviations": config.expand_abbreviations,
        }
        artefacts.seal(home, KIND, VERSION, parameters, written)
        if published:
            local = storage.localise(home)
            write_json(config.output, (artefacts.load_arrow(local / name) for name in ranges))
    if published:
        storage.delete(home)
    done = LookupResult(
        sum(row["surfaces"] for row in parts),
        sum(row["mentions"] for row in parts),
        sum(row["found"] for row in parts),
        sum(row["bad"] or 0 for row in rows),
        {row["path"]: row["error"] for row in rows if row["error"]},
    )
    if config.metric_file:
        tables.write_values(config.metric_file, {**asdict(done), "seconds": time.perf_counter() - begun})
    return done


def _name(bucket: int) -> str:
    return f"range-{bucket:05d}.arrow"


def _run(config: LookupConfig, home: str) -> list[dict[str, Any]]:
    files = corpus_files(config.in_corpus)
    options = ReadOptions(expand_abbreviations=config.expand_abbreviations)
    with told(), started(), data_context() as context:
        context.target_max_block_size = 16 << 20  # rows are small here
        context.execution_no_progress_timeout_s = RANGE_SECONDS
        fitted = plan(config.resources, ray.cluster_resources(), uses_encoder(config.generator))
        source = BiocDatasource(
            [Source(path, name) for path, name in files], options, partial(_distinct, config.ranges)
        )
        rows = ray.data.read_datasource(source, override_num_blocks=len(files), num_cpus=fitted.cpus_per_task)
        written = rows.groupby("bucket", num_partitions=min(config.ranges, 4 * fitted.actors)).map_groups(
            LookupStage,
            fn_constructor_args=(config, home, fitted),
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=fitted.actors),
            num_cpus=fitted.cpus_per_actor,
            num_gpus=fitted.gpus_per_actor,
            max_restarts=config.resources.max_restarts,
            max_task_retries=config.resources.max_restarts,
        )
        found: list[dict[str, Any]] = written.take_all()
        return found


def _distinct(ranges: int, source: Source, options: ReadOptions) -> Iterator[pa.Table]:
    """Yield a file's distinct surfaces with how many mentions have each, and one row (range -1) of what went wrong."""
    counts: Counter[str] = Counter()
    bad, error = 0, None
    for chunk in read_chunks(source.path, source.shard, options):
        counts.update(chunk_surfaces(chunk))
        bad += pc.sum(pc.is_valid(pc.struct_field(pc.list_flatten(chunk["docs"]), "error"))).as_py() or 0
        error = chunk["error"][0].as_py()
    counts.pop("", None)
    found = list(counts)
    size = len(found)
    columns = {
        "bucket": [*buckets(hashes(found), ranges).tolist(), -1],
        "surface": [*found, ""],
        "mentions": [*counts.values(), 0],
        "path": [None] * size + [source.path],
        "bad": [0] * size + [bad],
        "error": [None] * size + [error],
    }
    yield pa.table(columns, schema=_ROWS)


class LookupStage:
    """Searches one range's surfaces and writes its file; one per actor."""

    def __init__(self, config: LookupConfig, home: str, fitted: Plan) -> None:
        self.config, self.home = config, home
        self.generator = open_generator(Ontology.open(config.ontology), config.generator, fitted.device, fitted.threads)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return a row that names the file, or for range -1 a row for each input file."""
        bucket = rows["bucket"][0].as_py()
        empty = dict.fromkeys(_WRITTEN.names)
        if bucket < 0:
            told_rows = rows.select(["path", "bad", "error"]).to_pylist()
            return pa.Table.from_pylist([{**empty, **row} for row in told_rows], schema=_WRITTEN)
        summed = rows.group_by("surface").aggregate([("mentions", "sum")])
        names = summed["surface"].to_pylist()
        order = np.argsort(np.array(names, dtype=object)).tolist()
        wanted = [names[i] for i in order]
        mentions = summed["mentions_sum"].to_numpy()[order].tolist()
        found = self.generator.search(wanted, self.config.top_k)
        table = bucket_table(wanted, mentions, found)
        size, digest = artefacts.write_file(self.home, _name(bucket), artefacts.arrow_bytes(table))
        row = {"name": _name(bucket), "size": size, "sha256": digest, "surfaces": len(wanted), "bad": 0}
        counted = {"mentions": sum(mentions), "found": sum(len(each) > 0 for each in found)}
        return pa.Table.from_pylist([{**empty, **row, **counted}], schema=_WRITTEN)
