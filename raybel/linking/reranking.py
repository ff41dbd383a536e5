"""The second stage over a chunk of documents: candidates in, the same candidates in the re-ranker's order out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, chunk_surfaces
from raybel.candidates.evidence import Probabilities
from raybel.linking.poison import CrashRecord, isolate_failures
from raybel.rerank.examples import Describer, Example, document_examples
from raybel.rerank.ranking import Ranking
from raybel.rerank.reranker import Reranker
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
        for name, field in (("concept", "concept"), ("score", "first_score"), ("alias", "alias")):
            flat[name] = pc.struct_field(self.candidates, field).to_numpy(zero_copy_only=False)
        return [flat[start:end] for start, end in pairwise(self.mention_bounds.tolist())]


def rerank(
    chunk: pa.Table,
    reranker: Reranker,
    describer: Describer,
    crashes: CrashRecord | None = None,
    first_stage_probabilities: Probabilities | None = None,
) -> pa.Table:
    """Return a chunk with each mention's candidates in the re-ranker's order.

    Their `score` is the re-ranker's, their `rank` still the first stage's. Mentions that the re-ranker's cascade takes
    as sure have the order and the probabilities by which they are, those of the prior or of the first stage; a column
    `sure` says which these are, and `unscored` how many candidates of each mention the model didn't score. The others,
    of all documents, are scored at once; if that fails, each document by itself: one that fails then has no candidates,
    and a traceback among `failures`.

    Args:
        chunk: As `add_candidates` returns it.
        reranker: Ranks candidates.
        describer: Looks up what is shown of them, as the re-ranker's hyper-parameters say.
        crashes: What happened at earlier attempts at this chunk, so that a document that kills the process is found.
        first_stage_probabilities: By the `first_stage` of the re-ranker's cascade, which settle mentions if it has no
            weights for a prior; None to re-rank all mentions.

    Raises:
        RaybelError: The re-ranker can't be used, whatever the document.
    """
    first_stage = _read(chunk)
    bounds = [slice(start, end) for start, end in pairwise(first_stage.document_bounds.tolist())]
    failures: list[str | None] = list(chunk["failures"][0].as_py())
    documents = _documents(chunk)
    ranked = [failures[number] is None and document["error"] is None for number, document in enumerate(documents)]
    texts = [document if take else None for document, take in zip(documents, ranked, strict=True)]
    settled, unsure = _divided(
        texts, bounds, first_stage.by_mention(), chunk_surfaces(chunk), reranker, describer, first_stage_probabilities
    )
    rank = reranker.rank if first_stage_probabilities is None else partial(reranker.rank, unsure=True)
    reranked, tracebacks = isolate_failures(rank, unsure, UNRANKED, crashes)
    failures = [earlier or traceback for earlier, traceback in zip(failures, tracebacks, strict=True)]
    rankings = [
        _merged(settled[of], reranked[number]) if ranked[number] and failures[number] is None else []
        for number, of in enumerate(bounds)
    ]
    if first_stage_probabilities is not None:
        sure = [
            ranking is not None and bool(rankings[number])
            for number, of in enumerate(bounds)
            for ranking in settled[of]
        ]
        chunk = chunk.append_column("sure", pa.array([sure], pa.list_(pa.bool_())))
        unscored = [
            each.unscored
            for number, of in enumerate(bounds)
            for each in rankings[number] or [UNRANKED] * len(settled[of])
        ]
        chunk = chunk.append_column("unscored", pa.array([unscored], pa.list_(pa.int64())))
    for name, column in (
        ("candidates", _reordered(first_stage, rankings)),
        ("failures", pa.array([failures], pa.list_(pa.string()))),
    ):
        chunk = chunk.set_column(chunk.column_names.index(name), name, column)
    return chunk


def _divided(
    documents: list[dict[str, Any] | None],
    bounds: list[slice],
    candidates: list[np.ndarray],
    surfaces: list[str],
    reranker: Reranker,
    describer: Describer,
    first_stage: Probabilities | None,
) -> tuple[list[Ranking | None], list[list[Example]]]:
    """Return the rankings of the mentions that are sure, None for the others, and each document's examples of these.

    Args:
        documents: None for one that isn't ranked.
        bounds: Of each document's mentions among all.
        candidates: Of all mentions.
        surfaces: Of all mentions.
        reranker: Says what is sure.
        describer: Looks up what is shown of candidates.
        first_stage: Probabilities by which mentions are settled where the prior doesn't; None if none is.
    """
    by_prior = first_stage is not None and reranker.settles_by_prior
    settled = _settled(surfaces, candidates, reranker, first_stage)
    shown = [each if of is None else NO_CANDIDATES for each, of in zip(candidates, settled, strict=True)]
    described = describer.describe(shown, surfaces, detailed=not by_prior)
    unsure: list[list[Example]] = []
    left: list[str] = []
    for number, (document, of) in enumerate(zip(documents, bounds, strict=True)):
        if document is None:
            unsure.append([])
            continue
        examples = document_examples(document, candidates[of], described[of], reranker.parameters.context, number)
        if by_prior:
            settled[of] = reranker.settled(examples)
        unsure.append([each for each, ranking in zip(examples, settled[of], strict=True) if ranking is None])
        left += [of_mention for of_mention, ranking in zip(surfaces[of], settled[of], strict=True) if ranking is None]
    if by_prior:
        describer.add_details([each for of_document in unsure for each in of_document], left)
    return settled, unsure


def _settled(
    surfaces: list[str], candidates: list[np.ndarray], reranker: Reranker, first_stage: Probabilities | None
) -> list[Ranking | None]:
    """Return the rankings of the mentions that are sure by the first stage alone, None for the others."""
    if first_stage is None or reranker.cascade is None or reranker.cascade.settled is not None:
        return [None] * len(candidates)
    probabilities = first_stage.of(surfaces, candidates)
    is_sure = reranker.cascade.is_sure
    return [Ranking(np.arange(len(each)), each, len(each)) if is_sure(each) else None for each in probabilities]


def _merged(settled: list[Ranking | None], reranked: list[Ranking]) -> list[Ranking]:
    """Return the rankings of a document's mentions, of those that are sure and of the others."""
    others = iter(reranked)
    return [next(others) if ranking is None else ranking for ranking in settled]


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
