"""Where a sweep's trials can be watched: TensorBoard's files, Weights & Biases, MLflow."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from typing import Any, Protocol

from raybel.errors import ConfigError
from raybel.tuning.config import TrackingConfig

#: Statuses of trials as MLflow has them.
_MLFLOW = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "cut": "KILLED"}


class Tracker(Protocol):
    """Takes what trials report; a trial that runs again begins anew."""

    def begin(self, number: int, parameters: dict[str, Any]) -> None:
        """A trial starts."""

    def log(self, number: int, step: int, values: dict[str, float]) -> None:
        """Scores after an epoch."""

    def end(self, number: int, status: str) -> None:
        """A trial ended: `finished`, `stopped`, `failed` or `cut`."""


class TensorBoard:
    """Event files, a directory for each trial: `tensorboard --logdir DIR`."""

    def __init__(self, directory: str) -> None:
        from tensorboardX import SummaryWriter

        self.new, self.directory = SummaryWriter, directory
        self.writers: dict[int, Any] = {}

    def begin(self, number: int, parameters: dict[str, Any]) -> None:
        """Open the trial's file anew, and write its values as text."""
        directory = f"{self.directory}/trial-{number:06d}"
        shutil.rmtree(directory, ignore_errors=True)
        writer = self.writers[number] = self.new(directory)
        writer.add_text("parameters", json.dumps(parameters))

    def log(self, number: int, step: int, values: dict[str, float]) -> None:
        """Write scalars."""
        for name, value in values.items():
            self.writers[number].add_scalar(name, value, step)

    def end(self, number: int, status: str) -> None:
        """Close the file."""
        self.writers[number].add_text("status", status)
        self.writers.pop(number).close()


class WandB:
    """A run for each trial, in a group for the sweep."""

    def __init__(self, directory: str, project: str, group: str, offline: bool) -> None:
        self.wandb = _package("wandb")
        if not offline and not self.wandb.api.api_key:
            raise ConfigError("no key for Weights & Biases: `wandb login`, set WANDB_API_KEY, or --wandb-offline")
        self.options = {"dir": directory, "project": project, "group": group, "reinit": "create_new"}
        self.options |= {"mode": "offline" if offline else "online", "settings": self.wandb.Settings(silent=True)}
        self.runs: dict[int, Any] = {}

    def begin(self, number: int, parameters: dict[str, Any]) -> None:
        """Start the trial's run."""
        os.makedirs(self.options["dir"], exist_ok=True)
        self.runs[number] = self.wandb.init(name=f"trial-{number:06d}", config=parameters, **self.options)

    def log(self, number: int, step: int, values: dict[str, float]) -> None:
        """Log scores."""
        self.runs[number].log(values, step=step)

    def end(self, number: int, status: str) -> None:
        """Finish the run."""
        self.runs[number].summary["status"] = status
        self.runs.pop(number).finish(exit_code=int(status == "failed"))


class MLflow:
    """A run for each trial, in an experiment."""

    def __init__(self, uri: str, experiment: str, home: str) -> None:
        if uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # who names such a store means it
        tracking = _package("mlflow", "mlflow.tracking")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.client = tracking.MlflowClient(tracking_uri=uri)
        # Sweeps of one name may share a store.
        sweep_id = hashlib.sha256(home.encode()).hexdigest()[:16]
        self.tags = {"sweep": os.path.basename(home.rstrip("/")), "sweep_id": sweep_id}
        existing = self.client.get_experiment_by_name(experiment)
        self.experiment = existing.experiment_id if existing else self.client.create_experiment(experiment)
        self.runs: dict[int, str] = {}

    def begin(self, number: int, parameters: dict[str, Any]) -> None:
        """Start the trial's run; end one that a killed driver left running."""
        name = f"trial-{number:06d}"
        mine = f"tags.sweep_id = '{self.tags['sweep_id']}' and attributes.run_name = '{name}'"
        for run in self.client.search_runs([self.experiment], f"{mine} and attributes.status = 'RUNNING'"):
            self.client.set_terminated(run.info.run_id, "KILLED")
        run = self.client.create_run(self.experiment, run_name=name, tags=self.tags)
        self.runs[number] = run.info.run_id
        for name, value in parameters.items():
            self.client.log_param(run.info.run_id, name, json.dumps(value))

    def log(self, number: int, step: int, values: dict[str, float]) -> None:
        """Log scores; MLflow's names have no `@`."""
        for name, value in values.items():
            self.client.log_metric(self.runs[number], name.replace("@", "_at_"), value, step=step)

    def end(self, number: int, status: str) -> None:
        """Finish the run."""
        run = self.runs.pop(number)
        self.client.set_tag(run, "status", status)
        self.client.set_terminated(run, _MLFLOW[status])


