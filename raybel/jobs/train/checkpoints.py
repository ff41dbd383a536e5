"""Checkpoints within an epoch: when they are due, and what is random in each worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray.train
import torch
import torch.distributed as dist
from ray.train import Checkpoint
from safetensors.torch import save_file

from raybel.display import counted
from raybel.encoders.training import Position, sum_over_workers
from raybel.errors import InputError
from raybel.jobs.train.known_checkpoints import copy_list, delete_unknown
from raybel.jobs.train.run import load_weights

#: Seconds between two looks at whether a checkpoint is due.
LOOK_SECONDS = 2.0
_FILE = "random.safetensors"


class Checkpoints:
    """Says, in each worker alike, when a checkpoint within an epoch is due, and keeps what is random there.

    One is due every so many seconds, and at once where a worker's node is about to be taken away.

    Args:
        home: The training directory.
        seconds: Between two of them.
        device: The worker's.
    """

    def __init__(self, home: str, seconds: float, device: str) -> None:
        context = ray.train.get_context()
        self.home, self.seconds, self.device = home, seconds, device
        self.worker, self.workers = context.get_world_rank(), context.get_world_size()
        self._looked = 0.0
        self._saved = time.monotonic()
        self._notice: Any = None
        if self.worker == 0:
            delete_unknown(home)

    def due(self) -> bool:
        """Return whether to save one now; all workers ask after each step, and get the same answer."""
        now = time.monotonic()
        if not self._as_the_first(now - self._looked > min(LOOK_SECONDS, self.seconds)):
            return False
        self._looked = now
        before, self._notice = self._notice, ray.train.get_preemption_info()
        noticed = self._notice is not None and self._notice != before
        return self._as_the_first(now - self._saved > self.seconds) or noticed

    def report(self, epochs: int, checkpoint: Checkpoint | None) -> None:
        """Hand a checkpoint of the first worker's to Ray Train; all of them call it.

        Args:
            epochs: That are done.
            checkpoint: What was saved; None on the others.
        """
        if self.worker == 0:
            copy_list(self.home)
        ray.train.report({"epochs": epochs}, checkpoint=checkpoint)
        self._saved = time.monotonic()

    def _as_the_first(self, decision: bool) -> bool:
        """Return what the first worker's clock decides."""
        if self.workers == 1:
            return decision
        of_first = torch.tensor(float(self.worker == 0 and decision), device=self.device)
        sum_over_workers(of_first)
        return bool(of_first)

    def position(self, at: Position, random_state: Mapping[str, torch.Tensor], folder: str) -> dict[str, Any]:
        """Write what is random in each worker, on the first one; all of them call it. Return a record of the position.

        Args:
            at: Where the epoch is.
            random_state: The worker's own.
            folder: The checkpoint.
        """
        states = [dict(random_state)]
        if self.workers > 1:
            own, states = states[0], states * self.workers
            dist.all_gather_object(states, own)
        if self.worker == 0:
            named = {f"{worker}.{kind}": state for worker, of in enumerate(states) for kind, state in of.items()}
            save_file(named, f"{folder}/{_FILE}")
        return {**asdict(at), **self._kind}

    def load(self, record: dict[str, Any], folder: Path) -> tuple[Position, dict[str, torch.Tensor]]:
        """Return the position of a record, and what was random there in this worker.

        Raises:
            InputError: It is one of other workers, or damaged.
        """
        of = {name: record[name] for name in self._kind}
        if of != self._kind:
            were = f"{counted(of['workers'], 'worker')} on {of['kind']}"
            raise InputError(
                f"the checkpoint is within an epoch of {were}, and now there would be {self.workers} on "
                f"{self._kind['kind']}: give the same again (--num-workers, --use-gpu), or delete the directory "
                "`checkpoints` to train anew",
                path=str(folder),
            )
        own, states = f"{self.worker}.", load_weights(folder / _FILE)
        at = Position(**{name: value for name, value in record.items() if name not in of})
        return at, {name.removeprefix(own): state for name, state in states.items() if name.startswith(own)}

    @property
    def _kind(self) -> dict[str, Any]:
        """What steps of another training aren't the same with."""
        return {"workers": self.workers, "kind": self.device.partition(":")[0]}
