"""The first stage over a chunk: candidates for its mentions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import NOTHING, Cached, surfaces, to_column
from raybel.linking.poison import CrashRecord, isolate_failures


def add_candidates(chunk: pa.Table, generator: Cached, name: str, crashes: CrashRecord | None = None) -> pa.Table:
    """Return a chunk (one row) with the columns `candidates` and `failures` (a traceback per document, or null).

    All documents are searched at once; if that fails, each by itself, so that one bad document costs only itself.

    Args:
        chunk: Of `schemas.CHUNK`.
        generator: Looks surfaces up.
        name: The generator's, for the candidates' `generator` field.
        crashes: Of earlier attempts at this chunk, for finding a document that kills the process.
    """
    wanted = surfaces(chunk)
    counts = pc.list_value_length(pc.struct_field(pc.list_flatten(chunk["docs"]), "mentions")).to_numpy()
    bounds = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).tolist()
    documents = [wanted[start:end] for start, end in pairwise(bounds)]
    found, failures = isolate_failures(generator.search, documents, NOTHING, crashes)
    column = to_column([candidates for document in found for candidates in document], name)
    failed = pa.array([failures], pa.list_(pa.string()))
    return chunk.append_column("candidates", column).append_column("failures", failed)
