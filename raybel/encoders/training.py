"""Training of a model by one worker, which may be one of several: its steps, and its epochs, of which the best is kept.

Needs no Ray: what a checkpoint is, and where it goes, the training jobs say.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import torch
import torch.distributed as dist
from torch.optim.swa_utils import AveragedModel

from raybel.encoders.device_errors import device_errors
from raybel.errors import RaybelError


@dataclass(frozen=True)
class Position:
    """How far an epoch is, between two steps.

    Args:
        steps: That were taken.
        loss: Their summed loss.
        weight: What that is divided by for the mean.
        seconds: That they took.
    """

    steps: int = 0
    loss: float = 0.0
    weight: int = 0
    seconds: float = 0.0


#: What a trainer does in one step.
Step = TypeVar("Step")
#: Called after each step with the share of the epoch that is done, and the step's mean loss.
WatchEpoch = Callable[[float, float], None]


def sum_over_workers(value: torch.Tensor) -> None:
    """Sum a tensor over the workers of the `torch.distributed` group, in place."""
    dist.all_reduce(value)


def random_state(device: str) -> dict[str, torch.Tensor]:
    """Return the state of what is random on the CPU and on a device, uint8, by the device's kind."""
    states = {"cpu": torch.get_rng_state()}
    if device != "cpu":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(device: str, states: Mapping[str, torch.Tensor]) -> None:
    """Put back what `random_state` returned."""
    torch.set_rng_state(states["cpu"])
    if device != "cpu":
        torch.cuda.set_rng_state(states["cuda"], device)


def rising_and_falling(done: float, warm_up: float) -> float:
    """Return the share of the peak learning rate: it rises from 0, then falls to 0, both linearly.

    Args:
        done: Share of the training that is done.
        warm_up: Share of the training over which the rate rises; 0 for none.
    """
    rising = min(1.0, (done + 1e-3) / warm_up) if warm_up else 1.0
    return min(rising, (1 - done) / max(1 - warm_up, 1e-9))


def moving_average(
    share: float, averaged: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], steps: torch.Tensor | int
) -> None:
    """Move averaged weights towards the weights of a step, in place.

    So the last steps count, the later the more (Polyak & Juditsky 1992, with exponential weights): the weights of a
    single step depend on the few examples that it saw.

    Args:
        share: How much of the averaged weights stays; less in the first steps, which begin with untrained weights.
        averaged: The averaged weights.
        weights: Those of the step.
        steps: How many steps were averaged before.
    """
    stays = min(share, (1 + int(steps)) / (10 + int(steps)))
    for mean, value in zip(averaged, weights, strict=True):
        mean.lerp_(value, 1 - stays)


