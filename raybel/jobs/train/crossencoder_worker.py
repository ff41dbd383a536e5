"""A cross-encoder's training in each of its workers."""

from __future__ import annotations

from typing import Any

from raybel.files.storage import join
from raybel.jobs.train.directory import BASE, FEATURES
from raybel.jobs.train.epoch_worker import train_epochs
from raybel.rerank.training.epochs import Epochs


def train_worker(settings: dict[str, Any]) -> None:
    """Train as a worker of Ray Train. Goes on from the last checkpoint where there is one."""
    home = settings["home"]
    paths = {"base": join(home, BASE), "features": join(home, FEATURES)}
    train_epochs(
        home,
        settings["checkpoint_seconds"],
        lambda device, worker, workers: Epochs(settings | paths, device, worker, workers),
    )
