"""What the training jobs on Ray Train have in common: the directory, the workers' start, how errors come back.

A training directory is a Hugging Face model once it is finished; `raybel.json` says what it holds, and whether it is
finished. The same job again goes on from the last epoch's checkpoint.
"""

from __future__ import annotations

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

from raybel.encoders import pretrained
from raybel.errors import ConfigError, InputError, RaybelError
from raybel.files import storage
from raybel.files.fingerprints import differences, fingerprint
from raybel.files.storage import join
from raybel.jobs.runtime import cpus_per_worker
from raybel.jobs.train.config import Workers

#: Says what a directory of ours holds, beside Hugging Face's own config.json.
STATE = "raybel.json"
CHECKPOINTS, PROGRESS, FAILURE, BASE = "checkpoints", "progress.json", "failure.json", "base"
#: What only training needs.
LEFT = (BASE, CHECKPOINTS, PROGRESS, FAILURE)

_ANEW = "delete the directory `checkpoints` to train anew"

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
            f"{workers} workers of {wanted.cpus_per_worker} CPUs each don't fit onto the cluster's nodes: at most "
            f"{most} CPUs each do (--cpus-per-worker)"
        )
    return workers, wanted.cpus_per_worker or most, use_gpu


def base_fingerprint(model: Path) -> str:
    """Return a hash of a model's files."""
    return fingerprint(
        {name: storage.size_and_digest(str(path))[1] for name, path in pretrained.model_files(model).items()}
    )


def held_in(
    home: str, kind: str, identity: dict[str, Any], overwrite: bool, what: str = "model"
) -> tuple[dict[str, Any] | None, bool]:
    """Return what an earlier start left in a directory, and whether it is of the same configuration; changes nothing.

    Raises:
        ConfigError: The directory holds something else, or a model of another configuration and not `overwrite`.
        InputError: Its `raybel.json` isn't what training writes.
    """
    state = join(home, STATE)
    held = storage.read_json(state) if storage.exists(state) else None
    if held is not None and not (isinstance(held, dict) and isinstance(held.get("identity", {}), dict)):
        raise InputError(f"isn't what training writes: delete {home} to train anew", path=state)
    if held is None and [name for name in storage.names(home) if name != ".lock"]:
        raise ConfigError(f"{home} holds something else than a {what} of ours: choose a new or empty directory")
    if held is not None and held.get("kind") != kind:
        raise ConfigError(f"{home} holds a {what} of another kind ({held.get('kind')}): choose another directory")
    if held is None:
        return None, True
    different = differences(held.get("identity", {}), identity)
    if different and not overwrite and held.get("identity"):
        raise ConfigError(
            f"{home} holds a {what} of another configuration ({'; '.join(different)[:500]}): choose another "
            "--output-dir, or --overwrite"
        )
    return held, not different


def open_home(home: str, kind: str, identity: dict[str, Any], overwrite: bool, what: str = "model") -> dict[str, Any]:
    """Return what an earlier start of the same configuration left; refuse or delete what is something else.

    Raises:
        ConfigError: As `held_in`.
    """
    state = join(home, STATE)
    held, same = held_in(home, kind, identity, overwrite, what)
    if not same:
        forget(home, kind)
        held = None
    storage.delete_temporary(home)
    if held is None:
        held = {"kind": kind, "identity": identity, "finished": False}
        storage.publish_json(state, held)
    if held.get("finished"):
        tidy(home)  # killed while it did
    return held


def forget(home: str, kind: str) -> None:
    """Empty a directory, which stays ours: the next start may have any configuration."""
    storage.publish_json(join(home, STATE), {"kind": kind, "identity": {}, "finished": False})  # before a kill can come
    for name in sorted({name.partition("/")[0] for name in storage.names(home)} - {".lock", STATE}):
        storage.delete(join(home, name))
    storage.delete(join(home, CHECKPOINTS))


def keep_base(home: str, model: Path) -> None:
    """Copy the base model into the directory, where all workers see it."""
    for name, path in pretrained.model_files(model).items():
        if not storage.exists(join(home, BASE, name)):
            storage.publish(join(home, BASE, name), storage.copy_bytes(str(path)))


def publish_rest(home: str) -> None:
    """Copy what of the base model's files the trained one needs beside its weights."""
    for name in storage.names(join(home, BASE)):
        if name not in ("model.safetensors", "README.md") and not name.endswith(".index.json"):
            storage.publish(join(home, name), storage.copy_bytes(join(home, BASE, name)))


def tidy(home: str) -> None:
    """Delete what only training needed."""
    for left in LEFT:
        storage.delete(join(home, left))


def fit(
    worker: Callable[[dict[str, Any]], None],
    home: str,
    settings: dict[str, Any],
    workers: Workers,
    watch: Watch,
) -> dict[str, Any] | None:
    """Run the workers on the Ray that runs; return the last checkpoint's state, None where there is none.

    Args:
        worker: Called in each with the settings, `home` and `threads` among them.
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
        worker,
        train_loop_config={**settings, "home": home, "threads": cpus},
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
    for left in (FAILURE, PROGRESS):  # of an earlier start
        storage.delete(join(home, left))
    watcher.start()
    try:
        result = _fitted(trainer)
    except WorkerGroupError as error:
        cause = next(iter(error.worker_failures.values()), error)
        cause = getattr(cause, "cause", None) or cause
        raise cause if isinstance(cause, RaybelError) else RaybelError(f"training failed: {cause}") from error
    except CheckpointManagerInitializationError as error:
        raise InputError(f"the list of checkpoints is damaged: {_ANEW}", path=join(home, CHECKPOINTS)) from error
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
        return _state(Path(folder))


def _fitted(trainer: TorchTrainer) -> Any:
    """Run a trainer; Ray's own handler of Ctrl-C would end the process with status 0, and stay."""
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


def guarded(run: Callable[[], None], home: str) -> None:
    """Run a worker.

    Ray would try again after any error. One of ours comes again with each try, so that a worker on its own leaves it
    in a file; one of several raises it, since the others wait for it.
    """
    try:
        run()
    except RaybelError as error:
        if ray.train.get_context().get_world_size() > 1:
            raise
        storage.publish_json(join(home, FAILURE), {"message": str(error)})


def save_checkpoint(folder: str, model: Any, optimiser: Optimizer, state: dict[str, Any]) -> Checkpoint:
    """Write weights, the optimiser's state and JSON values into a folder; no pickle."""
    save_file(
        {name: value.contiguous().clone() for name, value in model.state_dict().items()},
        f"{folder}/weights.safetensors",
    )
    held = optimiser.state_dict()["state"]
    flat = {f"{number}.{key}": value.clone() for number, each in held.items() for key, value in each.items()}
    save_file(flat, f"{folder}/optimiser.safetensors")
    (Path(folder) / "state.json").write_text(json.dumps(state))
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
        raise InputError(f"the checkpoint is damaged ({error}): {_ANEW}", path=str(folder)) from error
    return _state(folder)


def _state(folder: Path) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"the checkpoint is damaged ({error}): {_ANEW}", path=str(folder / "state.json")) from error
    return held


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in a checkpoint's file.

    Raises:
        InputError: It is damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"the checkpoint is damaged ({error}): {_ANEW}", path=str(path)) from error
