"""A worker of Ray Train that trains epoch by epoch: checkpoints after each and within, in the end the best model.

Within an epoch a checkpoint is saved every few minutes, and at once where a worker's node is about to be taken away.
Training that goes on from one takes the very steps that it would have taken.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ray.train
from safetensors.torch import save_file

from raybel.encoders.training import EpochTrainer, Position
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.checkpoints import Checkpoints
from raybel.jobs.train.directory import PROGRESS
from raybel.jobs.train.run import load_checkpoint, load_weights, save_checkpoint, without_retries

_BEST, _AVERAGED = "best.safetensors", "averaged.safetensors"
#: Seconds between two notes of how far it is.
_SHOW_EVERY = 2.0


def train_epochs(home: str, checkpoint_seconds: float, make: Callable[[str, int, int], EpochTrainer]) -> None:
    """Train as a worker of Ray Train. Goes on from the last checkpoint where there is one.

    Args:
        home: The training directory.
        checkpoint_seconds: Seconds between two checkpoints within an epoch.
        make: Called with a device, the worker's number, and how many there are.
    """
    without_retries(lambda: EpochWorker(home, checkpoint_seconds, make).run(), home)


class EpochWorker:
    """A worker; see `train_epochs`."""

    def __init__(self, home: str, checkpoint_seconds: float, make: Callable[[str, int, int], EpochTrainer]) -> None:
        self.home = home
        context = ray.train.get_context()
        self.first = context.get_world_rank() == 0
        device = str(ray.train.torch.get_device())
        self.epochs = make(device, context.get_world_rank(), context.get_world_size())
        self.checkpoints = Checkpoints(home, checkpoint_seconds, device)
        self.shown = 0.0
        self.resumed = 0

    def run(self) -> None:
        """Train the remaining epochs until none is better, save a checkpoint after each, and the result."""
        epochs = self.epochs
        if (checkpoint := ray.train.get_checkpoint()) is not None:
            with checkpoint.as_directory() as folder:
                self._load(Path(folder))
        self.resumed = len(epochs.records)
        epochs.trainer.between = self._between
        while not epochs.ended:
            epochs.train_next(self._watch)
            if epochs.ended and self.first:
                self._save()
            self._report()

    def _between(self, at: Position) -> None:
        """Save a checkpoint within an epoch, where it is time to."""
        if self.checkpoints.due():
            self._report(at)

    def _watch(self, done: float, loss: float) -> None:
        if self.first and time.time() - self.shown > _SHOW_EVERY:
            self.shown = time.time()
            before = self.epochs.records
            progress = {
                "stage": self.epochs.stage,
                "epoch": len(before) + 1,
                "epochs": self.epochs.max_epochs,
                "last": before[-1]["scores"] if before else None,
                "done": done,
                "loss": loss,
            }
            storage.publish_json(join(self.home, PROGRESS), progress)

    def _load(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        epochs, trainer = self.epochs, self.epochs.trainer
        state = load_checkpoint(folder, trainer.model, trainer.optimiser)
        epochs.records = state["epochs"]
        if epochs.records:
            epochs.best_weights = load_weights(folder / _BEST)
        if trainer.averaged is not None:
            trainer.averaged.load_state_dict(load_weights(folder / _AVERAGED))
        if (position := state.get("position")) is not None:
            trainer.go_on_from(*self.checkpoints.load(position, folder))

    def _save(self) -> None:
        """Write the best epoch's weights and the tokenizer."""
        best = copy.deepcopy(self.epochs.trainer.model)
        best.load_state_dict(self.epochs.best_weights)
        with tempfile.TemporaryDirectory() as folder:
            best.save_pretrained(folder)
            self.epochs.tokenizer.save_pretrained(folder)
            for path in sorted(Path(folder).iterdir()):
                storage.publish(join(self.home, path.name), storage.copy_bytes(str(path)))

    def _report(self, at: Position | None = None) -> None:
        """Save a checkpoint: after an epoch, or where it is within one."""
        epochs, trainer = self.epochs, self.epochs.trainer
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            position = None if at is None else self.checkpoints.position(at, trainer.random_state(), folder)
            if self.first:
                state = {"epochs": epochs.records, **epochs.facts(), "resumed": self.resumed, "position": position}
                if epochs.records:
                    save_file(epochs.best_weights, f"{folder}/{_BEST}")
                if trainer.averaged is not None:
                    averaged = trainer.averaged.state_dict()
                    save_file({name: value.contiguous() for name, value in averaged.items()}, f"{folder}/{_AVERAGED}")
                checkpoint = save_checkpoint(folder, trainer.model, trainer.optimiser, state)
            self.checkpoints.report(len(epochs.records), checkpoint)
