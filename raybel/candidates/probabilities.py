"""Probabilities as shares of a softmax: fitting them, judging them, and choosing the least that a link must have.

A mention's candidates and "none of them" share a softmax of their evidence, a weighted sum of features. Both stages fit
its weights by maximum likelihood, on mentions that neither was made of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Decimals of evidence, so that the last bits of a sum don't decide an order. (Rounded probabilities would tell too
#: little apart: they are equal for logits of 13 and 16.)
EVIDENCE_DECIMALS = 4
#: Weights stay within these bounds, so that separable mentions give finite ones.
BOUND = 50.0
#: Bins of the expected calibration error.
BINS = 15


def round_evidence(evidence: np.ndarray) -> np.ndarray:
    """Return logits, or other evidence, rounded, as candidates are ordered by it: float64."""
    return np.round(evidence.astype(np.float64), EVIDENCE_DECIMALS)


def shares(evidence: np.ndarray, none: float) -> np.ndarray:
    """Return each candidate's share of the softmax, float64: with that of "none of them" they sum to 1.

    Args:
        evidence: That of one mention's candidates; may be empty.
        none: The evidence for "none of them".
    """
    top = max(float(evidence.max(initial=-np.inf)), none)
    mass = np.exp(evidence - top)
    of_candidates: np.ndarray = mass / (mass.sum() + np.exp(none - top))
    return of_candidates


def fit_weights(
    features: Sequence[np.ndarray], golds: Sequence[int], start: np.ndarray, pull: float | np.ndarray
) -> np.ndarray:
    """Return the most likely weights of features, then the evidence for "none of them": float64 (features + 1,).

    Args:
        features: Those of each mention's candidates, (candidates, features); a mention without candidates tells
            nothing.
        golds: The place of each mention's right candidate; -1 where none is.
        start: The weights to begin with, towards which the fit is pulled: float64 (features + 1,). Features' weights
            are 0 or more.
        pull: How strongly, in terms of the mean log-likelihood; one for all, or for each of them.
    """
    from scipy.optimize import minimize  # half a second, which those who only apply weights needn't wait for

    rows = [row for row, of_mention in enumerate(features) if len(of_mention)]
    if not rows:
        return start
    width, count = max(len(features[row]) for row in rows), len(start) - 1
    values = np.zeros((len(rows), width, count))
    present = np.zeros((len(rows), width), bool)
    gold = np.array([golds[row] for row in rows])
    for place, row in enumerate(rows):
        values[place, : len(features[row])] = features[row]
        present[place, : len(features[row])] = True

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        evidence = np.where(present, values @ weights[:-1], -np.inf)
        with_none = np.concatenate([np.full((len(rows), 1), weights[-1]), evidence], axis=1)
        top = with_none.max(1, keepdims=True)
        mass = np.exp(with_none - top)
        share = mass / mass.sum(1, keepdims=True)
        right = share[np.arange(len(rows)), gold + 1]
        error = share.copy()
        error[np.arange(len(rows)), gold + 1] -= 1
        gradient = np.concatenate([np.einsum("ij,ijk->k", error[:, 1:], values), [error[:, 0].sum()]]) / len(rows)
        away = weights - start
        value = -np.log(np.maximum(right, 1e-300)).mean() + float(pull * away @ away) / 2
        return float(value), gradient + pull * away

    bounds = [(0.0, BOUND)] * count + [(-BOUND, BOUND)]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def expected_calibration_error(probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> float | None:
    """Return how far probabilities are from the shares that are right, on average; None for none.

    The mean, over bins of equal numbers of links by rising probability, of the difference between the mean probability
    and the share that is right (Nguyen & O'Connor, EMNLP 2015). With few links in a bin chance alone gives a few
    points.

    Args:
        probabilities: Of each link.
        right: Whether it is right, bool.
        bins: How many.
    """
    if not len(probabilities):
        return None
    order = np.argsort(probabilities, kind="stable")
    return float(
        sum(
            len(rows) * abs(probabilities[rows].mean() - right[rows].mean())
            for rows in np.array_split(order, min(bins, len(order)))
        )
        / len(order)
    )


def best_threshold(probabilities: np.ndarray, right: np.ndarray, wanted: int) -> tuple[float, float, float] | None:
    """Return the threshold at which links have the best F1, that F1, and the F1 without one; None if there is no link.

    Of thresholds with the same F1 the lowest is taken; 0.0 says that leaving links out gains nothing.

    Args:
        probabilities: Of each mention's first link.
        right: Whether it is right, bool; a link of a mention without a concept isn't.
        wanted: How many mentions have a concept that can be found: the links that there should be.
    """
    if not len(probabilities) or not wanted:
        return None
    thresholds = np.arange(100) / 100
    reached = probabilities[None, :] >= thresholds[:, None]
    f1 = 2 * (reached & right).sum(1) / (reached.sum(1) + wanted)
    best = int(np.argmax(f1))
    return float(thresholds[best]), float(f1[best]), float(f1[0])
