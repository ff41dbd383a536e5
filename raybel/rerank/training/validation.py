"""Scores of a cross-encoder on a validation corpus: first stage against re-ranked, and whether it learned the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from raybel.evaluation.metrics import CUTOFFS, recall_at
from raybel.rerank.calibration import Calibration, fit
from raybel.rerank.tokens import Tokenised
from raybel.rerank.training.steps import loss_sum


@dataclass
class Validated:
    """Scores by name, and the weights that they were made with."""

    scores: dict[str, Any]
    calibration: Calibration | None


def ranks(values: Sequence[np.ndarray], golds: Sequence[int]) -> np.ndarray:
    """Return the place of each mention's right candidate by falling value, -1 where it isn't among them: int32.

    Equal values are in the first stage's order.
    """
    found = np.full(len(golds), -1, np.int32)
    for row, (value, gold) in enumerate(zip(values, golds, strict=True)):
        if gold >= 0:
            found[row] = int(np.sum(value > value[gold]) + np.sum(value[:gold] == value[gold]))
    return found


def validate(
    examples: Sequence[Tokenised],
    logits: Sequence[np.ndarray],
    shuffled: Sequence[np.ndarray],
    loss: str,
    calibrate: bool,
) -> Validated:
    """Return the scores of logits.

    Args:
        examples: Mentions, those without candidates too.
        logits: Of their candidates.
        shuffled: The same with the candidates in random order in the sequences.
        loss: Which one the model was trained with.
        calibrate: Whether both stages are combined, by weights fitted here.

    Returns:
        `Acc@1`, `recall@5`, `recall@10` of the ranking that the re-ranker gives, the same with `first_stage_` and (if
        `calibrate`) `alone_` before them; `loss` per mention or pair; macro `F1` over pairs; `first_share`: of
        mentions whose first candidate stays first by the logits alone; `shuffled_Acc@1`, by the logits alone. None
        where there are no mentions.
    """
    golds = [each.gold for each in examples]
    calibration = fit(logits, [each.scores for each in examples], golds) if calibrate else None
    weights = calibration or Calibration()
    values = [weights.evidence(logit, each.scores) for logit, each in zip(logits, examples, strict=True)]
    orders: dict[str, Sequence[np.ndarray]] = {"": values, "first_stage_": [-np.arange(len(each)) for each in logits]}
    if calibrate:
        orders["alone_"] = logits
    names = ["Acc@1", *(f"recall@{cut}" for cut in CUTOFFS[1:])]
    scores: dict[str, Any] = {}
    for prefix, value in orders.items():
        found = ranks(value, golds)
        scores |= {f"{prefix}{name}": recall_at(found, cut) for name, cut in zip(names, CUTOFFS, strict=True)}
    scores["recall@all"] = recall_at(np.array(golds))
    scores["shuffled_Acc@1"] = recall_at(ranks(shuffled, golds), 1)
    several = [each for each in logits if len(each) > 1]
    scores["first_share"] = float(np.mean([int(np.argmax(each)) == 0 for each in several])) if several else None
    owners = [(row, candidate) for row, each in enumerate(logits) for candidate in range(len(each))]
    flat = np.concatenate([np.zeros(0, np.float32), *logits])
    scores["loss"] = scores["F1"] = None
    if len(flat):
        count = len(owners) if loss == "binary" else sum(len(each) > 0 for each in logits)
        scores["loss"] = float(loss_sum(torch.from_numpy(flat), owners, golds, loss)) / count
        right = np.array([golds[row] == candidate for row, candidate in owners])
        scores["F1"] = macro_f1(flat > 0, right)
    return Validated(scores, calibration)


def macro_f1(predicted: np.ndarray, right: np.ndarray) -> float:
    """Return the mean of both classes' F1; a class that neither occurs nor is predicted counts 0."""
    parts = []
    for label in (True, False):
        hits = np.sum((predicted == label) & (right == label))
        every = np.sum(predicted == label) + np.sum(right == label)
        parts.append(2 * hits / every if every else 0.0)
    return float(np.mean(parts))
