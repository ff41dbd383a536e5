"""A cross-encoder's training, epoch by epoch, in each of its workers; the best epoch is kept."""

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
from raybel.rerank.training.validation import Validated


class Epochs:
    """Trains epoch by epoch, and keeps the best one; of several workers, each has one.

    Args:
        settings: `base` (directory of the base model), `features` (their directory), `crosstype`, `parameters`,
            `positions`, `precision`, `seed`, `threads`; `regimes` and `top_k` where only a part of the features counts.
        device: Where to compute.
        worker: This one's number.
        workers: How many there are; they have a `torch.distributed` group.
    """

    def __init__(self, settings: dict[str, Any], device: str = "cpu", worker: int = 0, workers: int = 1) -> None:
        self.parameters = CrossEncoderParameters(**settings["parameters"])
        self.worker, self.workers = worker, workers
        if device == "cpu":
            torch.set_num_threads(settings["threads"])
        folder, top_k = settings["features"], settings.get("top_k")
        self.train = Features(folder, "train", top_k, settings.get("regimes"))
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
            _add_up if workers > 1 else None,
        )
        self.validation = list(validation.examples()) if worker == 0 else []
        #: A record for each epoch: loss, seconds, scores, whether it was the best so far.
        self.done: list[dict[str, Any]] = []
        #: The best epoch's weights.
        self.best: dict[str, torch.Tensor] = {}

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or none was better for long enough."""
        best = [number for number, each in enumerate(self.done) if each["best"]]
        enough = bool(best) and len(self.done) - 1 - best[-1] >= self.parameters.patience
        return enough or len(self.done) >= self.parameters.max_epochs

    def next(self, watch: Callable[[float, float], None] | None = None) -> dict[str, Any]:
        """Train an epoch, judge it, and return its record.

        Raises:
            RaybelError: The loss is no number.
            ConfigError: There is nothing to learn.
        """
        begun = time.perf_counter()
        loss = self.trainer.epoch(range(len(self.train)), self.train.document, len(self.done), watch)
        if loss is None:
            raise ConfigError("nothing to learn: no training mention has a candidate")
        record: dict[str, Any] = {"epoch": len(self.done) + 1, "loss": loss, "seconds": time.perf_counter() - begun}
        if self.worker == 0:
            record |= self._judged(self.trainer.validate(self.validation), bool(self.validation))
        if self.workers > 1:
            box = [record]
            dist.broadcast_object_list(box, src=0)
            record = box[0]
        self.done.append(record)
        if record["best"]:
            held = self.trainer.model.state_dict()
            self.best = {name: value.detach().cpu().clone().contiguous() for name, value in held.items()}
        return record

    def _judged(self, checked: Validated, validated: bool) -> dict[str, Any]:
        """An epoch's scores, and whether it is the best so far; without a validation corpus the last one is."""
        value = checked.scores.get(self.parameters.metric)
        better = -1 if self.parameters.metric == "loss" else 1

        def standing(value: float, scores: dict[str, Any]) -> tuple[float, float]:
            """The lower loss decides between equal values."""
            return better * value, -(scores["loss"] or 0.0)

        before = [standing(each["value"], each["scores"]) for each in self.done if each["value"] is not None]
        best = not validated or value is None or not before or standing(value, checked.scores) > max(before)
        calibration = checked.calibration if validated else None
        if calibration is None and self.parameters.loss == "listwise":
            calibration = Calibration()  # the softmax that it was trained with
        weights = calibration.to_dict() if calibration else None
        return {"scores": checked.scores if validated else None, "value": value, "best": best, "calibration": weights}


def _add_up(value: torch.Tensor) -> None:
    dist.all_reduce(value)
