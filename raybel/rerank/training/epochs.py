"""A cross-encoder's training in each of its workers, epoch by epoch; the weights of the best epoch are kept."""

from __future__ import annotations

from typing import Any

import torch

from raybel.encoders.precision import best_precision
from raybel.encoders.training import EpochTrainer, WatchEpoch, sum_over_workers
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens, score_edges
from raybel.rerank.training.features import Features
from raybel.rerank.training.trainer import Trainer
from raybel.rerank.training.validation import ValidationResult


class Epochs(EpochTrainer):
    """Trains a cross-encoder epoch by epoch; each worker has one.

    Args:
        settings: `base` (directory of the base model), `features` (their directory), `crosstype`, `parameters`,
            `positions`, `precision`, `seed`, `threads`; `candidate_sets` and `top_k` where only a part of the features
            counts.
        device: Where to compute: `cpu` or a CUDA device.
        worker: Number of the worker.
        workers: How many there are; several have a `torch.distributed` group.
    """

    trainer: Trainer

    def __init__(self, settings: dict[str, Any], device: str = "cpu", worker: int = 0, workers: int = 1) -> None:
        self.parameters = CrossEncoderParameters(**settings["parameters"])
        if device == "cpu":
            torch.set_num_threads(settings["threads"])
        folder, top_k = settings["features"], settings.get("top_k")
        self.train = Features(folder, "train", top_k, settings.get("candidate_sets"))
        validation = Features(folder, "val", top_k)
        edges = score_edges(self.train.scores())
        torch.manual_seed(settings["seed"])
        model, tokenizer = models.load(storage.localise(settings["base"]), head=False, dropout=self.parameters.dropout)
        precision = settings["precision"] or best_precision(device.split(":")[0])
        tokens = Tokens(tokenizer, settings["positions"], self.parameters, edges)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:  # type: ignore[index]
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        trainer = Trainer(
            model,
            settings["crosstype"],
            tokens,
            self.parameters,
            "fp32" if precision == "fp16" else precision,  # gradients underflow in fp16
            device,
            settings["seed"],
            worker,
            workers,
            sum_over_workers if workers > 1 else None,
        )
        super().__init__(trainer, tokenizer, self.parameters.max_epochs, self.parameters.patience)
        self.validation = list(validation.examples()) if worker == 0 else []

    def train_epoch(self, number: int, watch: WatchEpoch | None) -> float:
        """Train an epoch; return its mean loss.

        Raises:
            ConfigError: There is nothing to learn.
        """
        loss = self.trainer.epoch(range(len(self.train)), self.train.document, number, watch)
        if loss is None:
            kind = "unsure training mention" if self.parameters.train_on == "unsure" else "training mention"
            raise ConfigError(f"nothing to learn: no {kind} has a candidate")
        return loss

    def judge(self) -> dict[str, Any]:
        """Return an epoch's scores, whether it is the best so far, and the calibration of its scores."""
        return self._judged(self.trainer.validate(self.validation), bool(self.validation))

    def facts(self) -> dict[str, Any]:
        """Return the borders between first-stage scores that the model was told."""
        return {"edges": self.trainer.tokens.edges.tolist()}

    def _judged(self, result: ValidationResult, validated: bool) -> dict[str, Any]:
        """Return an epoch's scores, and whether it is the best so far; without a validation corpus the last one is."""
        value = result.scores.get(self.parameters.metric)
        better = -1 if self.parameters.metric == "loss" else 1

        def standing(value: float, scores: dict[str, Any]) -> tuple[float, float]:
            """Return what epochs are compared by: of equal values the one with the lower loss is better."""
            return better * value, -(scores["loss"] or 0.0)

        before = [standing(record["value"], record["scores"]) for record in self.records if record["value"] is not None]
        best = not validated or value is None or not before or standing(value, result.scores) > max(before)
        calibration = result.calibration if validated else None
        if calibration is None and self.parameters.loss == "listwise":
            calibration = Calibration()  # the softmax that it was trained with
        weights = calibration.to_dict() if calibration else None
        return {"scores": result.scores if validated else None, "value": value, "best": best, "calibration": weights}
