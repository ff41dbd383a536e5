"""What a trial of a sweep over a cross-encoder does, in its own process or processes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray.exceptions import RayActorError
from ray.util import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raybel.errors import RaybelError
from raybel.jobs.tune.sweep import TrialAllocation, report_epoch
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.alias_scopes import AliasScope
from raybel.rerank.training.epochs import Epochs

#: The hyper-parameters that features depend on, beside `top_k` of some generators.
FEATURE_PARAMETERS = (
    *("context", "max_length", "alias", "further_names", "concept_type", "parents", "definition", "frequency_token"),
    *("prior", "train_on"),
)
#: How long workers wait for each other: the first one validates alone.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class CrossEncoderTrialInputs:
    """What trials of a cross-encoder share.

    Args:
        crosstype: One of `CROSSTYPES`.
        parameters: Hyper-parameters, those that are searched too.
        base: Directory of the base model.
        features: Directory below which features are, one for each `feature_key`.
        by_top_k: Whether candidates depend on how many are wanted.
        scopes: Alias scopes of the sets of candidates that features hold.
        scopes_by_share: Those that a trial needs, by its `dictionary_share`: 0, between, 1.
        positions: The base model's window.
        precision: What trials compute in; None for the fastest.
        seed: Of everything random.
        allocation: A trial's workers.
    """

    crosstype: str
    parameters: CrossEncoderParameters
    base: str
    features: str
    by_top_k: bool
    scopes: tuple[AliasScope, ...]
    scopes_by_share: tuple[tuple[AliasScope, ...], ...]
    positions: int
    precision: str | None
    seed: int
    allocation: TrialAllocation

    def settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return a trial's settings, as `Epochs` takes them."""
        parameters = self.parameters.changed(values).of_type(self.crosstype)
        share = parameters.dictionary_share
        scopes = self.scopes_by_share[0 if share <= 0 else 2 if share >= 1 else 1]
        return {
            "base": self.base,
            "features": f"{self.features}/{feature_key(parameters, self.by_top_k)}",
            "crosstype": self.crosstype,
            "parameters": asdict(parameters),
            "positions": self.positions,
            "precision": self.precision,
            "seed": self.seed,
            "threads": self.allocation.threads,
            "top_k": parameters.top_k,
            "candidate_sets": [self.scopes.index(scope) for scope in scopes],
        }


def feature_key(parameters: CrossEncoderParameters, by_top_k: bool) -> str:
    """Return the name of the features that hyper-parameters need: all of them that tokens and candidates depend on."""
    parts = [str(getattr(parameters, name)) for name in FEATURE_PARAMETERS]
    return "-".join([*parts, *([f"top{parameters.top_k}"] if by_top_k else [])])


def crossencoder_trial(values: dict[str, Any], inputs: CrossEncoderTrialInputs) -> None:
    """Train a cross-encoder and report each epoch's scores; with several workers, this one is the first."""
    settings, workers = inputs.settings(values), inputs.allocation.workers
    device = "cuda" if inputs.allocation.gpus else "cpu"
    with _other_workers(settings, device, inputs.allocation):
        epochs = Epochs(settings, device, 0, workers)
        while not epochs.ended:
            record = epochs.train_next()
            report_epoch(
                record["value"], record["scores"] | {"train_loss": record["loss"]}, record["epoch"], epochs.ended
            )


@contextlib.contextmanager
def _other_workers(settings: dict[str, Any], device: str, allocation: TrialAllocation) -> Iterator[None]:
    """Start a trial's other workers in its own placement group, with which Ray ends them."""
    if allocation.workers == 1:
        yield
        return
    with socket.socket() as free:
        free.bind(("", 0))
        address = f"tcp://{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"
    group = get_current_placement_group()
    actors = [
        ray.remote(_OtherWorker)
        .options(
            num_cpus=allocation.cpus,
            num_gpus=allocation.gpus,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number),
        )
        .remote()
        for number in range(1, allocation.workers)
    ]
    running = [
        actor.run.remote(settings, device, number, allocation.workers, address)
        for number, actor in enumerate(actors, 1)
    ]
    try:
        _join(device, 0, allocation.workers, address)
        yield
        ray.get(running)
    except RaybelError:
        raise  # each worker has it
    except Exception:
        gone, _ = ray.wait(running, num_returns=len(running), timeout=5)
        for task in gone:
            try:
                ray.get(task)
            except RayActorError:
                os._exit(1)  # a worker died: Ray Tune starts the trial again
        raise
    finally:
        for actor in actors:
            ray.kill(actor)


def _join(device: str, worker: int, workers: int, address: str) -> None:
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=address, rank=worker, world_size=workers, timeout=PATIENCE)


class _OtherWorker:
    """A worker of a trial, other than the first."""

    def run(self, settings: dict[str, Any], device: str, worker: int, workers: int, address: str) -> None:
        """Train with the first worker; where this one alone fails, end its process, so that the others don't wait."""
        try:
            _join(device, worker, workers, address)
            epochs = Epochs(settings, device, worker, workers)
            while not epochs.ended:
                epochs.train_next()
        except RaybelError:
            raise
        except BaseException:
            os._exit(1)
