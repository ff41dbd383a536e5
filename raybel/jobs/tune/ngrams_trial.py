"""What a trial of a sweep over the n-gram generator does; its process needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import recall
from raybel.jobs.tune.sweep import report
from raybel.ontology import Ontology


@dataclass(frozen=True)
class NgramNeeds:
    """What trials of the n-gram generator share.

    Args:
        ontology: File.
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


def ngrams_trial(values: dict[str, Any], needs: NgramNeeds) -> None:
    """Build a generator and report its recall on the validation corpus."""
    parameters = NgramParameters().changed(needs.fixed | values)
    model = NgramGenerator.build(Ontology.open(needs.ontology), parameters, needs.training)
    scores = recall(model, needs.validation, needs.top_k)
    report(scores[needs.metric], scores)
