"""A cross-encoder's training in each of its workers, epoch by epoch; the weights of the best epoch are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from raybel.encoders.precision import best_precision
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens, score_edges
from raybel.rerank.training.features import Features
from raybel.rerank.training.trainer import Trainer
from raybel.rerank.training.validation import ValidationResult


class Epochs:
    """Trains epoch by epoch, and keeps the best epoch's weights; each worker has one.

    Args:
        settings: `base` (directory of the base model), `features` (their directory), `crosstype`, `parameters`,
            `positions`, `precision`, `seed`, `threads`; `candidate_sets` and `top_k` where only a part of the features
            counts.
        device: Where to compute: `cpu` or a CUDA device.
        worker: Number of the worker.
        workers: How many there are; several have a `torch.distributed` group.
    """

    def __init__(self, settings: dict[str, Any], device: str = "cpu", worker: int = 0, workers: int = 1) -> None:
        self.parameters = CrossEncoderParameters(**settings["parameters"])
        self.worker, self.workers = worker, workers
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
        self.trainer = Trainer(
            model,
            settings["crosstype"],
            tokens,
            self.parameters,
            "fp32" if precision == "fp16" else precision,  # gradients underflow in fp16
            device,
            settings["seed"],
            worker,
            workers,
            _all_reduce if workers > 1 else None,
        )
        self.validation = list(validation.examples()) if worker == 0 else []
        #: A record of each epoch that is done: loss, seconds, scores, whether it was the best so far.
        self.records: list[dict[str, Any]] = []
        #: The best epoch's weights.
        self.best_weights: dict[str, torch.Tensor] = {}

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or as many as `patience` says brought no better score."""
        best = [number for number, record in enumerate(self.records) if record["best"]]
        exhausted = bool(best) and len(self.records) - 1 - best[-1] >= self.parameters.patience
        return exhausted or len(self.records) >= self.parameters.max_epochs

    def train_next(self, watch: Callable[[float, float], None] | None = None) -> dict[str, Any]:
        """Train the next epoch, validate it, and return its record.

        Args:
            watch: Called after each step with the share of the epoch that is done, and the step's mean loss.

        Raises:
            RaybelError: The loss, a weight or a score isn't a number (NaN or infinite).
            ConfigError: There is nothing to learn.
        """
        begun = time.perf_counter()
        loss = self.trainer.epoch(range(len(self.train)), self.train.document, len(self.records), watch)
        if loss is None:
            raise ConfigError("nothing to learn: no training mention has a candidate")
        record: dict[str, Any] = {"epoch": len(self.records) + 1, "loss": loss, "seconds": time.perf_counter() - begun}
        if self.worker == 0:
            record |= self._judged(self.trainer.validate(self.validation), bool(self.validation))
        if self.workers > 1:
            records = [record]
            dist.broadcast_object_list(records, src=0)
            record = records[0]
        self.records.append(record)
        if record["best"]:
            weights = self.trainer.model.state_dict()
            self.best_weights = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
        return record

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


def _all_reduce(value: torch.Tensor) -> None:
    dist.all_reduce(value)
