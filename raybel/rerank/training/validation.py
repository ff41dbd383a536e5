"""Scores of a cross-encoder on a validation corpus: before and after re-ranking, and whether it learned the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from raybel.evaluation.metrics import CUTOFF_METRICS, CUTOFFS, recall_at
from raybel.rerank.calibration import Calibration, fit
from raybel.rerank.tokens import TokenisedExample
from raybel.rerank.training.steps import loss_sum


@dataclass
class ValidationResult:
    """Scores of a validation corpus.

    Args:
        scores: By name, as `validate` says; None where there are no mentions.
        calibration: The weights that were fitted; None where nothing was.
    """

    scores: dict[str, Any]
    calibration: Calibration | None


def ranks_of_gold(values: Sequence[np.ndarray], golds: Sequence[int]) -> np.ndarray:
    """Return the rank of each mention's right candidate, from 0; -1 where it isn't among the candidates: int32.

    Args:
        values: What each mention's candidates are ranked by, falling; equal ones are in the first stage's order.
        golds: The place of each mention's right candidate in the first stage's order; -1 for none.
    """
    ranks = np.full(len(golds), -1, np.int32)
    for row, (value, gold) in enumerate(zip(values, golds, strict=True)):
        if gold >= 0:
            ranks[row] = int(np.sum(value > value[gold]) + np.sum(value[:gold] == value[gold]))
    return ranks


def validate(
    examples: Sequence[TokenisedExample],
    logits: Sequence[np.ndarray],
    shuffled: Sequence[np.ndarray],
    loss: str,
    calibrate: bool,
) -> ValidationResult:
    """Return the scores of a model's logits.

    Args:
        examples: Mentions, those without candidates too.
        logits: Those of each mention's candidates.
        shuffled: The same, with the candidates in random order in the sequences.
        loss: The loss that the model was trained with.
        calibrate: Whether both stages are combined, by weights that are fitted here.

    Returns:
        `Acc@1`, `recall@5`, `recall@10` of the re-ranker's ranking, and with the prefix `first_stage_` those of the
        first stage's; with the prefix `prior_` those of the ranking by the prior alone, where there is one; if
        `calibrate`, with the prefix `alone_` those of the ranking by logits. `recall@all`; `loss` per mention or pair;
        `F1`, macro, over pairs. By logits: `first_share`, the share of mentions whose first candidate stays first, and
        `shuffled_Acc@1`. A score is None where no mention counts. Logits are those that the model was trained with: a
        prior's evidence is added to them.
    """
    golds, priors = [example.gold for example in examples], [example.prior for example in examples]
    calibration = fit(logits, [example.scores for example in examples], golds, priors) if calibrate else None
    weights = calibration or Calibration()
    evidence = [
        weights.evidence(logit, example.scores, example.prior) for logit, example in zip(logits, examples, strict=True)
    ]
    logits, shuffled = (
        [logit if prior is None else logit + prior for logit, prior in zip(each, priors, strict=True)]
        for each in (logits, shuffled)
    )
    first_stage = [-np.arange(len(logit)) for logit in logits]
    rankings: dict[str, Sequence[np.ndarray]] = {"": evidence, "first_stage_": first_stage}
    if calibrate:
        rankings["alone_"] = logits
    if any(prior is not None for prior in priors):
        nothing = [np.zeros(len(logit)) for logit in logits]
        rankings["prior_"] = [none if prior is None else prior for none, prior in zip(nothing, priors, strict=True)]
    scores: dict[str, Any] = {}
    for prefix, values in rankings.items():
        ranks = ranks_of_gold(values, golds)
        scores |= {f"{prefix}{name}": recall_at(ranks, cut) for name, cut in zip(CUTOFF_METRICS, CUTOFFS, strict=True)}
    scores["recall@all"] = recall_at(np.array(golds))
    scores["shuffled_Acc@1"] = recall_at(ranks_of_gold(shuffled, golds), 1)
    choices = [logit for logit in logits if len(logit) > 1]
    scores["first_share"] = float(np.mean([int(np.argmax(logit)) == 0 for logit in choices])) if choices else None
    owners = [(row, candidate) for row, logit in enumerate(logits) for candidate in range(len(logit))]
    flat = np.concatenate([np.zeros(0, np.float32), *logits])
    scores["loss"] = scores["F1"] = None
    if len(flat):
        count = len(owners) if loss == "binary" else sum(len(logit) > 0 for logit in logits)
        scores["loss"] = float(loss_sum(torch.from_numpy(flat), owners, golds, loss)) / count
        right = np.array([golds[row] == candidate for row, candidate in owners])
        scores["F1"] = macro_f1(flat > 0, right)
    return ValidationResult(scores, calibration)


def macro_f1(predicted: np.ndarray, right: np.ndarray) -> float:
    """Return the mean of both classes' F1; that of a class which neither occurs nor is predicted counts 0.

    Args:
        predicted: Whether each pair is predicted to be right, bool.
        right: Whether it is, bool.
    """
    by_class = []
    for label in (True, False):
        hits = np.sum((predicted == label) & (right == label))
        total = np.sum(predicted == label) + np.sum(right == label)
        by_class.append(2 * hits / total if total else 0.0)
    return float(np.mean(by_class))
