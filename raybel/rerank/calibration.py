"""Probabilities out of a cross-encoder's logits, the first stage's scores and its ranks.

A mention's candidates and "none of them" share a softmax; its weights are fitted by maximum likelihood on mentions that
the model wasn't trained on. With the logit's weight it is temperature scaling (Guo et al., ICML 2017); with the others,
the interpolation of both stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize

#: Strength of the pull towards the defaults: worth a few mentions.
PRIOR = 1e-3
#: Weights stay within these bounds, so that a separable validation corpus gives finite ones.
BOUND = 50.0


#: Evidence is rounded to so many decimals, so that the last bits of a sum don't decide an order. Probabilities would
#: be equal long before: at logits of 13 and 16 already.
DECIMALS = 4


def settled(evidence: np.ndarray) -> np.ndarray:
    """Return logits, or other evidence, as candidates are ordered by them: float64."""
    return np.round(evidence.astype(np.float64), DECIMALS)


@dataclass(frozen=True)
class Calibration:
    """Weights of a candidate's evidence.

    Args:
        logit: Of the cross-encoder's logit.
        score: Of the first stage's score.
        rank: Of 1 / (1 + first stage's rank), which tells apart what has the same score.
        none: Evidence for "none of them".
    """

    logit: float = 1.0
    score: float = 0.0
    rank: float = 0.0
    none: float = 0.0

    def evidence(self, logits: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return what speaks for each candidate, float64: they are ordered by it.

        Args:
            logits: Of one mention's candidates in the first stage's order; may be empty.
            scores: The first stage's.
        """
        return settled(self.logit * logits + self.score * scores + self.rank / (1 + np.arange(len(logits))))

    def probabilities(self, evidence: np.ndarray) -> np.ndarray:
        """Return each candidate's probability, float64: with that of "none of them" they sum to 1."""
        top = max(float(evidence.max(initial=-np.inf)), self.none)
        mass = np.exp(evidence - top)
        found: np.ndarray = mass / (mass.sum() + np.exp(self.none - top))
        return found

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def fit(logits: Sequence[np.ndarray], scores: Sequence[np.ndarray], golds: Sequence[int]) -> Calibration:
    """Return the most likely weights.

    Args:
        logits: Of each mention's candidates, in the first stage's order.
        scores: The first stage's.
        golds: Which candidate is right; -1 for none of them.

    Returns:
        The defaults where no mention has the right candidate among its own.
    """
    rows = [row for row, each in enumerate(logits) if len(each)]
    if not any(golds[row] >= 0 for row in rows):
        return Calibration()
    width = max(len(logits[row]) for row in rows)
    features = np.zeros((len(rows), width, 3))
    real = np.zeros((len(rows), width), bool)
    gold = np.array([golds[row] for row in rows])
    for place, row in enumerate(rows):
        size = len(logits[row])
        features[place, :size, 0], features[place, :size, 1] = logits[row], scores[row]
        features[place, :size, 2] = 1 / (1 + np.arange(size))
        real[place, :size] = True
    start = np.array(list(asdict(Calibration()).values()))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        evidence = np.where(real, features @ weights[:3], -np.inf)
        every = np.concatenate([np.full((len(rows), 1), weights[3]), evidence], axis=1)
        top = every.max(1, keepdims=True)
        mass = np.exp(every - top)
        share = mass / mass.sum(1, keepdims=True)
        right = share[np.arange(len(rows)), gold + 1]
        error = share.copy()
        error[np.arange(len(rows)), gold + 1] -= 1
        slope = np.concatenate([np.einsum("ij,ijk->k", error[:, 1:], features), [error[:, 0].sum()]]) / len(rows)
        pull = weights - start
        value = -np.log(np.maximum(right, 1e-300)).mean() + PRIOR * float(pull @ pull) / 2
        return float(value), slope + PRIOR * pull

    bounds = [(0.0, BOUND), (0.0, BOUND), (0.0, BOUND), (-BOUND, BOUND)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(*(round(float(weight), 6) for weight in found))
