"""What a sweep does, whatever it tunes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from raybel.errors import ConfigError
from raybel.tuning.search import KINDS
from raybel.tuning.tracking import TrackingConfig

STOPS = ("none", "asha", "median")


@dataclass(frozen=True)
class SweepConfig:
    """A sweep.

    Args:
        output_dir: Where results go; the same sweep again goes on there.
        num_samples: Trials, those of earlier starts included; None for a grid's, or for as
            many as there is time for.
        time_budget: Seconds of trials, after which those that run are cut short and none starts; None for no limit.
            Making candidates comes before, and each start has the whole time.
        max_concurrent: Trials at a time; None for as many as the cluster has room for.
        search: `random`, `grid` or `optuna`.
        stop_early: `asha`, `median` or `none`.
        reduction: Of ASHA: of so many trials, one goes on.
        metric: What is better; None for the target's usual one.
        space: Values as `Space.read` takes them, in place of the default space's or beside them.
        replace_space: Leave the default space out.
        seed: Of the search, and of training.
        cpus_per_trial: Of each worker of a trial; None for one, with GPUs the node's share.
        gpus_per_trial: Of each worker of a trial, or the share of one; None for one where there are any.
        workers_per_trial: Workers that train a trial together.
        max_failures: Deaths of a trial's workers before it counts as failed; each starts the trial again.
        retry_failed: Run the trials again that failed at an earlier start.
        resume: Refuse to begin a new sweep.
        overwrite: Delete what another sweep left in the directory.
        tracking: Where trials are logged.
    """

    output_dir: str
    num_samples: int | None = None
    time_budget: float | None = None
    max_concurrent: int | None = None
    search: str = "random"
    stop_early: str = "none"
    reduction: int = 3
    metric: str | None = None
    space: dict[str, Any] = field(default_factory=dict)
    replace_space: bool = False
    seed: int = 0
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    workers_per_trial: int = 1
    max_failures: int = 1
    retry_failed: bool = False
    resume: bool = False
    overwrite: bool = False
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        for name, known in (("search", KINDS), ("stop_early", STOPS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        for name, least in (("num_samples", 1), ("max_concurrent", 1), ("workers_per_trial", 1), ("reduction", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, not {value}")
        if self.seed < 0:
            raise ConfigError(f"seed must not be below 0, is {self.seed}")
        if self.time_budget is not None and not 0 < self.time_budget < math.inf:
            raise ConfigError("the time budget must be above 0, and end")
        if not (0 < (1 if self.cpus_per_trial is None else self.cpus_per_trial) < math.inf):
            raise ConfigError(f"cpus_per_trial must be a number above 0, not {self.cpus_per_trial}")
        if not 0 <= (self.gpus_per_trial or 0) < math.inf:
            raise ConfigError(f"gpus_per_trial must be a number, not below 0, not {self.gpus_per_trial}")
