"""Scores of spans: pure functions over the places of gold and predicted mentions.

Two spans match strictly where document, start, end and type are the same, and overlapping where document and type are
the same and they share a character. Overlapping, one span may match several: precision is the share of predicted spans
that match a gold one, recall the share of gold spans that a predicted one matches. So the official evaluation of
BioCreative VII's NLM-Chem track counts (Leaman et al., Database 2023, baad005). One that covers a whole document
therefore matches all that is in it: read the overlapping score beside the strict one, which it is never below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The scores that a tally gives, in the order of `scores`.
MEASURES = ("precision", "recall", "F1")
#: Columns of a tally.
PREDICTED, RIGHT, GOLD, FOUND = range(4)
#: Documents are laid end to end on one line, this far apart: offsets are within 2**31 of 0.
_LINE = 1 << 33
#: Resamples are drawn in blocks of about this many weights (8 bytes each), so that memory stays bounded.
_BLOCK_WEIGHTS = 1 << 22


@dataclass(frozen=True)
class Spans:
    """Places of mentions, as columns of one length.

    Args:
        documents: int64 (spans,), the number of each span's document, at least 0 and below 2**29.
        starts: int64 (spans,), code points, within 2**31 of 0.
        ends: int64 (spans,), of the code point behind each span; greater than `starts`.
        types: int64 (spans,), a number for each type; all the same to compare spans whatever their types.
    """

    documents: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    types: np.ndarray

    def __len__(self) -> int:
        return len(self.documents)


@dataclass(frozen=True)
class Pairs:
    """Every gold span with every predicted one that it shares a character with, types aside.

    Args:
        gold: int64 (pairs,), numbers of gold spans, ascending.
        predicted: int64 (pairs,), numbers of predicted ones, ascending for each gold one.
        same_type: bool (pairs,).
        exact: bool (pairs,), whether start and end are the same.
        shared: int64 (pairs,), how many code points they share, at least 1.
    """

    gold: np.ndarray
    predicted: np.ndarray
    same_type: np.ndarray
    exact: np.ndarray
    shared: np.ndarray


def overlapping_pairs(gold: Spans, predicted: Spans) -> Pairs:
    """Return the pairs of spans that share a character; time and memory grow with their number, not with the product.

    (Within a predicted span that others lie in, each gold span costs a look at those before it.)
    """
    begins, ends = (predicted.documents * _LINE + places for places in (predicted.starts, predicted.ends))
    order = np.lexsort((ends, begins))
    begins, ends = begins[order], ends[order]
    gold_begins, gold_ends = (gold.documents * _LINE + places for places in (gold.starts, gold.ends))
    first = np.searchsorted(np.maximum.accumulate(ends), gold_begins, side="right")
    sizes = np.maximum(np.searchsorted(begins, gold_ends, side="left") - first, 0)
    which = np.repeat(np.arange(len(gold)), sizes)
    places = np.arange(len(which)) + np.repeat(first - (np.cumsum(sizes) - sizes), sizes)
    real = ends[places] > gold_begins[which]
    a, b = which[real], order[places[real]]
    ascending = np.lexsort((b, a))
    a, b = a[ascending], b[ascending]
    return Pairs(
        a,
        b,
        gold.types[a] == predicted.types[b],
        (gold.starts[a] == predicted.starts[b]) & (gold.ends[a] == predicted.ends[b]),
        np.minimum(gold.ends[a], predicted.ends[b]) - np.maximum(gold.starts[a], predicted.starts[b]),
    )


def in_any(members: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Return for each of `count` spans whether one of the chosen pairs has it: bool (count,).

    Args:
        members: int64 (pairs,), `Pairs.gold` or `Pairs.predicted`.
        chosen: bool (pairs,).
        count: Number of spans.
    """
    found = np.zeros(count, dtype=bool)
    found[members[chosen]] = True
    return found


def partners(pairs: Pairs, members: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Return for each of `count` spans the other side's span that it has most to do with, -1 for none: int64 (count,).

    One of the same type comes first, then one of the same start and end, then the one with most characters in common,
    then the first.

    Args:
        pairs: All pairs.
        members: `pairs.gold`, or `pairs.predicted`.
        others: The other of the two.
        count: Number of spans of `members`.
    """
    order = np.lexsort((others, -pairs.shared, ~pairs.exact, ~pairs.same_type, members))
    found = np.full(count, -1, dtype=np.int64)
    present, first = np.unique(members[order], return_index=True)
    found[present] = others[order][first]
    return found


def tally(
    documents: int,
    gold_documents: np.ndarray,
    found: np.ndarray,
    predicted_documents: np.ndarray,
    right: np.ndarray,
) -> np.ndarray:
    """Return what each document adds to precision and recall: float64 (documents, 4), columns as in `PREDICTED` etc.

    Args:
        documents: Number of documents.
        gold_documents: int64, the document of each gold item that counts.
        found: bool, whether each of them was found.
        predicted_documents: int64, the document of each predicted item that counts.
        right: bool, whether each of them is right.
    """
    columns = [
        np.bincount(places, minlength=documents)
        for places in (predicted_documents, predicted_documents[right], gold_documents, gold_documents[found])
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def scores(tallies: np.ndarray) -> np.ndarray:
    """Return precision, recall and F1 of tallies: float64 (..., 3), NaN where a score isn't defined.

    Precision isn't defined where nothing is predicted, recall where there is no gold. F1 is the harmonic mean of both;
    0 where one of them is 0 or isn't defined, and not defined itself where there is neither gold nor prediction.

    Args:
        tallies: float64 (..., 4), sums of `tally`.
    """
    predicted, right, gold, found = np.moveaxis(tallies, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = right / predicted, found / gold
        both = np.nan_to_num(precision) + np.nan_to_num(recall)
        harmonic = 2 * np.nan_to_num(precision) * np.nan_to_num(recall) / both
    f1 = np.where(both > 0, harmonic, np.where(predicted + gold > 0, 0.0, np.nan))
    return np.stack([precision, recall, f1], axis=-1)


def bootstrap(tallies: np.ndarray, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> np.ndarray | None:
    """Return the percentile bootstrap intervals of all scores, resampling documents, as `metrics.bootstrap` does.

    The documents drawn from are those that add something to a tally. Resamples in which a score isn't defined are left
    out of its interval.

    Args:
        tallies: float64 (documents, kinds of scores, 4).
        resamples: How many times the documents are drawn anew.
        seed: Of NumPy's PCG64; the same seed gives the same intervals.
        level: Share of the resamples that an interval covers.

    Returns:
        float64 (kinds of scores, 3, 2): low and high of each score, NaN where it is defined in no resample. None where
        there is nothing to resample: fewer than two documents, or `resamples` 0.
    """
    flat = tallies[tallies.any(axis=(1, 2))].reshape(-1, tallies.shape[1] * tallies.shape[2])
    count = len(flat)
    if count < 2 or resamples < 1:
        return None
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_WEIGHTS // count)
    drawn = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
        drawn.append(scores((weights @ flat).reshape(size, *tallies.shape[1:])))
    values = np.concatenate(drawn)
    tail = 100 * (1 - level) / 2
    intervals = np.full((*values.shape[1:], 2), np.nan)
    for place in np.ndindex(*values.shape[1:]):
        defined = values[(slice(None), *place)]
        defined = defined[~np.isnan(defined)]
        if len(defined):
            intervals[place] = np.percentile(defined, [tail, 100 - tail])
    return intervals
