"""Ontologies as Arrow and Parquet files: those that `raybel` wrote, and tables of the same columns by others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.errors import InputError
from raybel.files import storage
from raybel.ontology.concept import Concept
from raybel.ontology.ids import MOST_EXACT
from raybel.schemas import ONTOLOGY, OPTIONAL_ONTOLOGY_COLUMNS

#: Rows converted to Python's own objects at once.
_BATCH = 65_536


def read(uri: str, parquet: bool) -> pa.Table:
    """Return the table of a file; an Arrow file's is memory-mapped.

    Raises:
        InputError: It is cut off or damaged.
    """
    local = str(storage.localise(uri))
    try:
        return pq.read_table(local) if parquet else pa.ipc.open_file(pa.memory_map(local)).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        kind = "Parquet" if parquet else "Arrow"
        raise InputError(f"isn't a readable {kind} file: {error}", path=uri) from error


def complete(table: pa.Table, uri: str) -> pa.Table:
    """Return a table with the columns that an ontology's file may lack, and ids of whole numbers as texts.

    pandas makes floating-point numbers of whole ones where some are missing: `12.0` is the id 12, NaN is none.

    Raises:
        InputError: Such ids are too large to be held exactly.
    """
    for name in OPTIONAL_ONTOLOGY_COLUMNS:
        if name not in table.column_names:
            column = pa.ListArray.from_arrays(pa.array(np.zeros(len(table) + 1, np.int32)), pa.array([], pa.string()))
            table = table.append_column(name, column)
    if "concept_id" in table.column_names and pa.types.is_floating(table["concept_id"].type):
        place = table.schema.get_field_index("concept_id")
        numbers = table["concept_id"]
        absent = pc.is_null(numbers, nan_is_null=True)
        if pc.any(pc.greater(pc.abs(numbers), MOST_EXACT)).as_py():
            raise InputError(
                "has ids in a floating-point column that can't hold them exactly: store them as texts", path=uri
            )
        if not pc.any(pc.and_(pc.invert(absent), pc.not_equal(pc.floor(numbers), numbers))).as_py():
            whole = pc.if_else(absent, pa.scalar(None, pa.int64()), pc.cast(pc.floor(numbers), pa.int64(), safe=False))
            table = table.set_column(place, "concept_id", whole)
    return table


def is_untidy(table: pa.Table) -> bool:
    """True if a table has what `Ontology.from_concepts` puts right or refuses: nulls, blank or repeated ids, blanks.

    Args:
        table: Of `schemas.ONTOLOGY`, by another program.
    """
    ids = table["concept_id"]
    if ids.null_count or len(pc.unique(ids)) < len(ids):
        return True
    texts = [ids, table["name"], table["definition"]]
    lists = [table[field.name] for field in ONTOLOGY if pa.types.is_list(field.type)]
    if any(column.null_count for column in (*texts, *lists)):
        return True
    parts = [ids, table["name"], *(pc.list_flatten(column) for column in lists)]
    for part in parts:
        if part.null_count or pc.any(pc.not_equal(pc.utf8_trim_whitespace(part), part)).as_py():
            return True
    nameless = pc.any(pc.equal(table["name"], "")).as_py()
    return bool(nameless or pc.any(pc.equal(pc.utf8_length(ids), 0)).as_py())


def concepts(table: pa.Table, uri: str) -> Iterator[Concept]:
    """Yield the rows of a table as concepts: null texts and lists are empty ones, nulls in lists are left out.

    Raises:
        InputError: A row has no id; the row is named by its number, from 0.
    """
    for start in range(0, len(table), _BATCH):
        for number, row in enumerate(table.slice(start, _BATCH).to_pylist(), start):
            if row["concept_id"] is None:
                raise InputError(f"concept {number} ({row['name'] or ''!a}) has no id", path=uri)
            sources = row["alias_sources"] or []
            for name, value in row.items():
                if pa.types.is_list(ONTOLOGY.field(name).type):
                    keep_nothing = name in ("aliases", "alias_sources") and sources
                    row[name] = [text or "" for text in value or () if text or keep_nothing]
                else:
                    row[name] = value or ""
            yield Concept(**row)