class StepTrainer(ABC, Generic[Step]):
    """Takes steps with AdamW (Loshchilov & Hutter 2019), gradients clipped to norm 1.

    Args:
        model: A Hugging Face model, float32.
        weight_decay: AdamW's.
        precision: What is computed in: `fp32` or `bf16`.
        device: Where to compute: `cpu` or a CUDA device.
        seed: That of everything random.
        worker: Number of the worker.
        workers: How many there are; a step's gradients are summed over them.
        all_reduce: Sums a tensor over the workers, in place; None for one worker.
        averaging: The share of the averaged weights that stays in each step (`moving_average`); 0 for no average.
    """

    def __init__(
        self,
        model: Any,
        weight_decay: float,
        precision: str,
        device: str,
        seed: int,
        worker: int,
        workers: int,
        all_reduce: Callable[[torch.Tensor], None] | None,
        averaging: float = 0.0,
    ) -> None:
        self.model = model.to(device)
        if device == "cpu":  # for forward and backward eager is faster there; for forward alone sdpa is
            self.model.set_attn_implementation("eager")
        self.precision, self.device, self.seed = precision, device, seed
        self.worker, self.workers, self.all_reduce = worker, workers, all_reduce
        self.optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=weight_decay, fused=True)
        #: Called after each step with how far the epoch is; `go_on_from` resumes what is saved there.
        self.between: Callable[[Position], None] | None = None
        self._interrupted: tuple[Position, Mapping[str, torch.Tensor]] | None = None
        #: The model with averaged weights; None where they aren't averaged.
        self.averaged: AveragedModel | None = None
        if averaging:
            self.averaged = AveragedModel(self.model, multi_avg_fn=partial(moving_average, averaging))

    @property
    def result(self) -> Any:
        """The model that counts: with averaged weights, where they are averaged."""
        return self.model if self.averaged is None else self.averaged.module

    @abstractmethod
    def learning_rate(self, done: float) -> float:
        """Return the learning rate where a share of the whole training is done."""

    @abstractmethod
    def backward(self, step: Step, weight: int) -> torch.Tensor:
        """Add the gradients of this worker's part of a step's mean loss; return the part's summed loss, a scalar.

        Args:
            step: What to do.
            weight: What the summed loss of all workers is divided by.
        """

    def take(
        self, number: int, epochs: int, steps: Iterable[tuple[Step, int, float]], watch: WatchEpoch | None = None
    ) -> float | None:
        """Take the steps of an epoch; return the mean loss, None where there is no step.

        Args:
            number: Number of the epoch, from 0.
            epochs: How many there are at most.
            steps: Each with its weight (what its summed loss is divided by), and the share of the epoch that is done
                before it.
            watch: Called after each step.

        Raises:
            RaybelError: The loss or a weight isn't a number (NaN or infinite).
        """
        torch.manual_seed(self.seed * 1_000_003 + number * self.workers + self.worker)
        self.model.train()
        at, states = self._interrupted or (Position(), None)
        self._interrupted = None
        taken, begun = at.steps, time.perf_counter() - at.seconds
        for place, (step, weight, done) in enumerate(steps):
            if place < taken:
                continue
            if place == taken and states is not None:
                self.set_random_state(states)
            for group in self.optimiser.param_groups:
                group["lr"] = self.learning_rate((number + done) / epochs)
            loss = self._take(step, weight)
            if not math.isfinite(loss):
                raise RaybelError(
                    f"the loss is {loss} in epoch {number + 1}, at {100 * done:.0f} % of it: lower the learning rate, "
                    "and check that the base model's weights aren't damaged"
                )
            at = Position(place + 1, at.loss + loss, at.weight + weight, time.perf_counter() - begun)
            if watch:
                watch(done, loss / weight)
            if self.between is not None:
                self.between(at)
        self.model.eval()
        if not all(bool(torch.isfinite(value).all()) for value in self.model.parameters()):
            raise RaybelError(
                f"a weight isn't a number (NaN or infinite) after epoch {number + 1}: lower the learning rate"
            )
        return at.loss / at.weight if at.weight else None

    @property
    def seconds_before(self) -> float:
        """Seconds that the next epoch took before it was interrupted; 0 where it begins."""
        return 0.0 if self._interrupted is None else self._interrupted[0].seconds

    def go_on_from(self, position: Position, states: Mapping[str, torch.Tensor]) -> None:
        """Resume the next epoch at a position, with the weights that were loaded, as if it had never been interrupted.

        Args:
            position: Where it was saved.
            states: What `random_state` returned there.
        """
        self._interrupted = position, states

    def random_state(self) -> dict[str, torch.Tensor]:
        """Return the state of all that is random in a step, uint8, by names."""
        return random_state(self.device)

    def set_random_state(self, states: Mapping[str, torch.Tensor]) -> None:
        """Put back what `random_state` returned."""
        set_random_state(self.device, states)

    def _take(self, step: Step, weight: int) -> float:
        """Take one step; return the summed loss of all workers."""
        self.optimiser.zero_grad(set_to_none=False)
        with device_errors(self.device):
            loss = self.backward(step, weight)
        if self.all_reduce is not None:
            self.all_reduce(loss)
            for value in self.model.parameters():
                if value.requires_grad:
                    value.grad = torch.zeros_like(value) if value.grad is None else value.grad
                    self.all_reduce(value.grad)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        return float(loss)


class EpochTrainer(ABC):
    """Trains epoch by epoch, and keeps the best epoch's weights; each worker has one.

    Args:
        trainer: Takes the steps.
        tokenizer: The model's.
        max_epochs: How many epochs there are at most.
        patience: Epochs without a better validation score before training stops.
    """

    def __init__(self, trainer: StepTrainer[Any], tokenizer: Any, max_epochs: int, patience: int) -> None:
        self.trainer, self.tokenizer = trainer, tokenizer
        self.max_epochs, self.patience = max_epochs, patience
        #: A record of each epoch that is done: loss, seconds, scores, whether it was the best so far.
        self.records: list[dict[str, Any]] = []
        #: The best epoch's weights.
        self.best_weights: dict[str, torch.Tensor] = {}

    @abstractmethod
    def train_epoch(self, number: int, watch: WatchEpoch | None) -> float:
        """Train an epoch, from 0; return its mean loss."""

    @abstractmethod
    def judge(self) -> dict[str, Any]:
        """Return what the model as it is comes to, on the first worker: JSON values, `scores` and `best` among them."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what else the result needs to say of the training: JSON values."""

    @property
    def stage(self) -> str:
        """What the next epoch is, for a person."""
        return "training"

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or as many as `patience` says brought no better score."""
        best = [number for number, record in enumerate(self.records) if record["best"]]
        exhausted = bool(best) and len(self.records) - 1 - best[-1] >= self.patience
        return exhausted or len(self.records) >= self.max_epochs

    def train_next(self, watch: WatchEpoch | None = None) -> dict[str, Any]:
        """Train the next epoch, validate it, and return its record.

        Args:
            watch: Called after each step.

        Raises:
            RaybelError: The loss, a weight or a score isn't a number (NaN or infinite).
            ConfigError: There is nothing to learn.
        """
        begun = time.perf_counter() - self.trainer.seconds_before
        loss = self.train_epoch(len(self.records), watch)
        record: dict[str, Any] = {"epoch": len(self.records) + 1, "loss": loss, "seconds": time.perf_counter() - begun}
        if self.trainer.worker == 0:
            record |= self.judge()
        if self.trainer.workers > 1:
            records = [record]
            dist.broadcast_object_list(records, src=0)
            record = records[0]
        self.records.append(record)
        if record["best"]:
            weights = self.trainer.result.state_dict()
            self.best_weights = {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
        return record
