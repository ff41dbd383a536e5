"""The second stage over a chunk of documents: candidates in, the same candidates in the re-ranker's order out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CANDIDATE_DTYPE
from raybel.linking.poison import CrashRecord, isolate_failures
from raybel.rerank.examples import Describer, Example, document_examples
from raybel.rerank.reranker import Ranking, Reranker
from raybel.schemas import CANDIDATE, CANDIDATES

#: What each mention of a document that fails has.
UNRANKED = Ranking(np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass
class _Chunk:
    """The candidates of a chunk's mentions.

    Args:
        candidates: Those of all mentions, one after the other, as `schemas.CANDIDATE`.
        mention_bounds: Where each mention's candidates begin, and where the last one's end: int64.
        document_bounds: Where each document's mentions begin, and where the last one's end: int64.
    """

    candidates: pa.StructArray
    mention_bounds: np.ndarray
    document_bounds: np.ndarray

    def by_mention(self) -> list[np.ndarray]:
        """Return each mention's candidates as `CANDIDATE_DTYPE`."""
        flat = np.empty(len(self.candidates), CANDIDATE_DTYPE)
        for name in ("concept", "score", "alias"):
            flat[name] = pc.struct_field(self.candidates, name).to_numpy(zero_copy_only=False)
        return [flat[start:end] for start, end in pairwise(self.mention_bounds.tolist())]


def rerank(chunk: pa.Table, reranker: Reranker, describer: Describer, crashes: CrashRecord | None = None) -> pa.Table:
    """Return a chunk with each mention's candidates in the re-ranker's order.

    Their `score` is the re-ranker's, their `rank` still the first stage's. The mentions of all documents are scored at
    once; if that fails, each document by itself: one that fails then has no candidates, and a traceback among
    `failures`.

    Args:
        chunk: As `add_candidates` returns it.
        reranker: Ranks candidates.
        describer: Looks up their names.
        crashes: What happened at earlier attempts at this chunk, so that a document that kills the process is found.

    Raises:
        RaybelError: The re-ranker can't be used, whatever the document.
    """
    first_stage = _read(chunk)
    candidates = first_stage.by_mention()
    described = describer.describe(candidates)
    bounds = first_stage.document_bounds.tolist()
    failures: list[str | None] = list(chunk["failures"][0].as_py())
    examples: list[list[Example]] = []
    for number, (document, (start, end)) in enumerate(zip(_documents(chunk), pairwise(bounds), strict=True)):
        if failures[number] is None and document["error"] is None:
            context = reranker.parameters.context
            of_document = document_examples(document, candidates[start:end], described[start:end], context, number)
        else:
            of_document = []
        examples.append(of_document)
    rankings, tracebacks = isolate_failures(reranker.rank, examples, UNRANKED, crashes)
    failures = [earlier or traceback for earlier, traceback in zip(failures, tracebacks, strict=True)]
    column = _reordered(first_stage, rankings)
    chunk = chunk.set_column(chunk.column_names.index("candidates"), "candidates", column)
    return chunk.set_column(
        chunk.column_names.index("failures"), "failures", pa.array([failures], pa.list_(pa.string()))
    )


def _read(chunk: pa.Table) -> _Chunk:
    lists = pc.list_flatten(chunk["candidates"].combine_chunks())
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    counts = pc.list_value_length(pc.struct_field(documents, "mentions")).to_numpy(zero_copy_only=False)
    bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return _Chunk(pc.list_flatten(lists), bounds, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def _documents(chunk: pa.Table) -> list[dict[str, Any]]:
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    names = ("passages", "mentions", "error")
    columns = [pc.struct_field(documents, name).to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _reordered(first_stage: _Chunk, rankings: list[list[Ranking]]) -> pa.Array:
    """Return the column `candidates` in the order of the documents' rankings; a document without them has none."""
    rows, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    sizes = np.zeros(len(first_stage.mention_bounds) - 1, np.int32)
    for start, of_document in zip(first_stage.document_bounds.tolist(), rankings, strict=False):
        for mention, ranking in enumerate(of_document, start):
            rows.append(int(first_stage.mention_bounds[mention]) + ranking.order)
            scores.append(ranking.scores)
            sizes[mention] = len(ranking.order)
    reordered = first_stage.candidates.take(pa.array(np.concatenate(rows)))
    score = pa.array(np.concatenate(scores))
    fields = [score if item.name == "score" else pc.struct_field(reordered, item.name) for item in CANDIDATE]
    flat = pa.StructArray.from_arrays(fields, fields=list(CANDIDATE))
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    per_mention = pa.ListArray.from_arrays(pa.array(bounds), flat)
    whole = pa.array([0, len(per_mention)], pa.int32())
    return pa.ListArray.from_arrays(whole, per_mention).cast(CANDIDATES)
