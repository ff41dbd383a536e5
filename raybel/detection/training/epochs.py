"""A token classifier's training in each of its workers, epoch by epoch; the weights of the best epoch are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.base import at_least
from raybel.detection.labels import Labels
from raybel.detection.model import add_cases, has_cases
from raybel.detection.sequences import Tokeniser
from raybel.detection.training.examples import make_examples
from raybel.detection.training.parameters import DetectorParameters
from raybel.detection.training.scores import (
    ALL,
    LEAST_SCORES,
    count_spans,
    fit_least_scores,
    score_table,
)
from raybel.detection.training.trainer import Trainer
from raybel.encoders import token_models
from raybel.encoders.precision import best_precision
from raybel.encoders.training import EpochTrainer, WatchEpoch, sum_over_workers


class Epochs(EpochTrainer):
    """Trains a token classifier epoch by epoch; each worker has one.

    Args:
        settings: `base` (local directory of the base model), `types` (split -> the types of each of its corpora),
            `parameters`, `precision`, `seed`, `threads`.
        train: Documents to learn from.
        validation: Documents to judge by; may be empty.
        device: Where to compute: `cpu` or a CUDA device.
        worker: Number of the worker.
        workers: How many there are; several have a `torch.distributed` group.
    """

    trainer: Trainer

    def __init__(
        self,
        settings: dict[str, Any],
        train: Sequence[AnnotatedDocument],
        validation: Sequence[AnnotatedDocument],
        device: str = "cpu",
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self.parameters = DetectorParameters(**settings["parameters"])
        self.types = settings["types"]
        if device == "cpu":
            torch.set_num_threads(settings["threads"])
        labels = Labels.of_types([kind for of_corpus in self.types["train"] for kind in of_corpus])
        torch.manual_seed(settings["seed"])
        model, tokenizer = token_models.load(settings["base"], False, self.parameters.dropout, labels.names)
        tokeniser = Tokeniser(tokenizer, token_models.window(model, tokenizer))
        self.case = self.parameters.case and tokeniser.uncased and has_cases(model)
        if self.case:
            add_cases(model)
        context = self.parameters.context_tokens
        examples = make_examples(train, self.types["train"], labels, tokeniser, context)
        #: Of each training corpus: gold spans that can't be learned as they are.
        self.left = [vars(left) for left in examples.left]
        precision = settings["precision"] or best_precision(device.split(":")[0])
        trainer = Trainer(
            model,
            tokenizer,
            examples,
            self.parameters,
            self.case,
            "fp32" if precision == "fp16" else precision,  # gradients underflow in fp16
            device,
            settings["seed"],
            worker,
            workers,
            sum_over_workers if workers > 1 else None,
        )
        super().__init__(trainer, tokenizer, self.parameters.max_epochs, self.parameters.patience)
        self.validation = list(validation) if worker == 0 else []

    def train_epoch(self, number: int, watch: WatchEpoch | None) -> float:
        """Train an epoch; return the mean loss of a word."""
        return self.trainer.epoch(number, watch)

    def facts(self) -> dict[str, Any]:
        """Return whether the model is told how words are written, and of each corpus what can't be learned."""
        return {"case": self.case, "left": self.left}

    def judge(self) -> dict[str, Any]:
        """Return an epoch's scores, and whether it is the best so far; without a validation corpus the last one is.

        The least scores of mentions that count are fitted first. Of epochs with the same F1 the later one is better.
        """
        if not self.validation:
            kinds = {kind for of_corpus in self.types["train"] for kind in of_corpus}
            least = dict.fromkeys(sorted(kinds), LEAST_SCORES[0])
            return {"scores": None, "corpora": None, "value": None, "best": True, "least_scores": least}
        found = self.trainer.detector().detect([document.passages for document in self.validation])
        least = fit_least_scores(self.validation, found, self.types["val"])
        counts = count_spans(self.validation, at_least(found, least), self.types["val"])
        scores = score_table(counts)
        value = scores[ALL]["F1"]
        best = all(value >= record["value"] for record in self.records)
        corpora = [score_table([each]) for each in counts]
        return {"scores": scores, "corpora": corpora, "value": value, "best": best, "least_scores": least}
