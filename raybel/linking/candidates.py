"""The first stage over a chunk of documents: finds candidates for their mentions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import NO_CANDIDATES, CandidateCache, candidates_column, chunk_surfaces
from raybel.candidates.evidence import Probabilities
from raybel.linking.poison import CrashRecord, isolate_failures, with_failures


def add_candidates(
    chunk: pa.Table,
    generator: CandidateCache,
    name: str,
    crashes: CrashRecord | None = None,
    probabilities: Probabilities | None = None,
) -> pa.Table:
    """Return a chunk with the columns `candidates` and `failures` (a traceback per document, or null).

    Where the chunk has failures already, of detection, these are kept.

    The mentions of all documents are searched at once; if that fails, each document by itself, so that a bad one costs
    only itself.

    Args:
        chunk: A table of `schemas.CHUNK`, one row.
        generator: Finds candidates.
        name: The generator's, for the candidates' `generator` field.
        crashes: What happened at earlier attempts at this chunk, so that a document that kills the process is found.
        probabilities: Makes the candidates' scores of the generator's own; None to leave these.

    Raises:
        RaybelError: The generator can't be used, whatever the document.
    """
    mentions = chunk_surfaces(chunk)
    counts = pc.list_value_length(pc.struct_field(pc.list_flatten(chunk["docs"]), "mentions")).to_numpy()
    bounds = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).tolist()
    documents = [mentions[start:end] for start, end in pairwise(bounds)]
    by_document, failures = isolate_failures(generator.search, documents, NO_CANDIDATES, crashes)
    found = [candidates for of_document in by_document for candidates in of_document]
    column = candidates_column(found, name, probabilities.of(mentions, found) if probabilities else None)
    chunk = chunk.append_column("candidates", column)
    return with_failures(chunk, failures)
