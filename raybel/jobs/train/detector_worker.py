"""A token classifier's training in each of its workers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.training.epochs import Epochs
from raybel.detection.training.features import from_table
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.directory import BASE, FEATURES
from raybel.jobs.train.epoch_worker import train_epochs


def train_worker(settings: dict[str, Any]) -> None:
    """Train as a worker of Ray Train. Goes on from the last checkpoint where there is one."""
    home = settings["home"]

    def epochs(device: str, worker: int, workers: int) -> Epochs:
        train = read_features(home, "train")
        validation = read_features(home, "val") if worker == 0 else []
        base = str(storage.localise(join(home, BASE)))
        return Epochs({**settings, "base": base}, train, validation, device, worker, workers)

    train_epochs(home, settings["checkpoint_seconds"], epochs)


def read_features(home: str, split: str) -> list[AnnotatedDocument]:
    """Return the documents of a split, as the job keeps them; none where there is no such split."""
    path = join(home, FEATURES, f"{split}.arrow")
    if not storage.exists(path):
        return []
    with pa.memory_map(str(storage.localise(path))) as source:
        return list(from_table(pa.ipc.open_file(source).read_all()))
