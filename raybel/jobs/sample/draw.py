"""Draws mentions: a reservoir of each input, merged by ranges of surfaces, and written as a table of each input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from raybel.candidates.lookup import buckets, hashes
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions, format_gold
from raybel.corpus.reservoir import DRAWN, draw, mention_keys, smallest
from raybel.corpus.text import surface
from raybel.display import counted
from raybel.errors import InputError
from raybel.files import storage, tables
from raybel.jobs.datasets import BiocDatasource, Input, mention_columns
from raybel.jobs.runtime import Allocation
from raybel.jobs.sample.config import SampleConfig
from raybel.jobs.sample.directory import SampleDirectory
from raybel.runs.mentions import read_mentions_table

#: The table of an input's sampled mentions, in order of the documents. `mentions` is how many mentions of the corpus
#: have the surface and type (of those that may be drawn), `link_id` the link as a gold id, `document` the number of the
#: document in its input, `ordinal` that of the annotation in the document.
SAMPLED = pa.schema(
    [DRAWN.field(name) for name in ("surface", "type", "mentions", "doc_id", "start", "end", "link_id", "link_score")]
    + [DRAWN.field(name) for name in ("document", "ordinal")]
)
#: What travels from a step to the next one: drawn mentions, or (range and source -1) what went wrong with an input.
#: `is_first` marks one mention of each surface and type.
_ROWS = pa.schema(
    [
        ("range", pa.int64()),
        *((field.name, field.type) for field in DRAWN),
        ("is_first", pa.bool_()),
        ("bad", pa.int64()),
        ("error", pa.string()),
    ]
)
_COUNTS = pa.schema(
    [(name, pa.int64()) for name in ("inputs", "surfaces", "mentions", "sampled", "documents", "bad")]
    + [("error", pa.string())]
)
_OF_RUN = ["document", "ordinal", "doc_id", "surface", "type", "start", "end", "link_id", "link_score", "parts"]


@dataclass(frozen=True)
class DrawnInput(Input):
    """What is drawn from; its shard names its outputs.

    Args:
        number: Its place among the inputs.
        table: The mentions table of a run's shard; None for another corpus.
    """

    number: int = 0
    table: str | None = None


def draw_mentions(config: SampleConfig, inputs: list[DrawnInput], allocation: Allocation) -> dict[str, Any]:
    """Draw, write the table of each input that has sampled mentions, and return what was counted.

    Memory of a task that reads: `per_surface` mentions (150 bytes each) of each distinct surface of an input; of one
    that merges, those of all inputs in a range of surfaces; of one that writes, the sampled mentions of an input.
    """
    wanted = None
    if config.surfaces is not None:  # once for all tasks: each of them would carry it
        wanted = ray.put(pa.array(read_surfaces(config.surfaces), pa.string()))
    corpus = BiocDatasource(inputs, config.read_options, partial(_reservoir, config, wanted))
    cpus = allocation.cpus_per_task
    reservoirs = ray.data.read_datasource(corpus, override_num_blocks=len(inputs), num_cpus=cpus)
    partitions = 4 * allocation.most_actors
    merged = reservoirs.groupby("range", num_partitions=min(config.ranges, partitions)).map_groups(
        partial(_merged, config.per_surface), batch_format="pyarrow", num_cpus=cpus
    )
    names = {drawn.number: drawn.shard for drawn in inputs}
    written = merged.groupby("source", num_partitions=min(len(inputs), partitions)).map_groups(
        partial(_write_table, SampleDirectory(config.out_corpus), names), batch_format="pyarrow", num_cpus=cpus
    )
    rows = written.take_all()
    counts = {name: sum(row[name] or 0 for row in rows) for name in _COUNTS.names if name != "error"}
    return {**counts, "failed": sorted(row["error"] for row in rows if row["error"])}


def read_surfaces(path: str) -> list[str]:
    """Return the surfaces of a file, one a line, as mentions have them: folded and in lower case; no empty ones.

    Raises:
        InputError: The file can't be read, or isn't text.
    """
    try:
        with storage.open_bytes(path) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"isn't UTF-8 text, one surface a line: {error}", path=path) from error
    return sorted({words for words in map(surface, lines) if words})


def _reservoir(
    config: SampleConfig, wanted: ray.ObjectRef[pa.Array] | None, drawn: DrawnInput, options: ReadOptions
) -> Iterator[pa.Table]:
    """Yield the rows of an input's reservoir, and those of what went wrong."""
    problems: list[str] = []
    bad: list[int] = []
    if drawn.table is not None:
        tables: Iterable[pa.Table] = [_of_run(drawn.table, config)]
    else:
        tables = _of_corpus(drawn, options, bad, problems)
    surfaces = None if wanted is None else ray.get(wanted)
    prepared = (_prepared(table, drawn.number, surfaces, config.seed) for table in tables)
    kept = draw(prepared, config.per_surface)
    distinct = kept["surface"].combine_chunks().dictionary_encode()
    of_surface = buckets(hashes(distinct.dictionary.to_pylist()), config.ranges)
    yield _rows(kept, of_surface[distinct.indices.to_numpy()])
    for count, error in [(sum(bad), None), *((0, error) for error in problems)]:
        yield pa.Table.from_pylist(
            [{**dict.fromkeys(_ROWS.names), "range": -1, "source": -1, "bad": count, "error": error}], schema=_ROWS
        )


def _rows(drawn: pa.Table, ranges: np.ndarray, is_first: pa.Array | None = None) -> pa.Table:
    """Return drawn mentions, with their ranges, as `_ROWS`."""
    columns = {name: drawn[name] for name in DRAWN.names} | {"range": pa.array(ranges, pa.int64())}
    if is_first is not None:
        columns["is_first"] = is_first
    return pa.table([columns.get(item.name, pa.nulls(drawn.num_rows, item.type)) for item in _ROWS], schema=_ROWS)


