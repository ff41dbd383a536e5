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

from raybel.display import duration
from raybel.errors import ConfigError, RaybelError
from raybel.jobs.tune.callbacks import Keeper, Missing, scheduler, teach
from raybel.tuning.config import SweepConfig
from raybel.tuning.search import search
from raybel.tuning.space import Choice, Space
from raybel.tuning.tracking import Trackers
from raybel.tuning.trials import Trial, best, load

_QUIET = {
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
        best: None where every one failed.
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
            f"{ran:,} trials in {duration(self.seconds)} ({ran / self.seconds * 3600:,.0f} an hour), "
            f"{self.concurrent} at a time; trials worked {100 * self.busy:.0f} % of that time"
        )


@dataclass(frozen=True)
class Target:
    """What a sweep tunes.

    Args:
        trial: Called in a trial's process with its values and what else it needs; calls `report` after each epoch.
        needs: That else; goes through Ray's object store, once.
        metric: What is better.
        maximise: Whether larger values are.
        max_epochs: Most epochs of a trial; 1 for what has none.
        usual: Hyper-parameters where nothing is tuned: the first trial's, so that a sweep finds nothing worse.
    """

    trial: Callable[[dict[str, Any], Any], None]
    needs: Any
    metric: str
    maximise: bool
    max_epochs: int
    usual: dict[str, Any] | None = None


#: When a trial's process began with what it reports next.
_begun = 0.0


def report(value: float | None, scores: dict[str, Any], epoch: int = 1, ended: bool = True) -> None:
    """Report a trial's epoch; blocks until the sweep has decided whether the trial goes on.

    Raises:
        RaybelError: The metric has no value.
    """
    if value is None:
        raise RaybelError("the validation corpus gives the metric no value: no mention there has a candidate")
    global _begun
    seconds = time.perf_counter() - _begun
    _begun = time.perf_counter()
    tune.report({"epoch": epoch, "value": float(value), "scores": scores, "seconds": seconds, "ended": ended})


def run(
    config: SweepConfig,
    space: Space,
    target: Target,
    allocation: TrialAllocation,
    samples: int | None,
    home: str,
    trackers: Trackers,
    watch: Callable[[dict[str, Any]], None],
) -> Outcome:
    """Run the trials that are missing on the Ray that runs.

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
    choices = {name: each.values for name, each in space.searched.items() if isinstance(each, Choice)}
    held = load(home, choices)
    again = ("cut", "failed") if config.retry_failed else ("cut",)
    known = [each for each in held if each.status not in again]
    done = {each.number for each in known}
    ended, ran = known, list[Trial]()
    if samples is None or any(number not in done for number in range(samples)):
        deadline = None if config.time_budget is None else time.monotonic() + config.time_budget
        first = _first(config, space, target)
        chosen = search(config.search, space, config.seed, target.maximise, known, first)
        missing = Missing(chosen, done, samples, allocation.concurrent)
        keeper = Keeper(home, known, trackers, missing, target.metric, target.maximise, samples, deadline, watch)
        _fit(config, target, allocation, missing, keeper, known)
        ended = keeper.trials()
        ran = [each for each in ended if each.number not in done]
    numbers = {each.number for each in ended}
    every = sorted([*ended, *(each for each in held if each.number not in numbers)], key=lambda each: each.number)
    seconds = time.perf_counter() - begun
    work = sum(epoch["seconds"] for each in ran for epoch in each.epochs)
    busy = work / (seconds * allocation.concurrent) if ran else None
    found = best(every, target.maximise)
    notes = list(trackers.notes)
    if found and found.number == 0 and len(every) > 1 and found.parameters == _first(config, space, target):
        notes.append("the best, trial 0, has the values that training takes by itself: no other was better")
    return Outcome(every, found, len(done), allocation.concurrent, seconds, busy, notes)


def _first(config: SweepConfig, space: Space, target: Target) -> dict[str, Any] | None:
    """The first trial's values where they are what training would take; None where they aren't."""
    return None if target.usual is None or config.search == "grid" else space.allowed(target.usual)


def _fit(
    config: SweepConfig,
    target: Target,
    allocation: TrialAllocation,
    missing: Missing,
    keeper: Keeper,
    known: Sequence[Trial],
) -> None:
    os.environ.update(_QUIET)
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a trial's error is told once, in the table
    stopping = scheduler(config, target.max_epochs, target.maximise)
    for trial in known:
        teach(stopping, trial)
    trainable = tune.with_parameters(_trial, trial=target.trial, needs=target.needs)
    with tempfile.TemporaryDirectory() as folder:  # Ray's own record of the sweep, pickles among it: not kept
        tune.Tuner(
            tune.with_resources(trainable, allocation.group),
            tune_config=tune.TuneConfig(
                search_alg=missing,
                scheduler=stopping,
                num_samples=-1,
                # A process with a GPU may be spoiled by a trial's error, one of several can't be left by itself.
                reuse_actors=allocation.workers == 1 and not allocation.gpus,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                failure_config=tune.FailureConfig(max_failures=config.max_failures),
                callbacks=[keeper],
                stop=keeper.stopper,
                verbose=0,
            ),
        ).fit()
    keeper.close()


def _trial(config: dict[str, Any], trial: Callable[[dict[str, Any], Any], None], needs: Any) -> None:
    """Run a trial in its process; its own errors end it, the death of its process starts it again."""
    global _begun
    _begun = time.perf_counter()
    try:
        trial(config["parameters"], needs)
    except Exception as error:
        kind = "" if isinstance(error, RaybelError) else f"{type(error).__name__}: "
        tune.report({"error": f"{kind}{error}"})
