"""A mention's candidates in the order of what is known of them, and their probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from raybel.candidates.probabilities import round_evidence
from raybel.rerank.calibration import Calibration

#: Decimals of scores.
DECIMALS = 5


@dataclass(frozen=True)
class Ranking:
    """A mention's candidates in the re-ranker's order.

    Args:
        order: The candidates' places in the first stage's order, int64.
        scores: Their probabilities, falling, float32.
        unscored: How many of them no model scored.
    """

    order: np.ndarray
    scores: np.ndarray
    unscored: int = 0


def ranked(
    logits: np.ndarray, scores: np.ndarray, calibration: Calibration | None, prior: np.ndarray | None = None
) -> Ranking:
    """Return a mention's candidates in the order of their evidence; of equal evidence, in the first stage's.

    With a calibration, a mention's probabilities sum to at most 1; the difference is that of "none of them". They are
    rounded to five decimals, so that several may be equal, and the order is that of the evidence.

    Args:
        logits: Those of its candidates.
        scores: The first stage's scores of them.
        calibration: Weights; None for the published way.
        prior: A prior's evidence for them; None for none.
    """
    if calibration is None:
        evidence = round_evidence(logits if prior is None else logits + prior)
        probabilities = expit(evidence)
    else:
        evidence = calibration.evidence(logits, scores, prior)
        probabilities = calibration.probabilities(evidence)
    order = np.argsort(-evidence, kind="stable")
    return Ranking(order, np.round(probabilities[order], DECIMALS).astype(np.float32))
