"""Mentions of several types, each linked to an ontology of its own, in one pass over a chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.linking.linker import Linker
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings
from raybel.schemas import DOCUMENT


def link_by_type(
    chunk: pa.Table, linkers: Sequence[tuple[frozenset[str], Linker]], crashes: CrashRecord | None = None
) -> tuple[pa.Table, Rankings]:
    """Return a chunk with its `failures`, and the rankings of its mentions.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        linkers: What links the mentions of some types; a type has at most one. Other mentions are linked to nothing.
        crashes: What happened at earlier attempts at this chunk.
    """
    mentions = pc.list_flatten(pc.struct_field(pc.list_flatten(chunk["docs"].combine_chunks()), "mentions"))
    types = pc.struct_field(mentions, "type")
    left = np.ones(len(types), bool)
    parts: list[tuple[np.ndarray, Rankings]] = []
    failures: list[str | None] = []
    for names, linker in linkers:
        chosen = pc.is_in(types, value_set=pa.array(sorted(names), pa.string())).to_numpy(zero_copy_only=False)
        linked, rankings = linker.link(with_mentions(chunk, chosen), crashes)
        parts.append((np.flatnonzero(chosen), rankings))
        of_route = linked["failures"][0].as_py()
        failures = [earlier or later for earlier, later in zip(failures or of_route, of_route, strict=True)]
        left &= ~chosen
    parts.append((np.flatnonzero(left), Rankings.none(int(left.sum()))))
    column = pa.array([failures], pa.list_(pa.string()))
    if "failures" in chunk.column_names:
        chunk = chunk.drop_columns("failures")
    return chunk.append_column("failures", column), Rankings.merged(parts)


def with_mentions(chunk: pa.Table, chosen: np.ndarray) -> pa.Table:
    """Return a chunk with some of its mentions.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        chosen: Which of its mentions stay: bool (mentions,).
    """
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    lists = pc.struct_field(documents, "mentions")
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    document_of = np.repeat(np.arange(len(counts)), counts)
    kept = np.bincount(document_of[chosen], minlength=len(counts))
    offsets = pa.array(np.concatenate([[0], np.cumsum(kept)]).astype(np.int32))
    mentions = pa.ListArray.from_arrays(offsets, pc.list_flatten(lists).filter(pa.array(chosen)))
    fields = [
        mentions.cast(item.type) if item.name == "mentions" else pc.struct_field(documents, item.name)
        for item in DOCUMENT
    ]
    rebuilt = pa.StructArray.from_arrays(fields, fields=list(DOCUMENT))
    column = pa.ListArray.from_arrays(pa.array([0, len(rebuilt)], pa.int32()), rebuilt)
    place = chunk.schema.get_field_index("docs")
    return chunk.set_column(place, chunk.schema.field("docs"), column.cast(chunk.schema.field("docs").type))