def _of_run(table: str, config: SampleConfig) -> pa.Table:
    """Return the mentions of a run's shard that may be drawn, with their links as gold ids where these matter.

    A composite is drawn only if all its parts are linked; its link is a composite's already.
    """
    mentions = read_mentions_table(table, _OF_RUN, config.mentions.mention_types)
    if config.confident is None:
        return mentions.drop_columns(["link_id", "link_score", "parts"])
    # The score of a 32-bit number: 0.9 is stored as 0.89999998.
    sure = pc.greater_equal(mentions["link_score"], pa.scalar(config.confident, pa.float32()))
    linked = mentions.filter(pc.and_(pc.is_valid(mentions["link_id"]), sure))
    columns = zip(*(linked[name].to_pylist() for name in ("link_id", "parts")), strict=True)
    ids = [_gold_of(link, parts) for link, parts in columns]
    place = linked.schema.get_field_index("link_id")
    gold = linked.set_column(place, "link_id", pa.array(ids, pa.string())).drop_columns("parts")
    return gold.filter(gold["link_id"].is_valid())


def _gold_of(link: str, parts: list[dict[str, Any]] | None) -> str | None:
    """Return a link as gold annotations have it; None for a composite of which a part isn't linked."""
    if parts is None:
        return format_gold([link])
    return link if all(part["link_id"] is not None for part in parts) else None


def _of_corpus(item: Input, options: ReadOptions, bad: list[int], problems: list[str]) -> Iterator[pa.Table]:
    """Yield the mentions of an input, a table for each chunk; note how many documents are bad, and what wasn't read."""
    number = unnamed = 0
    for chunk in read_chunks(item.source, item.shard, options):
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        present = ~np.array(pc.struct_field(documents, "deleted").to_pylist(), bool)
        places = number + np.cumsum(present) - 1
        number += int(present.sum())
        bad.append(pc.sum(pc.is_valid(pc.struct_field(documents, "error"))).as_py() or 0)
        problems += [*chunk["unreadable"][0].as_py(), *filter(None, [chunk["error"][0].as_py()])]
        unnamed += chunk["unnamed"][0].as_py()
        parents, mentions = mention_columns(documents)
        yield pa.table({"document": pa.array(places, pa.int64()).take(parents), **mentions})
    if unnamed:
        problems.append(f"{item.source.path}: {counted(unnamed, 'more file')} of it")


def _prepared(table: pa.Table, number: int, wanted: pa.Array | None, seed: int) -> pa.Table:
    """Return mentions as `DRAWN`: those with a surface, that is wanted."""
    chosen = pc.not_equal(table["surface"], "")
    if wanted is not None:
        chosen = pc.and_(chosen, pc.is_in(table["surface"], value_set=wanted))
    table = table.filter(chosen)
    table = table.set_column(table.schema.get_field_index("type"), "type", pc.fill_null(table["type"], ""))
    keyed = ("surface", "type", "doc_id", "start")
    surfaces, types, doc_ids, starts = (table[name].to_pylist() for name in keyed)
    columns = {
        **{name: table[name] for name in table.column_names},
        "key": pa.array(mention_keys(surfaces, types, doc_ids, starts, seed)),
        "mentions": pa.repeat(pa.scalar(1, pa.int64()), table.num_rows),
        "source": pa.repeat(pa.scalar(number, pa.int32()), table.num_rows),
    }
    arrays = [columns.get(field.name, pa.nulls(table.num_rows, field.type)) for field in DRAWN]
    return pa.Table.from_arrays(arrays, DRAWN.names).cast(DRAWN)


def _merged(per_surface: int, rows: pa.Table) -> pa.Table:
    """Return the mentions of a range of surfaces that are sampled, each with how many its surface and type have."""
    if rows["range"][0].as_py() < 0:
        return rows
    drawn = smallest(rows, per_surface)
    counts = drawn["mentions"].to_numpy()
    firsts = np.flatnonzero(counts)
    lengths = np.diff([*firsts, len(counts)])
    place = drawn.schema.get_field_index("mentions")
    spread = drawn.set_column(place, "mentions", pa.array(np.repeat(counts[firsts], lengths)))
    return _rows(spread, np.full(len(counts), rows["range"][0].as_py()), pa.array(counts > 0))


def _write_table(directory: SampleDirectory, names: dict[int, str], rows: pa.Table) -> pa.Table:
    """Write the table of an input's sampled mentions, and return what is counted; pass on what went wrong."""
    empty: dict[str, Any] = dict.fromkeys(_COUNTS.names, 0) | {"error": None}
    number = rows["source"][0].as_py()
    if number < 0:
        wrong = [{**empty, **row} for row in rows.select(["bad", "error"]).to_pylist()]
        return pa.Table.from_pylist(wrong, schema=_COUNTS)
    ordered = rows.sort_by([("document", "ascending"), ("ordinal", "ascending")])
    storage.publish(directory.mentions_file(names[number]), tables.parquet_bytes(ordered.select(SAMPLED.names)))
    of_first = ordered.filter(ordered["is_first"])
    counted = {
        "inputs": 1,
        "surfaces": of_first.num_rows,
        "mentions": pc.sum(of_first["mentions"]).as_py() or 0,
        "sampled": ordered.num_rows,
        "documents": pc.count_distinct(ordered["document"]).as_py(),
    }
    return pa.Table.from_pylist([{**empty, **counted}], schema=_COUNTS)
