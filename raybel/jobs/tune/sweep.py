"""A tuning sweep on Ray Tune: trials side by side, early stopping, a file for each trial that ended.

A trial's resources are one placement group, which Ray gives whole or not at all; nothing in a trial asks for more. So
trials can't wait for each other, and one that is stopped leaves nothing behind: its group takes its processes along.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from raybel.display import counted, duration
from raybel.errors import ConfigError, RaybelError
from raybel.jobs.tune.callbacks import PendingTrials, TrialRecorder, early_stopping, replay
from raybel.tuning.config import SweepConfig
from raybel.tuning.search import make_search
from raybel.tuning.space import Choice, Space
from raybel.tuning.tracking import Trackers
from raybel.tuning.trials import Trial, best_trial, load_trials

_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that fails has no value
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class TrialAllocation:
    """How many trials run at a time, and what each worker of one has."""

    concurrent: int
    cpus: float
    gpus: float
    workers: int

    @property
    def threads(self) -> int:
        """Threads of a worker's computations."""
        return max(1, int(self.cpus))

    @property
    def group(self) -> tune.PlacementGroupFactory:
        """A trial's resources, given whole or not at all."""
        worker = {"CPU": self.cpus, **({"GPU": self.gpus} if self.gpus else {})}
        return tune.PlacementGroupFactory([worker] * self.workers)


