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

#: What a document that fails has for each of its mentions.
UNRANKED = Ranking(np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass
class _Chunk:
    """Candidates of a chunk's mentions, flat, and where each mention's and each document's begin."""

    candidates: pa.StructArray
    bounds: np.ndarray
    mentions: np.ndarray

    def found(self) -> list[np.ndarray]:
        flat = np.empty(len(self.candidates), CANDIDATE_DTYPE)
        for name in ("concept", "score", "alias"):
            flat[name] = pc.struct_field(self.candidates, name).to_numpy(zero_copy_only=False)
        return [flat[a:b] for a, b in pairwise(self.bounds.tolist())]


def rerank(chunk: pa.Table, reranker: Reranker, describer: Describer, crashes: CrashRecord | None = None) -> pa.Table:
    """Return a chunk (one row, with the column `candidates`) with each mention's candidates in the re-ranker's order.

    Their `score` is the re-ranker's, their `rank` still the first stage's. All documents are scored at once; if that
    fails, each by itself: one that fails has no candidates any more, and a traceback among `failures`.

    Args:
        chunk: As `linking.add_candidates` returns it.
        reranker: Scores candidates.
        describer: Puts names to them.
        crashes: Of earlier attempts at this chunk, for finding a document that kills the process.
    """
    held = _read(chunk)
    documents = _documents(chunk)
    found = held.found()
    described = describer.describe(found)
    starts = held.mentions.tolist()
    failures: list[str | None] = list(chunk["failures"][0].as_py())
    examples: list[list[Example]] = []
    for number, (document, (a, b)) in enumerate(zip(documents, pairwise(starts), strict=True)):
        usable = failures[number] is None and document["error"] is None
        context = reranker.parameters.context
        made = document_examples(document, found[a:b], described[a:b], context, number) if usable else []
        examples.append(made)
    rankings, failed = isolate_failures(reranker.ranked, examples, UNRANKED, crashes)
    failures = [before or failure for before, failure in zip(failures, failed, strict=True)]
    column = _ordered(held, starts, rankings)
    chunk = chunk.set_column(chunk.column_names.index("candidates"), "candidates", column)
    told = pa.array([failures], pa.list_(pa.string()))
    return chunk.set_column(chunk.column_names.index("failures"), "failures", told)


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
    return [dict(zip(names, each, strict=True)) for each in zip(*columns, strict=True)]


def _ordered(held: _Chunk, starts: list[int], rankings: list[list[Ranking]]) -> pa.Array:
    """The column `candidates` anew; a document that wasn't ranked has none."""
    index, score = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    sizes = np.zeros(len(held.bounds) - 1, np.int32)
    for start, some in zip(starts, rankings, strict=False):
        for mention, each in enumerate(some, start):
            index.append(int(held.bounds[mention]) + each.order)
            score.append(each.scores)
            sizes[mention] = len(each.order)
    taken = held.candidates.take(pa.array(np.concatenate(index)))
    scores = pa.array(np.concatenate(score))
    parts = [scores if item.name == "score" else pc.struct_field(taken, item.name) for item in CANDIDATE]
    flat = pa.StructArray.from_arrays(parts, fields=list(CANDIDATE))
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    per_mention = pa.ListArray.from_arrays(pa.array(bounds), flat)
    whole = pa.array([0, len(per_mention)], pa.int32())
    return pa.ListArray.from_arrays(whole, per_mention).cast(CANDIDATES)
