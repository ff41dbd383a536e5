"""What runs beside Ray Tune's loop in the driver: which trial is next, which is stopped, what is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from raybel.tuning.config import SweepConfig
from raybel.tuning.search import Search
from raybel.tuning.tracking import Trackers
from raybel.tuning.trials import Trial, best_trial


def early_stopping(config: SweepConfig, max_epochs: int, maximise: bool) -> TrialScheduler:
    """Return what stops trials early, by the `value` that they report."""
    better = {"metric": "value", "mode": "max" if maximise else "min", "time_attr": "epoch", "grace_period": 1}
    if config.stop_early == "asha":
        return ASHAScheduler(max_t=max_epochs, reduction_factor=config.reduction, **better)
    if config.stop_early == "median":
        return MedianStopping(min_time_slice=float("inf"), **better)  # never pauses a trial
    return FIFOScheduler()


@dataclass(frozen=True, eq=False)
class _EarlierTrial:
    """Stands for a trial of an earlier start."""

    trial_id: str


class MedianStopping(MedianStoppingRule):
    """Ray's rule, which takes failed trials and those of earlier starts."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Take a trial's last result; one without a value is ignored."""
        if "epoch" in result and "value" in result:
            super().on_trial_complete(tune_controller, trial, result)

    def replay(self, trial: Any, epochs: list[dict[str, Any]]) -> None:
        """Take a trial of an earlier start; nothing is decided about it."""
        self._results[trial] = list(epochs)


def replay(scheduler: TrialScheduler, trial: Trial) -> None:
    """Show a scheduler a trial of an earlier start, by which it judges the further ones."""
    if not trial.epochs:
        return
    earlier = _EarlierTrial(f"earlier-{trial.number}")
    if isinstance(scheduler, MedianStopping):
        scheduler.replay(earlier, trial.epochs)
    elif isinstance(scheduler, ASHAScheduler):
        scheduler.on_trial_add(None, earlier)
        for epoch in trial.epochs:
            scheduler.on_trial_result(None, earlier, epoch)
        scheduler.on_trial_complete(None, earlier, trial.epochs[-1])


class PendingTrials(Searcher):
    """Gives Ray Tune the trials that haven't ended, in the order of their numbers, some at a time.

    (Ray's own limit of trials at a time never gets back the place of a trial whose end it isn't told.)

    Args:
        search: Chooses their values.
        ended: Numbers of the trials that earlier starts ended.
        samples: How many trials the sweep has; None for as many as there is time for.
        concurrent: How many may run at a time.
    """

    def __init__(self, search: Search, ended: set[int], samples: int | None, concurrent: int) -> None:
        super().__init__()
        self.search, self.ended, self.samples, self.concurrent = search, ended, samples, concurrent
        self.running: set[int] = set()
        self.next = 0

    def suggest(self, trial_id: str) -> Any:
        """Return a trial's configuration, None while as many as may be are running."""
        while self.next in self.ended:
            self.next += 1
        if self.samples is not None and self.next >= self.samples:
            return Searcher.FINISHED
        if len(self.running) >= self.concurrent:
            return None
        number = self.next
        self.running.add(number)
        self.next += 1
        return {"number": number, "parameters": self.search.ask(number)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The recorder tells the search, once it knows a trial's best epoch."""

    def save(self, checkpoint_path: str) -> None:
        """Trials' files are the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: a sweep goes on from trials' files."""
        raise NotImplementedError


class TimeBudget(Stopper):
    """Ends a sweep when its time is over."""

    def __init__(self, deadline: float | None) -> None:
        self.deadline = deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial ends by its result alone."""
        return False

    def stop_all(self) -> bool:
        """Whether the time is over."""
        return self.deadline is not None and time.monotonic() > self.deadline


class TrialRecorder(Callback):
    """Records what trials report: a file for each that ended, its trackers, the progress line.

    Args:
        home: The sweep's directory.
        earlier: Trials that earlier starts ended.
        trackers: What the trials are logged to.
        pending: The trials to run.
        metric: What their values are.
        maximise: Whether larger values are better.
        max_epochs: Most epochs of a trial.
        samples: How many trials the sweep has; None for as many as there is time for.
        deadline: When the sweep ends, by `time.monotonic`; None for no such time.
        watch: Called after each step of Ray Tune's with how far the sweep is.
    """

    def __init__(
        self,
        home: str,
        earlier: Sequence[Trial],
        trackers: Trackers,
        pending: PendingTrials,
        metric: str,
        maximise: bool,
        max_epochs: int,
        samples: int | None,
        deadline: float | None,
        watch: Callable[[dict[str, Any]], None],
    ) -> None:
        self.home, self.trackers, self.pending, self.watch = home, trackers, pending, watch
        self.metric, self.maximise, self.max_epochs = metric, maximise, max_epochs
        self.samples, self.deadline = samples, deadline
        self.stopper = TimeBudget(deadline)
        self.ended = {trial.number: trial for trial in earlier}
        self.running: dict[int, Trial] = {}
        self.started: dict[int, float] = {}
        self.begun, self.before = time.monotonic(), len(earlier)
        self.last_end = self.begun

    def trials(self) -> list[Trial]:
        """Return all trials that ended."""
        return list(self.ended.values())

    def _record(self, trial: Any) -> Trial:
        """Return our record of a trial of Ray's, a new one where it has none."""
        number = trial.config["number"]
        if number not in self.running:
            self.running[number] = Trial(number, trial.config["parameters"], "stopped")  # until it says more
            self.trackers.begin(number, trial.config["parameters"])
        self.started.setdefault(number, time.monotonic())
        return self.running[number]

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Show how far the sweep is; take up trials that Ray gave up without telling."""
        for trial in trials:
            if trial.status == "ERROR" and trial.config["number"] not in self.ended:
                self.on_trial_error(iteration, trials, trial)
        self.watch(
            {
                "done": len(self.ended),
                "samples": self.samples,
                "running": [len(self.running[number].epochs) for number in sorted(self.running)],
                "max_epochs": self.max_epochs,
                "failed": sum(trial.status == "failed" for trial in self.ended.values()),
                "metric": self.metric,
                "best": best_trial(self.ended.values(), self.maximise),
                "left": self._seconds_left(),
            }
        )

    def _seconds_left(self) -> float | None:
        """Until the deadline, or until the last trial ends at this start's pace, whichever is sooner."""
        to_deadline = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        ran = len(self.ended) - self.before
        if self.samples is None or not ran:
            return to_deadline
        per_trial = (self.last_end - self.begun) / ran
        to_last_end = per_trial * (self.samples - len(self.ended)) - (time.monotonic() - self.last_end)
        return min(max(0.0, to_last_end), float("inf") if to_deadline is None else to_deadline)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial starts, or starts again after its process died."""
        number = trial.config["number"]
        if number in self.running:
            self.trackers.end(number, "cut")
            del self.running[number]
        self._record(trial)
        self.started[number] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports an epoch, or its error."""
        record = self._record(trial)
        if "error" in result:
            record.status, record.error = "failed", result["error"]
            return
        record.epochs.append({name: result[name] for name in ("epoch", "value", "seconds", "scores")})
        record.status = "finished" if result["ended"] else "stopped"
        self.trackers.log(record.number, result["epoch"], {self.metric: result["value"], **result["scores"]})

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ended by itself or was stopped."""
        self._end(self._record(trial), cut=self.stopper.stop_all())

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's process died too often."""
        record = self._record(trial)
        lines = [line for line in str(trial.get_error() or "").splitlines() if line.strip()]
        record.status, record.error = "failed", f"its process died: {lines[-1] if lines else 'no reason known'}"
        self._end(record)

    def close(self) -> None:
        """Take up what was still running when the time was over."""
        for record in list(self.running.values()):
            self._end(record, cut=True)

    def _end(self, record: Trial, cut: bool = False) -> None:
        del self.running[record.number]
        self.pending.running.discard(record.number)
        record.seconds = time.monotonic() - self.started.pop(record.number)
        if cut and record.status != "finished":
            record.status = "cut"
        values = [] if record.status == "failed" else [epoch["value"] for epoch in record.epochs]
        record.value = (max if self.maximise else min)(values, default=None)
        self.ended[record.number] = record
        self.last_end = time.monotonic()
        record.save(self.home)
        self.pending.search.tell(record.number, record.value)
        self.trackers.end(record.number, record.status)
