"""Scores of rankings: pure functions over the ranks of the gold concepts.

A rank is 0-based: 0 is the first of the ranking, -1 says that the gold concept isn't in it. Everything here is a share
of 1; percentages are made where they are shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

#: How many of the first candidates count, in the scores "at" a number.
CUTOFFS = (1, 5, 10)
#: These scores' names.
CUTOFF_METRICS = ("Acc@1", *(f"recall@{cutoff}" for cutoff in CUTOFFS[1:]))
#: The scores that `summarise` and `bootstrap` give, in the order in which they are shown.
METRICS = (*CUTOFF_METRICS, "recall@all", "MRR")
#: Resamples are drawn in blocks of about this many weights (8 bytes each), so that memory stays bounded.
_BLOCK_WEIGHTS = 1 << 22


def gold_rank(ranking: Sequence[Hashable], gold: Iterable[Hashable]) -> int:
    """Return the rank of a mention's gold in its ranking, -1 where it isn't (wholly) there.

    One gold concept: the place of its first occurrence. Several (a composite mention): all of them must be found,
    and since n concepts can't all be first, the first n places count as one: right at k if all stand among the first
    max(k, n). So the rank is 0 where all stand among the first n, else the last one's place. None (NIL): 0 for an empty
    ranking, else -1.

    Args:
        ranking: Concepts, best first; any hashable values, such as ids or rows of an ontology.
        gold: The gold concepts; repetitions don't count.
    """
    missing = set(gold)
    if not missing:
        return -1 if len(ranking) else 0
    wanted = len(missing)
    for place, concept in enumerate(ranking):
        missing.discard(concept)
        if not missing:
            return 0 if place < wanted else place
    return -1


def any_rank(ranking: Sequence[Hashable], gold: Iterable[Hashable]) -> int:
    """Return the place of a ranking's first concept that is one of the gold's, -1 where none is.

    Args:
        ranking: Concepts, best first.
        gold: The gold concepts, one of which is enough.
    """
    wanted = set(gold)
    return next((place for place, concept in enumerate(ranking) if concept in wanted), -1)


def parts_rank(rankings: Iterable[Sequence[Hashable]], gold: Iterable[Hashable]) -> int:
    """Return the rank of a composite mention whose parts have a ranking each: right at k if each part is.

    A part is right where any of the composite's concepts is, since it isn't annotated which of them the part names. So
    the rank is the worst of the parts' `any_rank`, -1 where a part has none of the concepts.

    Args:
        rankings: Each part's concepts, best first; at least one part.
        gold: The composite's concepts.
    """
    wanted = set(gold)
    ranks = [any_rank(ranking, wanted) for ranking in rankings]
    return -1 if min(ranks) < 0 else max(ranks)


def gold_ranks(rankings: Iterable[Sequence[Hashable]], golds: Iterable[Iterable[Hashable]]) -> np.ndarray:
    """Return `gold_rank` of each pair as int32; `rankings` may be the rows of a matrix (pad with -1).

    Raises:
        ValueError: There are more rankings than golds, or fewer.
    """
    pairs = zip(rankings, golds, strict=True)
    return np.fromiter((gold_rank(ranking, gold) for ranking, gold in pairs), dtype=np.int32)


def recall_at(ranks: np.ndarray, k: int | None = None) -> float | None:
    """Return the share of mentions whose gold is among the first `k` (None: anywhere); None for no mentions.

    Args:
        ranks: int array (mentions,).
        k: At least 1.
    """
    if not len(ranks):
        return None
    return float(np.mean(_hits(ranks, k)))


def mean_reciprocal_rank(ranks: np.ndarray) -> float | None:
    """Return the mean of 1 / (rank + 1), an absent gold counting 0; None for no mentions."""
    return float(np.mean(_reciprocal(ranks))) if len(ranks) else None


def summarise(ranks: np.ndarray) -> dict[str, float | None]:
    """Return every score of `METRICS` by name; each is None where there are no mentions."""
    recalls = [recall_at(ranks, k) for k in (*CUTOFFS, None)]
    return dict(zip(METRICS, [*recalls, mean_reciprocal_rank(ranks)], strict=True))


def per_mention(ranks: np.ndarray) -> np.ndarray:
    """Return what each mention adds to each score: float64 (mentions, scores), columns as in `METRICS`."""
    columns = [*(_hits(ranks, k) for k in (*CUTOFFS, None)), _reciprocal(ranks)]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def bootstrap(
    ranks: np.ndarray, documents: np.ndarray, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, tuple[float, float]] | None:
    """Return the percentile bootstrap interval of each score, resampling documents.

    A document's mentions repeat each other, so resampling mentions would give intervals that are too narrow
    (Efron & Tibshirani, "An Introduction to the Bootstrap", ch. 8 and 13: resample the independent units). The
    documents drawn from are those that hold one of these mentions. An interval needn't contain the score itself.

    Args:
        ranks: int array (mentions,).
        documents: int array (mentions,), which document each mention stands in; any numbers.
        resamples: How many times the documents are drawn anew.
        seed: Of NumPy's PCG64; the same seed gives the same intervals.
        level: Share of the resamples that an interval covers.

    Returns:
        (low, high) by score's name, or None where there is nothing to resample: fewer than two documents, or
        `resamples` 0.
    """
    means = resampled_means(per_mention(ranks), documents, resamples, seed)
    if means is None:
        return None
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(METRICS)}


def resampled_means(values: np.ndarray, documents: np.ndarray, resamples: int, seed: int) -> np.ndarray | None:
    """Return the means of values over mentions, each time of documents drawn anew: float64 (resamples, scores).

    The same documents and seed give the same draws, whatever the values. So two systems' means are paired,
    and the mean of the differences of values is the difference of their means.

    Args:
        values: float array (mentions, scores).
        documents: int array (mentions,), which document each mention stands in.
        resamples: How many times the documents are drawn.
        seed: Of NumPy's PCG64.

    Returns:
        None where there is nothing to resample: fewer than two documents, or `resamples` 0.
    """
    present, which = np.unique(documents, return_inverse=True)
    count = len(present)
    if count < 2 or resamples < 1:
        return None
    mentions = np.bincount(which, minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(which, weights=column, minlength=count) for column in values.T], axis=1)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_WEIGHTS // count)
    means = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
        means.append((weights @ sums) / (weights @ mentions)[:, None])
    return np.concatenate(means)


def _hits(ranks: np.ndarray, k: int | None) -> np.ndarray:
    ranks = np.asarray(ranks)
    present = ranks >= 0
    return present if k is None else present & (ranks < k)


def _reciprocal(ranks: np.ndarray) -> np.ndarray:
    ranks = np.asarray(ranks)
    return np.where(ranks >= 0, 1.0 / (np.maximum(ranks, 0) + 1.0), 0.0)
