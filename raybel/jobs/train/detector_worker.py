"""A token classifier's training, epoch by epoch, in each of its workers."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray.train
from safetensors.torch import save_file

from raybel.detection.training.corpora import AnnotatedDocument, from_table
from raybel.detection.training.epochs import Epochs
from raybel.detection.training.scores import ALL
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.directory import BASE, FEATURES, PROGRESS
from raybel.jobs.train.run import load_checkpoint, load_weights, save_checkpoint, without_retries

_BEST = "best.safetensors"


def train_worker(settings: dict[str, Any]) -> None:
    """Train as a worker of Ray Train. Goes on from the last epoch's checkpoint where there is one."""
    without_retries(lambda: Worker(settings).run(), settings["home"])


def read_features(home: str, split: str) -> list[AnnotatedDocument]:
    """Return the documents of a split, as the job keeps them; none where there is no such split."""
    path = join(home, FEATURES, f"{split}.arrow")
    if not storage.exists(path):
        return []
    with pa.memory_map(str(storage.localise(path))) as source:
        return list(from_table(pa.ipc.open_file(source).read_all()))


class Worker:
    """A worker of Ray Train: a checkpoint after each epoch, and the result."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.home = settings["home"]
        context = ray.train.get_context()
        rank, workers = context.get_world_rank(), context.get_world_size()
        self.first = rank == 0
        base = str(storage.localise(join(self.home, BASE)))
        train = read_features(self.home, "train")
        validation = read_features(self.home, "val") if self.first else []
        device = str(ray.train.torch.get_device())
        self.epochs = Epochs({**settings, "base": base}, train, validation, device, rank, workers)
        self.shown = 0.0

    def run(self) -> None:
        """Train the remaining epochs until none is better, save a checkpoint after each, and the result."""
        epochs = self.epochs
        if (checkpoint := ray.train.get_checkpoint()) is not None:
            with checkpoint.as_directory() as folder:
                state = load_checkpoint(Path(folder), epochs.trainer.model, epochs.trainer.optimiser)
                epochs.records, epochs.best_weights = state["epochs"], load_weights(Path(folder) / _BEST)
        resumed = len(epochs.records)
        while not epochs.ended:
            epochs.train_next(self._watch)
            if epochs.ended and self.first:
                self._save()
            self._report(resumed)

    def _watch(self, done: float, loss: float) -> None:
        if self.first and time.time() - self.shown > 2:
            self.shown = time.time()
            before = self.epochs.records
            reached = before[-1]["scores"][ALL]["F1"] if before and before[-1]["scores"] else None
            progress = {"epoch": len(before) + 1, "epochs": self.epochs.parameters.max_epochs, "last": reached}
            storage.publish_json(
                join(self.home, PROGRESS), {"stage": "training", **progress, "done": done, "loss": loss}
            )

    def _save(self) -> None:
        """Write the best epoch's weights and the tokenizer."""
        trainer = self.epochs.trainer
        last = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        trainer.model.load_state_dict(self.epochs.best_weights)
        with tempfile.TemporaryDirectory() as folder:
            trainer.model.save_pretrained(folder)
            trainer.tokenizer.save_pretrained(folder)
            for path in sorted(Path(folder).iterdir()):
                storage.publish(join(self.home, path.name), storage.copy_bytes(str(path)))
        trainer.model.load_state_dict(last)

    def _report(self, resumed: int) -> None:
        epochs = self.epochs
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if self.first:
                state = {"epochs": epochs.records, "case": epochs.case, "left": epochs.left, "resumed": resumed}
                save_file(epochs.best_weights, f"{folder}/{_BEST}")
                checkpoint = save_checkpoint(folder, epochs.trainer.model, epochs.trainer.optimiser, state)
            ray.train.report({"epochs": len(epochs.records)}, checkpoint=checkpoint)
