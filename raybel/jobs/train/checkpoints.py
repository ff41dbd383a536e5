"""Checkpoints within an epoch: when they are due, and what is random in each worker."""

from __future__ import annotations

import time
from pathlib import Path

import ray.train
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from raybel.encoders.training import random_state, sum_over_workers
from raybel.jobs.train.run import load_weights

#: Seconds between two looks at whether a checkpoint is due.
LOOK_SECONDS = 2.0
_FILE = "random.safetensors"


class Checkpoints:
    """Says, in each worker of Ray Train alike, when a checkpoint within an epoch is due.

    One is due every so many seconds, and at once where a worker's node is about to be taken away.

    Args:
        seconds: Between two of them.
        device: The worker's.
    """

    def __init__(self, seconds: float, device: str) -> None:
        context = ray.train.get_context()
        self.seconds, self.device = seconds, device
        self.worker, self.workers = context.get_world_rank(), context.get_world_size()
        self._looked = 0.0
        self._saved = time.monotonic()
        self._warned = False

    def due(self) -> bool:
        """Return whether to save one now; all workers ask after each step, and get the same answer."""
        now = time.monotonic()
        if not self._as_the_first(now - self._looked > min(LOOK_SECONDS, self.seconds)):
            return False
        self._looked = now
        before, self._warned = self._warned, ray.train.get_preemption_info() is not None
        return self._as_the_first(now - self._saved > self.seconds) or (self._warned and not before)

    def saved(self) -> None:
        """Take in that one was saved."""
        self._saved = time.monotonic()

    def _as_the_first(self, decision: bool) -> bool:
        """Return what the first worker's clock decides."""
        if self.workers == 1:
            return decision
        of_first = torch.tensor(float(self.worker == 0 and decision), device=self.device)
        sum_over_workers(of_first)
        return bool(of_first)

    def save_random_states(self, folder: str) -> None:
        """Write what is random in each worker; all of them call it, and the first one writes."""
        states = [random_state(self.device)]
        if self.workers > 1:
            own, states = states[0], states * self.workers
            dist.all_gather_object(states, own)
        if self.worker == 0:
            named = {f"{worker}.{kind}": state for worker, of in enumerate(states) for kind, state in of.items()}
            save_file(named, f"{folder}/{_FILE}")

    def load_random_state(self, folder: Path) -> dict[str, torch.Tensor]:
        """Return what was random in this worker."""
        own, states = f"{self.worker}.", load_weights(folder / _FILE)
        return {name.removeprefix(own): state for name, state in states.items() if name.startswith(own)}