class Trackers:
    """All trackers of a sweep; one that fails is left out from there on, and `notes` says so."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = list(trackers)
        self.notes: list[str] = []

    @classmethod
    def open(cls, config: TrackingConfig, home: str) -> Trackers:
        """Open what a configuration names.

        Args:
            config: Which trackers, and how they are reached.
            home: The sweep's directory, a local one for TensorBoard, Weights & Biases' files, and MLflow's database.

        Raises:
            ConfigError: A package is missing, the directory isn't local, or a service refuses.
        """
        return cls(_opened(config, home, config.track))

    @staticmethod
    def check(config: TrackingConfig, home: str) -> None:
        """Refuse what can't be opened, and write nothing into the directory.

        Raises:
            ConfigError: As `open`.
        """
        scheme, separator, _ = (_mlflow_uri(config) or "").partition(":")
        files = "mlflow" in config.track and (not separator or scheme in ("file", "sqlite"))  # perhaps in the directory
        if files:
            _package("mlflow", "mlflow.tracking")
        _opened(config, home, tuple(kind for kind in config.track if not (files and kind == "mlflow")))

    def begin(self, number: int, parameters: dict[str, Any]) -> None:
        """A trial starts."""
        self._all("begin", number, parameters)

    def log(self, number: int, step: int, values: dict[str, Any]) -> None:
        """Scores after an epoch; those that aren't numbers are left out."""
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        self._all("log", number, step, numbers)

    def end(self, number: int, status: str) -> None:
        """A trial ended."""
        self._all("end", number, status)

    def _all(self, method: str, *args: Any) -> None:
        for tracker in list(self.trackers):
            try:
                getattr(tracker, method)(*args)
            except Exception as error:  # a service that is down mustn't end days of work
                self.trackers.remove(tracker)
                failure = f"{type(tracker).__name__} failed at trial {args[0]} and got nothing from there on"
                self.notes.append(f"{failure}: {type(error).__name__}: {error}")


def _mlflow_uri(config: TrackingConfig) -> str | None:
    return config.mlflow_uri or os.environ.get("MLFLOW_TRACKING_URI")


def _opened(config: TrackingConfig, home: str, kinds: Sequence[str]) -> list[Tracker]:
    uri = _mlflow_uri(config)
    local = {"tensorboard", "wandb"} | (set() if uri else {"mlflow"})
    if "://" in home and (needing := sorted(local & set(config.track))):
        raise ConfigError(f"{', '.join(needing)}: files can't be written to {home}; --track none, or a local directory")
    sweep = os.path.basename(home.rstrip("/"))
    trackers: list[Tracker] = []
    for kind in kinds:
        try:
            if kind == "tensorboard":
                trackers.append(TensorBoard(os.path.join(home, "tensorboard")))
            elif kind == "wandb":
                trackers.append(WandB(os.path.join(home, "wandb"), config.project, sweep, config.wandb_offline))
            elif kind == "mlflow":
                trackers.append(MLflow(uri or f"sqlite:///{os.path.join(home, 'mlflow.db')}", config.project, home))
            else:
                raise NotImplementedError(f"no tracker is opened for {kind}")
        except (ConfigError, NotImplementedError):
            raise
        except Exception as error:
            raise ConfigError(f"{kind} can't be used: {error}") from error
    return trackers


def _package(name: str, module: str | None = None) -> Any:
    try:
        return importlib.import_module(module or name)
    except ImportError as error:
        raise ConfigError(f"{name} isn't installed: pip install 'raybel[{name}]'") from error
