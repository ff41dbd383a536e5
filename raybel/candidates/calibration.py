"""Calibration of a generator: weights that make probabilities of what is known of a candidate.

A dense index's cosine, an n-gram's and a fused rank mean different things. The evidence is the same for all
(`candidates.evidence`), and the weights are fitted on validation mentions, which aren't among the aliases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raybel.candidates.probabilities import fit_weights, round_evidence, shares
from raybel.errors import InputError

#: The features of a candidate, in order.
FEATURES = ("score", "exact", "rank", "frequency", "overlap")
#: Strength of the pull of all weights towards 0, in mentions.
PRIOR = 0.1
#: Decimals of probabilities.
DECIMALS = 5


@dataclass(frozen=True)
class CandidateCalibration:
    """Weights of `FEATURES`, each 0 or more.

    Args:
        score: Of the generator's score.
        exact: Of a name that is the surface.
        rank: Of the place.
        frequency: Of training mentions that had this name, and this concept.
        overlap: Of what the name shares with the surface.
        none: Evidence for "none of them".
    """

    score: float = 0.0
    exact: float = 0.0
    rank: float = 0.0
    frequency: float = 0.0
    overlap: float = 0.0
    none: float = 0.0

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities of a mention's candidates, falling, float32; they sum to at most 1.

        Args:
            features: As `Evidence` gives them.
        """
        evidence = np.zeros(len(features))
        for place, name in enumerate(FEATURES):  # a sum whose bits don't depend on the number of candidates
            evidence += getattr(self, name) * features[:, place]
        return np.round(shares(round_evidence(evidence), self.none), DECIMALS).astype(np.float32)

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def fit(features: Sequence[np.ndarray], golds: Sequence[int]) -> CandidateCalibration | None:
    """Return the most likely weights; None where there is nothing to fit: no right candidate, or no wrong one.

    Args:
        features: Of each mention's candidates, as `Evidence` gives them.
        golds: The place of each mention's right candidate; -1 where none is.
    """
    counted = [(len(of_mention), gold) for of_mention, gold in zip(features, golds, strict=True) if len(of_mention)]
    right = sum(gold >= 0 for _, gold in counted)
    if not right or right == sum(size for size, _ in counted):
        return None
    weights = fit_weights(features, golds, np.zeros(len(FEATURES) + 1), PRIOR / len(counted))
    return CandidateCalibration(*(round(float(weight), 6) for weight in weights))


@dataclass(frozen=True)
class FittedCalibration:
    """A calibration as it is stored with a model.

    Args:
        calibration: The weights.
        threshold: The least probability that a link should have where mentions without a concept are to be left
            unlinked: the best F1 of links on the validation mentions; None where none of these had no concept.
        figures: What was measured on the validation mentions: how many there were, the expected calibration error of
            the generator's scores and, fitted on one half of the documents and judged on the other, of probabilities
            (`ECE`), the F1 of links at the threshold and without.
    """

    calibration: CandidateCalibration
    threshold: float | None
    figures: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"weights": self.calibration.to_dict(), "threshold": self.threshold, "figures": self.figures}

    @classmethod
    def from_dict(cls, value: Any, path: str) -> FittedCalibration:
        """Return what `to_dict` gave.

        Raises:
            InputError: It is something other.
        """
        try:
            calibration = CandidateCalibration(**{name: float(item) for name, item in value["weights"].items()})
            threshold = value["threshold"]
            return cls(calibration, None if threshold is None else float(threshold), dict(value["figures"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"its calibration is damaged ({error!r}): run `raybel calibrate` again", path=path
            ) from None
