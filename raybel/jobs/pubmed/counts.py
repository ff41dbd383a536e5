"""How often each concept is linked in a run."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray

from raybel.files import storage
from raybel.jobs.runtime import ray_session
from raybel.runs.run_directory import RunDirectory

#: A row for each concept: in how many mentions it is the first link, and in how many documents of the run.
CONCEPTS = pa.schema(
    [
        ("ontology", pa.string()),
        ("concept_id", pa.string()),
        ("name", pa.string()),
        ("mentions", pa.int64()),
        ("documents", pa.int64()),
    ]
)
_COLUMNS = ["document", "ontology", "link_id", "link_name", "parts"]
_KEYS = ["ontology", "link_id", "link_name"]


def linked_concepts(run: RunDirectory) -> pa.Table:
    """Return the concepts that a run links to, as `CONCEPTS`, the most frequent first, then by ontology and id.

    Tasks count a shard each; the driver adds their counts up, in memory for the concepts alone.
    """
    with ray_session():
        count = ray.remote(num_cpus=0.5, max_retries=3)(_count_concepts)
        waiting = [count.remote(run.mentions_file(name)) for name in run.shard_names()]
        total = _empty()
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=min(len(waiting), 64), timeout=None)
            total = _added([total, *ray.get(ready)])
    order = [("mentions", "descending"), ("ontology", "ascending"), ("link_id", "ascending")]
    return total.sort_by(order).rename_columns(CONCEPTS.names).cast(CONCEPTS)


def _empty() -> pa.Table:
    types = [*([pa.string()] * 3), pa.int64(), pa.int64()]
    return pa.schema(list(zip([*_KEYS, "mentions", "documents"], types, strict=True))).empty_table()


def _count_concepts(path: str) -> pa.Table:
    """Count the links of a shard's mentions; a composite counts for each of its concepts."""
    table = pq.read_table(io.BytesIO(storage.read_bytes(path)), columns=_COLUMNS)
    whole = table.filter(table["parts"].is_null()).drop_columns("parts")
    composites = table.filter(table["parts"].is_valid()).combine_chunks()
    of_parts = pc.list_parent_indices(composites["parts"])
    parts = pc.list_flatten(composites["parts"]).combine_chunks()
    columns = {name: composites[name].take(of_parts) for name in ("document", "ontology")}
    columns |= {name: pc.struct_field(parts, name) for name in ("link_id", "link_name")}
    table = pa.concat_tables([whole, pa.table(columns, schema=whole.schema)])
    linked = table.filter(table["link_id"].is_valid())
    in_document = linked.group_by(["document", *_KEYS]).aggregate([([], "count_all")])
    of_shard = in_document.group_by(_KEYS).aggregate([("count_all", "sum"), ([], "count_all")])
    return of_shard.rename_columns([*_KEYS, "mentions", "documents"])


def _added(tables: list[pa.Table]) -> pa.Table:
    added = pa.concat_tables(tables).group_by(_KEYS).aggregate([("mentions", "sum"), ("documents", "sum")])
    return added.rename_columns([*_KEYS, "mentions", "documents"])
