"""What the training jobs on Ray Train have in common: the workers' start, checkpoints, how errors come back."""

from __future__ import annotations

import importlib
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.exceptions import CheckpointManagerInitializationError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from raybel.display import counted
from raybel.errors import ConfigError, InputError, RaybelError
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.runtime import cpus_per_worker
from raybel.jobs.train.config import Workers
from raybel.jobs.train.directory import CHECKPOINTS, FAILURE, PROGRESS
from raybel.jobs.train.known_checkpoints import mend_list

#: Where the settings say what a worker's function is.
_FUNCTION = "worker"
_REMEDY = "delete the directory `checkpoints` to train anew"

Watch = Callable[[dict[str, Any]], None]


def workers_on_cluster(wanted: Workers) -> tuple[int, int, bool]:
    """Return how many workers, CPUs of each, and whether each has a GPU, on the cluster that runs.

    Raises:
        ConfigError: They don't fit.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    use_gpu = gpus > 0 if wanted.use_gpu is None else wanted.use_gpu
    workers = wanted.num_workers or (max(1, gpus) if use_gpu else 1)
    most = cpus_per_worker(workers, use_gpu)
    if wanted.cpus_per_worker is not None and wanted.cpus_per_worker > most:
        raise ConfigError(
            f"no room for {counted(workers, 'worker')} of {wanted.cpus_per_worker} CPUs each on the cluster's nodes: "
            f"at most {most} CPUs each fit (--cpus-per-worker)"
        )
    return workers, wanted.cpus_per_worker or most, use_gpu


def run_workers(
    worker: Callable[[dict[str, Any]], None],
    home: str,
    settings: dict[str, Any],
    workers: Workers,
    watch: Watch,
) -> dict[str, Any] | None:
    """Run the workers on the Ray that runs; return the last checkpoint's record, None where there is none.

    Args:
        worker: A module's function, called in each with the settings, and `home`, `threads` and `checkpoint_seconds`.
        home: The training directory.
        settings: JSON values.
        workers: How many, with what.
        watch: Called about once a second with what the workers wrote to `PROGRESS`.

    Raises:
        RaybelError: Training failed.
        ConfigError: The workers don't fit onto the cluster.
    """
    count, cpus, use_gpu = workers_on_cluster(workers)
    trainer = TorchTrainer(
        _run,
        train_loop_config={
            **settings,
            "home": home,
            "threads": cpus,
            "checkpoint_seconds": workers.checkpoint_seconds,
            _FUNCTION: [worker.__module__, worker.__name__],
        },
        scaling_config=ScalingConfig(
            num_workers=count,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": cpus, **({"GPU": 1} if use_gpu else {})},
        ),
        run_config=RunConfig(
            name=CHECKPOINTS,
            storage_path=home,
            failure_config=FailureConfig(max_failures=workers.max_failures, controller_failure_limit=2),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
        ),
    )
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(join(home, PROGRESS), stop, watch), daemon=True)
    for name in (FAILURE, PROGRESS):  # of an earlier start
        storage.delete(join(home, name))
    mend_list(home)
    watcher.start()
    try:
        result = _fit(trainer)
    except WorkerGroupError as error:
        cause = next(iter(error.worker_failures.values()), error)
        cause = getattr(cause, "cause", None) or cause
        raise cause if isinstance(cause, RaybelError) else RaybelError(f"training failed: {cause}") from error
    except CheckpointManagerInitializationError as error:
        remedy = "it is mended now: start the same command again" if mend_list(home) else _REMEDY
        raise InputError(f"the list of checkpoints is damaged: {remedy}", path=join(home, CHECKPOINTS)) from error
    except ControllerError as error:
        raise RaybelError(f"training failed: {error.controller_failure}") from error
    finally:
        stop.set()
        watcher.join()
    if storage.exists(join(home, FAILURE)):
        raise RaybelError(storage.read_json(join(home, FAILURE))["message"])
    if result.checkpoint is None:
        return None
    with result.checkpoint.as_directory() as folder:
        return _record(Path(folder))


def _run(settings: dict[str, Any]) -> None:
    """Be a worker. Its function is looked up here: Ray Train's own actors needn't import what only that needs."""
    module, name = settings.pop(_FUNCTION)
    getattr(importlib.import_module(module), name)(settings)


def _fit(trainer: TorchTrainer) -> Any:
    """Run a trainer without Ray's own handler of Ctrl-C, which would end the process with status 0, and stay."""
    main = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT) if main else None
    try:
        return trainer.fit()
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if main:
            signal.signal(signal.SIGINT, previous)


def _watch(path: str, stop: threading.Event, watch: Watch) -> None:
    while not stop.wait(1.0):
        if storage.exists(path):
            watch(storage.read_json(path))


def without_retries(run: Callable[[], None], home: str) -> None:
    """Run a worker, so that an error of ours isn't tried again.

    Ray would try again after any error, and one of ours comes again with each try. So a worker on its own leaves it
    in a file; one of several raises it, since the others wait for it.
    """
    try:
        run()
    except RaybelError as error:
        if ray.train.get_context().get_world_size() > 1:
            raise
        storage.publish_json(join(home, FAILURE), {"message": str(error)})


def save_checkpoint(folder: str, model: Any, optimiser: Optimizer, record: dict[str, Any]) -> Checkpoint:
    """Write weights, the optimiser's state and a record of JSON values into a folder; no pickle."""
    save_file(
        {name: value.contiguous().clone() for name, value in model.state_dict().items()},
        f"{folder}/weights.safetensors",
    )
    states = optimiser.state_dict()["state"]
    flat = {f"{number}.{key}": value.clone() for number, state in states.items() for key, value in state.items()}
    save_file(flat, f"{folder}/optimiser.safetensors")
    (Path(folder) / "state.json").write_text(json.dumps(record))
    return Checkpoint.from_directory(folder)


def load_checkpoint(folder: Path, model: Any, optimiser: Optimizer) -> dict[str, Any]:
    """Put back what `save_checkpoint` wrote; return the JSON values.

    Raises:
        InputError: It is damaged.
    """
    try:
        model.load_state_dict(load_weights(folder / "weights.safetensors"))
        state: dict[int, dict[str, Any]] = {}
        for name, value in load_weights(folder / "optimiser.safetensors").items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    except (ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"the checkpoint is damaged ({error}): {_REMEDY}", path=str(folder)) from error
    return _record(folder)


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"the checkpoint is damaged ({error}): {_REMEDY}", path=str(folder / "state.json")) from error
    return record


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in a checkpoint's file.

    Raises:
        InputError: It is damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"the checkpoint is damaged ({error}): {_REMEDY}", path=str(path)) from error
