"""Which candidates of an unsure mention a model scores: not those that are all but ruled out without it.

Their probabilities are those by which the cascade settles mentions (`rerank.cascade`), those of the first stage's
scores and the prior together. The pruned candidates keep them, behind the others, which share what is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raybel.rerank.ranking import DECIMALS, Ranking

#: What pruning may lose against scoring all candidates of unsure mentions, as a share of all mentions.
LOSS = 0.001
#: The least share of the unsure mentions with the right candidate among theirs that keep it; one more that does and one
#: more that does not are counted with them.
KEPT = 0.98
#: The limits that are tried.
LIMITS = np.arange(1, 101) / 1000


def kept(ranking: Ranking, pruned_below: float | None) -> np.ndarray:
    """Return the places of the candidates that are scored, in the first stage's order, int64; none where one is left.

    Args:
        ranking: The mention's, without the model.
        pruned_below: The probability from which a candidate is scored; None to score all.
    """
    if pruned_below is None:
        return np.sort(ranking.order)
    count = int(np.count_nonzero(ranking.scores >= np.float32(pruned_below)))
    return np.sort(ranking.order[: count if count > 1 else 0])


def merged(ranking: Ranking, places: np.ndarray, scored: Ranking) -> Ranking:
    """Return a mention's ranking with both kinds of candidates: the scored ones, then the pruned ones.

    Where the model leaves scored ones less than a pruned one had, that has no more than they.

    Args:
        ranking: The mention's, without the model.
        places: Those of the scored candidates, as `kept` returns them.
        scored: The ranking of these alone, by the model; their probabilities are taken as those where none of the
            pruned ones is right.
    """
    if len(places) == len(ranking.order):
        return scored
    if not len(places):
        return ranking
    pruned = ~np.isin(ranking.order, places)
    left = 1 - ranking.scores[pruned].sum(dtype=np.float64)
    of_scored = np.round(left * scored.scores.astype(np.float64), DECIMALS).astype(np.float32)
    of_pruned = np.minimum(ranking.scores[pruned], of_scored[-1])
    order = np.concatenate([places[scored.order], ranking.order[pruned]])
    return Ranking(order, np.concatenate([of_scored, of_pruned]), int(pruned.sum()))


def fit_pruning(rankings: Sequence[Ranking], golds: np.ndarray, scored_right: np.ndarray, total: int) -> float | None:
    """Return the highest probability below which candidates of unsure mentions may be pruned; None where none will do.

    At most `LOSS` of all mentions are right with all candidates scored, and have their right one pruned; and `KEPT` of
    the unsure mentions keep their right candidate: the first alone could be a bad re-ranker's doing.

    Args:
        rankings: Those of the unsure mentions, without the model.
        golds: The place of each one's right candidate, int64; -1 for none.
        scored_right: Whether each one's first candidate is right if all are scored, bool.
        total: How many mentions there are, sure ones too.
    """
    found = golds >= 0
    if not found.any():
        return None
    of_gold = np.array(
        [ranking.scores[ranking.order == gold][0] for ranking, gold in zip(rankings, golds, strict=True) if gold >= 0]
    )
    best = np.array([ranking.order[0] == gold for ranking, gold in zip(rankings, golds, strict=True) if gold >= 0])
    lost = (of_gold[None, :] < LIMITS[:, None].astype(np.float32)) & ~best
    fit = (lost & scored_right[found]).sum(1) <= LOSS * total
    fit &= (~lost).sum(1) + 1 >= KEPT * (found.sum() + 2)
    return float(LIMITS[fit][-1]) if fit.any() else None
