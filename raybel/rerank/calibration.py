"""Probabilities from a cross-encoder's logits, the first stage's scores and ranks, and a prior's evidence.

A mention's candidates and "none of them" share a softmax; its weights are fitted by maximum likelihood on mentions that
the model wasn't trained on. The logit's weight alone is temperature scaling (Guo et al., ICML 2017); the others
interpolate both stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from raybel.candidates.probabilities import fit_weights, round_evidence, shares

#: Strength of the pull towards the defaults of the weights of score, rank and "none of them", for each mention.
PULL = 1e-3
#: And of logit and prior, all together, whatever the number of mentions: the model was trained with weights of 1, and a
#: few hundred validation mentions, of which it decides some dozen, say little against that.
PULL_OF_TRAINED = 10.0


@dataclass(frozen=True)
class Calibration:
    """Weights of a candidate's evidence.

    Args:
        logit: Weight of the cross-encoder's logit.
        score: Weight of the first stage's score.
        rank: Weight of 1 / (1 + first stage's rank), which tells candidates of the same score apart; the rank is that
            among the candidates that are scored.
        prior: Weight of the prior's evidence (`rerank.priors`), where there is any.
        none: Evidence for "none of them".
    """

    logit: float = 1.0
    score: float = 0.0
    rank: float = 0.0
    prior: float = 1.0
    none: float = 0.0

    def evidence(self, logits: np.ndarray, scores: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
        """Return the evidence for each candidate, by which they are ordered: float64.

        Args:
            logits: Those of one mention's candidates in the first stage's order; may be empty.
            scores: The first stage's scores of the same candidates.
            prior: The prior's evidence for them; None for none.
        """
        evidence = self.logit * logits + self.score * scores + self.rank / (1 + np.arange(len(logits)))
        return round_evidence(evidence if prior is None else evidence + self.prior * prior)

    def probabilities(self, evidence: np.ndarray) -> np.ndarray:
        """Return each candidate's probability, float64: with that of "none of them" they sum to 1."""
        return shares(evidence, self.none)

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def fit(
    logits: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    golds: Sequence[int],
    priors: Sequence[np.ndarray | None] | None = None,
) -> Calibration:
    """Return the most likely weights.

    Args:
        logits: Those of each mention's candidates, in the first stage's order.
        scores: The first stage's scores of the same candidates.
        golds: The place of each mention's right candidate; -1 where it isn't among them.
        priors: The prior's evidence for the same candidates, None for none.

    Returns:
        The defaults where no mention has the right candidate among its own.
    """
    if not any(gold >= 0 for gold, of_mention in zip(golds, logits, strict=True) if len(of_mention)):
        return Calibration()
    features = [
        np.stack([logit, score, 1 / (1 + np.arange(len(logit))), np.zeros(len(logit)) if prior is None else prior], 1)
        for logit, score, prior in zip(logits, scores, priors or [None] * len(logits), strict=True)
    ]
    trained = PULL_OF_TRAINED / sum(len(logit) > 0 for logit in logits)
    pull = asdict(Calibration(logit=trained, score=PULL, rank=PULL, prior=trained, none=PULL))
    weights = fit_weights(features, golds, np.array([*asdict(Calibration()).values()]), np.array([*pull.values()]))
    return Calibration(*(round(float(weight), 6) for weight in weights))
