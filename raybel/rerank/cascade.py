"""Which mentions are sure: they are settled without the model, and only the others go through it.

A mention is sure if the probability of its best candidate reaches a limit. With a prior (`rerank.priors`), the best one
and its probability are those of the first stage's scores and the prior together. Without one, they are the first
stage's, and the probability is fitted to what that knows (`candidates.calibration`: score and margin, whether the name
is the surface and no other concept's, how often training mentions had it). The limit is fitted to what re-ranking the
sure mentions would have gained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from raybel.candidates.base import Generator
from raybel.candidates.calibration import CandidateCalibration
from raybel.rerank.calibration import Calibration

#: What the sure mentions may lose against re-ranking all of them, as a share of all mentions.
LOSS = 0.001
#: The least share of the sure mentions whose first candidate is right, with one right and one wrong mention more.
ACCURACY = 0.98
#: The limits that are tried.
LIMITS = np.arange(50, 100) / 100


@dataclass(frozen=True)
class Cascade:
    """The rule that says which mentions are sure, and the probabilities of both kinds.

    Args:
        first_stage: The probabilities of the first stage's candidates.
        sure_from: The probability from which a best candidate is sure; None where no mention is.
        unsure: Weights for the other mentions' candidates that are scored; without a prior, fitted to these alone.
        generator: Name and fingerprint of the generator that it was fitted to: another one's scores mean other things.
        ontology: Fingerprint of the ontology that this one's candidates refer to.
        threshold: The least probability that a link should have; None where nothing says so.
        figures: What was measured on the validation mentions.
        every: Weights for candidates where all mentions are re-ranked; None where they weren't fitted.
        settled: Weights of scores, ranks and prior that settle mentions; None where the first stage does by itself.
        pruned_below: The probability by `settled` below which a candidate of an unsure mention isn't scored
            (`rerank.pruning`); None where all are.
    """

    first_stage: CandidateCalibration
    sure_from: float | None
    unsure: Calibration
    generator: str
    ontology: str = ""
    threshold: float | None = None
    figures: Mapping[str, float | None] = field(default_factory=dict)
    every: Calibration | None = None
    settled: Calibration | None = None
    pruned_below: float | None = None

    def is_sure(self, probabilities: np.ndarray) -> bool:
        """Return whether a mention is sure.

        Args:
            probabilities: Those of its candidates, falling, by `settled` or by `first_stage`; may be empty.
        """
        # As float32, as they are: the limit itself would be another number in float64.
        return self.sure_from is not None and len(probabilities) > 0 and probabilities[0] >= np.float32(self.sure_from)

    @property
    def generator_name(self) -> str:
        """Name of the generator that it was fitted to, without the fingerprint."""
        return self.generator.split()[0]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "figures": dict(self.figures)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Cascade:
        """Return what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something other.
        """
        weights = {key: {name: float(item) for name, item in value[key].items()} for key in ("first_stage", "unsure")}
        first_stage, unsure = CandidateCalibration(**weights["first_stage"]), Calibration(**weights["unsure"])
        every, settled = (
            None if held is None else Calibration(**{name: float(item) for name, item in held.items()})
            for held in (value.get("every"), value.get("settled"))
        )
        held = {"pruned_below": None, **value}
        sure_from, threshold, pruned_below = (
            None if held[key] is None else float(held[key]) for key in ("sure_from", "threshold", "pruned_below")
        )
        fitted_to = (str(value["generator"]), str(value.get("ontology", "")))
        figures = dict(value["figures"])
        return cls(first_stage, sure_from, unsure, *fitted_to, threshold, figures, every, settled, pruned_below)


def cascade_for(cascades: Sequence[Cascade], generator: Generator) -> Cascade | None:
    """Return the rule of several that holds for a generator's candidates; None where none was fitted to its kind.

    It is the one that was fitted to this very generator; else to one of its kind for its ontology; else the first that
    was fitted to one of its kind.
    """
    kind = [each for each in cascades if each.generator_name == generator.name]
    of_ontology = [each for each in kind if each.ontology == generator.ontology_fingerprint]
    same = [each for each in of_ontology if each.generator == generator.description]
    return next(iter([*same, *of_ontology, *kind]), None)


def fit_limit(best: np.ndarray, best_right: np.ndarray, reranked_right: np.ndarray) -> float | None:
    """Return the lowest probability from which best candidates are sure; None where none will do.

    Re-ranking them would gain at most `LOSS` of all mentions, and `ACCURACY` of them are right: the first alone could
    be a bad re-ranker's doing.

    Args:
        best: The probability of each mention's best candidate, as it is without the model.
        best_right: Whether it is right, bool.
        reranked_right: Whether the re-ranker's first candidate is, bool.
    """
    sure = best[None, :] >= LIMITS[:, None].astype(best.dtype)
    count = sure.sum(1)
    lost = (sure & reranked_right).sum(1) - (sure & best_right).sum(1)
    accurate = (sure & best_right).sum(1) + 1 >= ACCURACY * (count + 2)
    fit = np.flatnonzero((count > 0) & (lost <= LOSS * len(best)) & accurate)
    return float(LIMITS[fit[0]]) if len(fit) else None
