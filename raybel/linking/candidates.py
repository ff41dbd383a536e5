"""The first stage over a chunk: candidates for its mentions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import NOTHING, Cached, surfaces, to_column
from raybel.errors import RaybelError
from raybel.linking.poison import Attempts, alone


def add_candidates(chunk: pa.Table, generator: Cached, name: str, attempts: Attempts | None = None) -> pa.Table:
    """Return a chunk (one row) with the columns `candidates` and `failures` (a traceback per document, or null).

    All documents are searched at once; if that fails, each by itself, so that one bad document costs only itself.

    Args:
        chunk: Of `schemas.CHUNK`.
        generator: Looks surfaces up.
        name: The generator's, for the candidates' `generator` field.
        attempts: Earlier attempts at this chunk, for finding a document that kills the process.
    """
    wanted = surfaces(chunk)
    documents = pc.list_flatten(chunk["docs"])
    counts = pc.list_value_length(pc.struct_field(documents, "mentions")).to_pylist()
    failures: list[str | None] = [None] * len(counts)
    found: list[np.ndarray] = []
    one_by_one = attempts is not None and attempts.careful
    if attempts is not None and not one_by_one:
        attempts.begin()
    try:
        if not one_by_one:
            found = generator.search(wanted)
    except RaybelError:  # says what is wrong with the generator, not with a document
        raise
    except Exception:  # found again below, and recorded there
        one_by_one = True
    if one_by_one:
        start = 0
        for index, count in enumerate(counts):
            own = wanted[start : start + count]
            part, failures[index] = alone(partial(generator.search, own), [NOTHING] * count, index, attempts)
            found += part
            start += count
    column = pa.array([failures], pa.list_(pa.string()))
    return chunk.append_column("candidates", to_column(found, name)).append_column("failures", column)
