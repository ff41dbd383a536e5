"""Mentions of several types, each linked to an ontology of its own, in one pass over a chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.linking.chunk_mentions import mentions_of, with_mentions
from raybel.linking.linker import Linker
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings


def link_by_type(
    chunk: pa.Table, linkers: Sequence[tuple[frozenset[str], Linker]], crashes: CrashRecord | None = None
) -> tuple[pa.Table, Rankings]:
    """Return a chunk with its `failures`, and the rankings of its mentions.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        linkers: What links the mentions of some types; a type has at most one. Other mentions are linked to nothing.
        crashes: What happened at earlier attempts at this chunk.
    """
    mentions, _ = mentions_of(chunk)
    types = pc.struct_field(mentions, "type")
    left = np.ones(len(types), bool)
    parts: list[tuple[np.ndarray, Rankings]] = []
    failures: list[str | None] = []
    for names, linker in linkers:
        chosen = pc.is_in(types, value_set=pa.array(sorted(names), pa.string())).to_numpy(zero_copy_only=False)
        linked, rankings = linker.link(with_chosen_mentions(chunk, chosen), crashes)
        parts.append((np.flatnonzero(chosen), rankings))
        of_route = linked["failures"][0].as_py()
        failures = [earlier or later for earlier, later in zip(failures or of_route, of_route, strict=True)]
        left &= ~chosen
    parts.append((np.flatnonzero(left), Rankings.none(int(left.sum()))))
    column = pa.array([failures], pa.list_(pa.string()))
    if "failures" in chunk.column_names:
        chunk = chunk.drop_columns("failures")
    return chunk.append_column("failures", column), Rankings.merged(parts)


def with_chosen_mentions(chunk: pa.Table, chosen: np.ndarray) -> pa.Table:
    """Return a chunk with some of its mentions.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        chosen: Which of its mentions stay: bool (mentions,).
    """
    mentions, counts = mentions_of(chunk)
    document_of = np.repeat(np.arange(len(counts)), counts)
    kept = np.bincount(document_of[chosen], minlength=len(counts))
    return with_mentions(chunk, mentions.filter(pa.array(chosen)), kept)
