"""Probabilities from a cross-encoder's logits, the first stage's scores and its ranks.

A mention's candidates and "none of them" share a softmax; its weights are fitted by maximum likelihood on mentions that
the model wasn't trained on. The logit's weight alone is temperature scaling (Guo et al., ICML 2017); the others
interpolate both stages.
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
#: Decimals of evidence, so that the last bits of a sum don't decide an order. (Rounded probabilities would tell too
#: little apart: they are equal for logits of 13 and 16.)
DECIMALS = 4


def round_evidence(evidence: np.ndarray) -> np.ndarray:
    """Return logits, or other evidence, rounded, as candidates are ordered by it: float64."""
    return np.round(evidence.astype(np.float64), DECIMALS)


@dataclass(frozen=True)
class Calibration:
    """Weights of a candidate's evidence.

    Args:
        logit: Weight of the cross-encoder's logit.
        score: Weight of the first stage's score.
        rank: Weight of 1 / (1 + first stage's rank), which tells candidates of the same score apart.
        none: Evidence for "none of them".
    """

    logit: float = 1.0
    score: float = 0.0
    rank: float = 0.0
    none: float = 0.0

    def evidence(self, logits: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the evidence for each candidate, by which they are ordered: float64.

        Args:
            logits: Those of one mention's candidates in the first stage's order; may be empty.
            scores: The first stage's scores of the same candidates.
        """
        return round_evidence(self.logit * logits + self.score * scores + self.rank / (1 + np.arange(len(logits))))

    def probabilities(self, evidence: np.ndarray) -> np.ndarray:
        """Return each candidate's probability, float64: with that of "none of them" they sum to 1."""
        top = max(float(evidence.max(initial=-np.inf)), self.none)
        mass = np.exp(evidence - top)
        shares: np.ndarray = mass / (mass.sum() + np.exp(self.none - top))
        return shares

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def fit(logits: Sequence[np.ndarray], scores: Sequence[np.ndarray], golds: Sequence[int]) -> Calibration:
    """Return the most likely weights.

    Args:
        logits: Those of each mention's candidates, in the first stage's order.
        scores: The first stage's scores of the same candidates.
        golds: The place of each mention's right candidate; -1 where it isn't among them.

    Returns:
        The defaults where no mention has the right candidate among its own.
    """
    rows = [row for row, of_mention in enumerate(logits) if len(of_mention)]
    if not any(golds[row] >= 0 for row in rows):
        return Calibration()
    width = max(len(logits[row]) for row in rows)
    features = np.zeros((len(rows), width, 3))
    present = np.zeros((len(rows), width), bool)
    gold = np.array([golds[row] for row in rows])
    for place, row in enumerate(rows):
        size = len(logits[row])
        features[place, :size, 0], features[place, :size, 1] = logits[row], scores[row]
        features[place, :size, 2] = 1 / (1 + np.arange(size))
        present[place, :size] = True
    start = np.array(list(asdict(Calibration()).values()))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        evidence = np.where(present, features @ weights[:3], -np.inf)
        with_none = np.concatenate([np.full((len(rows), 1), weights[3]), evidence], axis=1)
        top = with_none.max(1, keepdims=True)
        mass = np.exp(with_none - top)
        share = mass / mass.sum(1, keepdims=True)
        right = share[np.arange(len(rows)), gold + 1]
        error = share.copy()
        error[np.arange(len(rows)), gold + 1] -= 1
        gradient = np.concatenate([np.einsum("ij,ijk->k", error[:, 1:], features), [error[:, 0].sum()]]) / len(rows)
        pull = weights - start
        value = -np.log(np.maximum(right, 1e-300)).mean() + PRIOR * float(pull @ pull) / 2
        return float(value), gradient + PRIOR * pull

    bounds = [(0.0, BOUND), (0.0, BOUND), (0.0, BOUND), (-BOUND, BOUND)]
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(*(round(float(weight), 6) for weight in weights))
