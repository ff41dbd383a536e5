"""What of a sweep runs in the driver beside Ray Tune's loop: which trial is next, which is stopped, what is kept."""

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
from raybel.tuning.trials import Trial, best


def scheduler(config: SweepConfig, max_epochs: int, maximise: bool) -> TrialScheduler:
    """Return what stops trials early, by the `value` that they report."""
    better = {"metric": "value", "mode": "max" if maximise else "min", "time_attr": "epoch", "grace_period": 1}
    if config.stop_early == "asha":
        return ASHAScheduler(max_t=max_epochs, reduction_factor=config.reduction, **better)
    if config.stop_early == "median":
        return Median(min_time_slice=float("inf"), **better)  # never pauses a trial
    return FIFOScheduler()


@dataclass(frozen=True, eq=False)
class _Earlier:
    """Stands for a trial of an earlier start."""

    trial_id: str


class Median(MedianStoppingRule):
    """Ray's rule, which takes failed trials and those of earlier starts."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Take a trial's last result; one without a value says nothing."""
        if "epoch" in result and "value" in result:
            super().on_trial_complete(tune_controller, trial, result)

    def learn(self, trial: Any, epochs: list[dict[str, Any]]) -> None:
        """Take a trial of an earlier start; nothing is decided about it."""
        self._results[trial] = list(epochs)


def teach(scheduler: TrialScheduler, trial: Trial) -> None:
    """Let a scheduler see a trial of an earlier start."""
    if not trial.epochs:
        return
    one = _Earlier(f"earlier-{trial.number}")
    if isinstance(scheduler, Median):
        scheduler.learn(one, trial.epochs)
    elif isinstance(scheduler, ASHAScheduler):
        scheduler.on_trial_add(None, one)
        for each in trial.epochs:
            scheduler.on_trial_result(None, one, each)
        scheduler.on_trial_complete(None, one, trial.epochs[-1])


class Missing(Searcher):
    """Gives Ray Tune the trials that are missing, in the order of their numbers, some at a time.

    (Ray's own limit of trials at a time never gets back the place of a trial whose end it isn't told.)
    """

    def __init__(self, chosen: Search, done: set[int], samples: int | None, concurrent: int) -> None:
        super().__init__()
        self.chosen, self.done, self.samples, self.concurrent = chosen, done, samples, concurrent
        self.live: set[int] = set()
        self.next = 0
        self.over = False

    def suggest(self, trial_id: str) -> Any:
        """Return a trial's configuration."""
        while self.next in self.done:
            self.next += 1
        if self.over or (self.samples is not None and self.next >= self.samples):
            return Searcher.FINISHED
        if len(self.live) >= self.concurrent:
            return None
        number = self.next
        self.live.add(number)
        self.next += 1
        return {"number": number, "parameters": self.chosen.ask(number)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The keeper tells the search, once it knows a trial's best epoch."""

    def save(self, checkpoint_path: str) -> None:
        """Trials' files are the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: a sweep goes on from trials' files."""
        raise NotImplementedError


class Budget(Stopper):
    """Ends a sweep when its time is over."""

    def __init__(self, deadline: float | None) -> None:
        self.deadline = deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial ends by its result alone."""
        return False

    def stop_all(self) -> bool:
        """Whether the time is over."""
        return self.deadline is not None and time.monotonic() > self.deadline


class Keeper(Callback):
    """Keeps what trials report: a file for each that ended, its trackers, the progress line."""

    def __init__(
        self,
        home: str,
        known: Sequence[Trial],
        trackers: Trackers,
        missing: Missing,
        metric: str,
        maximise: bool,
        samples: int | None,
        deadline: float | None,
        watch: Callable[[dict[str, Any]], None],
    ) -> None:
        self.home, self.trackers, self.missing, self.watch = home, trackers, missing, watch
        self.metric, self.maximise, self.samples, self.deadline = metric, maximise, samples, deadline
        self.stopper = Budget(deadline)
        self.ended = {each.number: each for each in known}
        self.open: dict[int, Trial] = {}
        self.started: dict[int, float] = {}
        self.begun, self.before = time.monotonic(), len(known)
        self.last = self.begun  # when a trial ended

    def trials(self) -> list[Trial]:
        """Return all trials that ended."""
        return list(self.ended.values())

    def _of(self, trial: Any) -> Trial:
        number = trial.config["number"]
        if number not in self.open:
            self.open[number] = Trial(number, trial.config["parameters"], "stopped")  # until it says more
            self.trackers.begin(number, trial.config["parameters"])
        self.started.setdefault(number, time.monotonic())
        return self.open[number]

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tell how far it is; take up trials that Ray gave up without telling."""
        for trial in trials:
            if trial.status == "ERROR" and trial.config["number"] not in self.ended:
                self.on_trial_error(iteration, trials, trial)
        found = best(self.ended.values(), self.maximise)
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        ran = len(self.ended) - self.before
        if self.samples is not None and ran:
            each = (self.last - self.begun) / ran
            by_number = max(0.0, each * (self.samples - len(self.ended)) - (time.monotonic() - self.last))
            left = by_number if left is None else min(left, by_number)
        self.watch(
            {
                "done": len(self.ended),
                "samples": self.samples,
                "running": len(self.open),
                "failed": sum(each.status == "failed" for each in self.ended.values()),
                "metric": self.metric,
                "best": found,
                "left": left,
            }
        )

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial starts, or starts again after its process died."""
        number = trial.config["number"]
        if number in self.open:
            self.trackers.end(number, "cut")
            del self.open[number]
        self._of(trial)
        self.started[number] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports an epoch, or its error."""
        own = self._of(trial)
        if "error" in result:
            own.status, own.error = "failed", result["error"]
            return
        own.epochs.append({name: result[name] for name in ("epoch", "value", "seconds", "scores")})
        own.status = "finished" if result["ended"] else "stopped"
        self.trackers.log(own.number, result["epoch"], {self.metric: result["value"], **result["scores"]})

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ended by itself or was stopped."""
        self._end(self._of(trial), cut=self.stopper.stop_all())

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's process died too often."""
        own = self._of(trial)
        told = [line for line in str(trial.get_error() or "").splitlines() if line.strip()]
        own.status, own.error = "failed", f"its process died: {told[-1] if told else 'no reason known'}"
        self._end(own)

    def close(self) -> None:
        """Take up what was still running when the time was over."""
        for own in list(self.open.values()):
            self._end(own, cut=True)

    def _end(self, own: Trial, cut: bool = False) -> None:
        del self.open[own.number]
        self.missing.live.discard(own.number)
        own.seconds = time.monotonic() - self.started.pop(own.number)
        if cut and own.status != "finished":
            own.status = "cut"
        values = [] if own.status == "failed" else [each["value"] for each in own.epochs]
        own.value = (max if self.maximise else min)(values, default=None)
        self.ended[own.number] = own
        self.last = time.monotonic()
        own.save(self.home)
        self.missing.chosen.tell(own.number, own.value)
        self.trackers.end(own.number, own.status)
