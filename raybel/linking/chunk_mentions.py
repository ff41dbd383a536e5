"""The mentions of a chunk: read as one list, and put back as others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.schemas import DOCUMENT, MENTION


def mentions_of(chunk: pa.Table) -> tuple[pa.StructArray, np.ndarray]:
    """Return a chunk's mentions, one after the other, and how many each document has: int64 (documents,).

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
    """
    lists = pc.struct_field(pc.list_flatten(chunk["docs"].combine_chunks()), "mentions")
    return pc.list_flatten(lists), pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)


def with_mentions(chunk: pa.Table, mentions: pa.StructArray, counts: np.ndarray) -> pa.Table:
    """Return a chunk with other mentions.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        mentions: Of `schemas.MENTION`: those of all documents, one after the other.
        counts: How many each document has: int (documents,).
    """
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    lists = pa.ListArray.from_arrays(offsets, mentions.cast(MENTION))
    fields = [
        lists.cast(item.type) if item.name == "mentions" else pc.struct_field(documents, item.name) for item in DOCUMENT
    ]
    rebuilt = pa.StructArray.from_arrays(fields, fields=list(DOCUMENT))
    column = pa.ListArray.from_arrays(pa.array([0, len(rebuilt)], pa.int32()), rebuilt)
    place = chunk.schema.get_field_index("docs")
    return chunk.set_column(place, chunk.schema.field("docs"), column.cast(chunk.schema.field("docs").type))
