"""What each worker of a cross-encoder's training does."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import ray.train
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from raybel import storage
from raybel.candidates.encoder import best_precision
from raybel.errors import ConfigError
from raybel.features import Features
from raybel.rerank import model as models
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens, score_edges
from raybel.rerank.trainer import Trainer
from raybel.rerank.validation import Validated
from raybel.storage import join
from raybel.training_run import BASE, PROGRESS, guarded, load_checkpoint, save_checkpoint

_BEST = "best.safetensors"


def train_worker(settings: dict[str, Any]) -> None:
    """Train; one call per worker. Goes on from the last epoch's checkpoint where there is one."""
    guarded(lambda: Worker(settings).run(), settings["home"])


class Worker:
    """One worker: its trainer, the features, the epochs that are left."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.home = settings, settings["home"]
        parameters = CrossEncoderParameters(**settings["parameters"])
        context = ray.train.get_context()
        self.rank, self.workers = context.get_world_rank(), context.get_world_size()
        device = ray.train.torch.get_device()
        if device.type == "cpu":
            torch.set_num_threads(settings["threads"])
        self.train, self.val = (Features(self.home, split) for split in ("train", "val"))
        edges = score_edges(self.train.scores())
        torch.manual_seed(settings["seed"])
        base = storage.localise(join(self.home, BASE))
        model, tokenizer = models.load(base, head=False, dropout=parameters.dropout)
        precision = settings["precision"] or best_precision(device.type)
        tokens = Tokens(tokenizer, settings["positions"], parameters, edges)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:  # type: ignore[index]
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        self.trainer = Trainer(
            model,
            settings["crosstype"],
            tokens,
            parameters,
            "fp32" if precision == "fp16" else precision,  # gradients underflow in fp16
            str(device),
            settings["seed"],
            self.rank,
            self.workers,
            self._add_up if self.workers > 1 else None,
        )
        self.epochs: list[dict[str, Any]] = []
        self.best: dict[str, torch.Tensor] = {}
        self.shown = 0.0

    @staticmethod
    def _add_up(value: torch.Tensor) -> None:
        dist.all_reduce(value)

    def run(self) -> None:
        """Train the epochs that are left until none is better, save a checkpoint after each, and the result."""
        parameters = self.trainer.parameters
        if (checkpoint := ray.train.get_checkpoint()) is not None:
            with checkpoint.as_directory() as folder:
                state = load_checkpoint(Path(folder), self.trainer.model, self.trainer.optimiser)
                self.epochs, self.best = state["epochs"], load_file(Path(folder) / _BEST)
        resumed = len(self.epochs)
        validation = list(self.val.examples()) if self.rank == 0 else []
        while not self._ended(parameters.max_epochs, parameters.patience):
            number, begun = len(self.epochs), time.perf_counter()
            loss = self.trainer.epoch(range(len(self.train)), self.train.document, number, self._watch)
            if loss is None:
                raise ConfigError("nothing to learn: no training mention has a candidate")
            record: dict[str, Any] = {"epoch": number + 1, "loss": loss, "seconds": time.perf_counter() - begun}
            if self.rank == 0:
                checked = self.trainer.validate(validation)
                record |= self._judged(checked, bool(validation))
            self.epochs.append(self._shared(record))
            if self.epochs[-1]["best"]:
                held = self.trainer.model.state_dict()
                self.best = {name: value.detach().cpu().clone().contiguous() for name, value in held.items()}
            final = self._ended(parameters.max_epochs, parameters.patience)
            if final and self.rank == 0:
                self._save()
            self._report(resumed)

    def _judged(self, checked: Validated, validated: bool) -> dict[str, Any]:
        """An epoch's scores, and whether it is the best so far; without a validation corpus the last one is."""
        metric = self.trainer.parameters.metric
        value = checked.scores.get(metric)
        better = -1 if metric == "loss" else 1
        before = [better * each["value"] for each in self.epochs if each["value"] is not None]
        best = not validated or value is None or not before or better * value > max(before)
        weights = checked.calibration.to_dict() if checked.calibration and validated else None
        return {"scores": checked.scores if validated else None, "value": value, "best": best, "calibration": weights}

    def _shared(self, record: dict[str, Any]) -> dict[str, Any]:
        """The first worker's record."""
        if self.workers > 1:
            box = [record]
            dist.broadcast_object_list(box, src=0)
            return box[0]
        return record

    def _ended(self, most: int, patience: int) -> bool:
        best = [number for number, each in enumerate(self.epochs) if each["best"]]
        return len(self.epochs) >= most or bool(best and len(self.epochs) - 1 - best[-1] >= patience)

    def _watch(self, done: float, loss: float) -> None:
        if self.rank == 0 and time.time() - self.shown > 2:
            self.shown = time.time()
            value = {"stage": "training", "epoch": len(self.epochs) + 1, "epochs": self.trainer.parameters.max_epochs}
            storage.publish_json(join(self.home, PROGRESS), {**value, "done": done, "loss": loss})

    def _save(self) -> None:
        """Write the best epoch's weights and the tokenizer."""
        model = self.trainer.model
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.best)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            self.trainer.tokens.tokenizer.save_pretrained(folder)
            for path in sorted(Path(folder).iterdir()):
                storage.publish(join(self.home, path.name), storage.copy_bytes(str(path)))
        model.load_state_dict(kept)

    def _report(self, resumed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if self.rank == 0:
                edges = self.trainer.tokens.edges.tolist()
                state = {"epochs": self.epochs, "edges": edges, "resumed": resumed}
                save_file(self.best, f"{folder}/{_BEST}")
                checkpoint = save_checkpoint(folder, self.trainer.model, self.trainer.optimiser, state)
            ray.train.report({"epochs": len(self.epochs)}, checkpoint=checkpoint)
