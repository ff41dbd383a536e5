"""What a trial of a sweep over the n-gram generator does; its process needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import recall
from raybel.jobs.tune.sweep import report_epoch
from raybel.ontology import Ontology


@dataclass(frozen=True)
class NgramTrialInputs:
    """What trials of the n-gram generator share.

    Args:
        ontology: Path or URI.
        fixed: Hyper-parameters that aren't searched.
        training: (surface, concept index) of training mentions.
        validation: The same to measure recall on.
        metric: Of the sweep.
        top_k: Candidates for "recall@all".
    """

    ontology: str
    fixed: dict[str, Any]
    training: list[tuple[str, int]]
    validation: list[tuple[str, int]]
    metric: str
    top_k: int


def ngrams_trial(values: dict[str, Any], inputs: NgramTrialInputs) -> None:
    """Build a generator and report its recall on the validation corpus."""
    parameters = NgramParameters().changed(inputs.fixed | values)
    model = NgramGenerator.build(Ontology.open(inputs.ontology), parameters, inputs.training)
    scores = recall(model, inputs.validation, inputs.top_k)
    report_epoch(scores[inputs.metric], scores)