def allocate_trials(config: SweepConfig, computes: bool) -> TrialAllocation:
    """Fit trials onto the cluster that runs.

    Args:
        config: What is wanted.
        computes: Whether trials use GPUs where there are any.

    Raises:
        ConfigError: Not one of them fits.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = config.gpus_per_trial
    if gpus is None:
        gpus = float(computes and any(node.get("GPU", 0) >= 1 for node in nodes))
    cpus = config.cpus_per_trial
    if cpus is None:
        shares = [node.get("CPU", 0) / (node["GPU"] / gpus) for node in nodes if gpus and node.get("GPU", 0) >= gpus]
        cpus = max(1.0, float(int(min(shares)))) if shares else 1.0
    room = [min(int(node.get("CPU", 0) / cpus), int(node.get("GPU", 0) / gpus) if gpus else 1 << 30) for node in nodes]
    fitting = sum(room) // config.workers_per_trial
    if not fitting:
        available = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ConfigError(
            f"a trial needs {config.workers_per_trial} x {cpus:g} CPUs and {gpus:g} GPUs, and could never start: the "
            f"cluster's nodes have {available}; give less per trial"
        )
    return TrialAllocation(min(fitting, config.max_concurrent or fitting), cpus, gpus, config.workers_per_trial)


@dataclass
class Outcome:
    """What a start of a sweep did.

    Args:
        trials: All of them by number, those of earlier starts included.
        best: None where none has a value.
        earlier: How many trials earlier starts had done.
        concurrent: Trials at a time.
        seconds: Of this start.
        busy: Share of the time in which a trial worked, of all that could run at a time; None where none ran.
        notes: What a person should know.
    """

    trials: list[Trial]
    best: Trial | None
    earlier: int
    concurrent: int
    seconds: float
    busy: float | None
    notes: list[str]

    @property
    def failure(self) -> str | None:
        """Why there is no best trial, for people; None where there is one."""
        if self.best is not None:
            return None
        if all(trial.status == "cut" for trial in self.trials):
            return "The time was over before a trial ended: the same command goes on; give a longer --time-budget."
        return "No trial ended with a value."

    @property
    def pace(self) -> str | None:
        """How fast this start was, for people; None where no trial ran."""
        if self.busy is None:
            return None
        ran = len(self.trials) - self.earlier
        return (
            f"{counted(ran, 'trial')} in {duration(self.seconds)} ({ran / self.seconds * 3600:,.0f} an hour), "
            f"{self.concurrent} at a time; trials worked {100 * self.busy:.0f} % of that time"
        )


@dataclass(frozen=True)
class Target:
    """What a sweep tunes.

    Args:
        trial: Called in a trial's process with its values and the shared inputs; calls `report_epoch` after each epoch.
        inputs: What all trials share; goes through Ray's object store, once.
        metric: What is better.
        maximise: Whether larger values are.
        max_epochs: Most epochs of a trial; 1 for what has none.
        defaults: Hyper-parameters where nothing is tuned: the first trial's, so that a sweep finds nothing worse.
    """

    trial: Callable[[dict[str, Any], Any], None]
    inputs: Any
    metric: str
    maximise: bool
    max_epochs: int
    defaults: dict[str, Any] | None = None


#: When a trial's process began with what it reports next.
_epoch_begun = 0.0


def report_epoch(value: float | None, scores: dict[str, Any], epoch: int = 1, ended: bool = True) -> None:
    """Report a trial's epoch; blocks until the sweep has decided whether the trial goes on.

    Args:
        value: Of the sweep's metric.
        scores: All there are, by name.
        epoch: Its number, from 1.
        ended: Whether it is the trial's last.

    Raises:
        RaybelError: The metric has no value.
    """
    if value is None:
        raise RaybelError("the validation corpus gives the metric no value: no mention there has a candidate")
    global _epoch_begun
    seconds = time.perf_counter() - _epoch_begun
    _epoch_begun = time.perf_counter()
    tune.report({"epoch": epoch, "value": float(value), "scores": scores, "seconds": seconds, "ended": ended})


def run_sweep(
    config: SweepConfig,
    space: Space,
    target: Target,
    allocation: TrialAllocation,
    samples: int | None,
    home: str,
    trackers: Trackers,
    watch: Callable[[dict[str, Any]], None],
) -> Outcome:
    """Run the trials that haven't ended on the Ray that runs.

    Args:
        config: Of the sweep.
        space: What is searched.
        target: What is tuned.
        allocation: How trials fit onto the cluster.
        samples: Trials; None for as many as there is time for.
        home: The sweep's directory.
        trackers: What the trials are logged to.
        watch: Called now and then with how far it is.
    """
    begun = time.perf_counter()
    choices = {name: choice.values for name, choice in space.searched.items() if isinstance(choice, Choice)}
    recorded = load_trials(home, choices)
    run_again = ("cut", "failed") if config.retry_failed else ("cut",)
    earlier = [trial for trial in recorded if trial.status not in run_again]
    numbers = {trial.number for trial in earlier}
    first = _default_values(config, space, target)
    ended = earlier
    if samples is None or any(number not in numbers for number in range(samples)):
        deadline = None if config.time_budget is None else time.monotonic() + config.time_budget
        search = make_search(config.search, space, config.seed, target.maximise, earlier, first)
        pending = PendingTrials(search, numbers, samples, allocation.concurrent)
        recorder = TrialRecorder(
            *(home, earlier, trackers, pending, target.metric, target.maximise, target.max_epochs),
            *(samples, deadline, watch),
        )
        _run_trials(config, target, allocation, pending, recorder, earlier)
        ended = recorder.trials()
    ran = [trial for trial in ended if trial.number not in numbers]
    by_number = {trial.number: trial for trial in [*recorded, *ended]}
    trials = [by_number[number] for number in sorted(by_number)]
    seconds = time.perf_counter() - begun
    work = sum(epoch["seconds"] for trial in ran for epoch in trial.epochs)
    busy = work / (seconds * allocation.concurrent) if ran else None
    best = best_trial(trials, target.maximise)
    notes = list(trackers.notes)
    if best and best.number == 0 and len(trials) > 1 and best.parameters == first:
        notes.append("trial 0, which has the default values, is the best: no other was better")
    return Outcome(trials, best, len(earlier), allocation.concurrent, seconds, busy, notes)


def _default_values(config: SweepConfig, space: Space, target: Target) -> dict[str, Any] | None:
    """Return the first trial's values, which are the defaults; None where the search or the space hasn't these."""
    return None if target.defaults is None or config.search == "grid" else space.searched_values(target.defaults)


def _run_trials(
    config: SweepConfig,
    target: Target,
    allocation: TrialAllocation,
    pending: PendingTrials,
    recorder: TrialRecorder,
    earlier: Sequence[Trial],
) -> None:
    os.environ.update(_ENVIRONMENT)
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a trial's error is shown once, in the table
    scheduler = early_stopping(config, target.max_epochs, target.maximise)
    for trial in earlier:
        replay(scheduler, trial)
    trainable = tune.with_parameters(_run_trial, trial=target.trial, inputs=target.inputs)
    with tempfile.TemporaryDirectory() as folder:  # Ray's own record of the sweep, pickles among it: not kept
        tune.Tuner(
            tune.with_resources(trainable, allocation.group),
            tune_config=tune.TuneConfig(
                search_alg=pending,
                scheduler=scheduler,
                num_samples=-1,
                # A process with a GPU may be spoiled by a trial's error, one of several can't be left by itself.
                reuse_actors=allocation.workers == 1 and not allocation.gpus,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                failure_config=tune.FailureConfig(max_failures=config.max_failures),
                callbacks=[recorder],
                stop=recorder.stopper,
                verbose=0,
            ),
        ).fit()
    recorder.close()


def _run_trial(config: dict[str, Any], trial: Callable[[dict[str, Any], Any], None], inputs: Any) -> None:
    """Run a trial in its process; its own errors end it, the death of its process starts it again."""
    global _epoch_begun
    _epoch_begun = time.perf_counter()
    try:
        trial(config["parameters"], inputs)
    except Exception as error:
        kind = "" if isinstance(error, RaybelError) else f"{type(error).__name__}: "
        tune.report({"error": f"{kind}{error}"})
