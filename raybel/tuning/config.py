"""What a sweep does, whatever it tunes, and where its trials are logged."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import BeforeValidator

from raybel.config import Count, FilePath, Option, Positive, Seed, configuration

#: How a sweep chooses values.
SearchMethod = Literal["random", "grid", "optuna"]
#: Where trials can be logged.
TrackerName = Literal["tensorboard", "wandb", "mlflow"]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _seconds(value: Any) -> Any:
    """Read `90s`, `45m`, `12h` or `2d`; a number is taken for seconds."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value.strip())
    if not match:
        raise ValueError(f"{value!r} isn't a duration: write 90s, 45m, 12h or 2d")
    return float(match[1]) * _UNITS[match[2]]


def _trackers(value: Any) -> Any:
    """Leave out `none` and repeated names."""
    names = (value,) if isinstance(value, str) else value
    return tuple(name for name in dict.fromkeys(names) if name != "none")


@configuration
class TrackingConfig:
    """Where trials are logged."""

    track: Annotated[
        tuple[TrackerName, ...],
        BeforeValidator(_trackers),
        Option("Where trials are logged: tensorboard, wandb, mlflow or none. Repeatable."),
    ] = ("tensorboard",)
    project: Annotated[str, Option("Name of the W&B project and the MLflow experiment.")] = "raybel"
    wandb_offline: Annotated[bool, Option("Write W&B's files only; `wandb sync` sends them later.")] = False
    mlflow_uri: Annotated[
        str | None, Option("MLflow's store.", "URI", default="MLFLOW_TRACKING_URI, or DIR/mlflow.db")
    ] = None


@configuration
class SweepConfig:
    """A sweep. `space` holds values as `Space.read` takes them, in place of the default space's or beside them."""

    output_dir: Annotated[FilePath, Option("The results; the same command again goes on.", "DIR")]
    num_samples: Annotated[
        int | None, Ge(1), Option("Trials, those of earlier starts included.", default="a grid's, or 20")
    ] = None
    time_budget: Annotated[
        Positive | None,
        BeforeValidator(_seconds),
        Option("End after this time of trials: 90s, 45m, 12h, 2d; making candidates comes before.", "TIME", "none"),
    ] = None
    max_concurrent: Annotated[int | None, Ge(1), Option("Trials at a time.", default="all that fit")] = None
    search: Annotated[SearchMethod, Option("How values are chosen.")] = "random"
    stop_early: Annotated[Literal["none", "asha", "median"], Option("Which trials end before their last epoch.")] = (
        "none"
    )
    reduction: Annotated[int, Ge(2), Option("With ASHA: one in so many trials goes on.")] = 3
    metric: Annotated[str | None, Option("Score to compare trials by: see above.", default="the first")] = None
    space: dict[str, Any] = field(default_factory=dict)
    replace_space: Annotated[bool, Option("Search what --space names, nothing else.")] = False
    seed: Annotated[Seed, Option("Seed of the search and of training.")] = 0
    cpus_per_trial: Annotated[
        Positive | None, Option("CPUs of each worker of a trial.", default="1, or a GPU's share")
    ] = None
    gpus_per_trial: Annotated[
        float | None, Ge(0), Option("GPUs, or a share of one, of each worker.", default="1 where there are any")
    ] = None
    workers_per_trial: Annotated[Count, Option("Workers that train a trial together.")] = 1
    max_failures: Annotated[
        int, Ge(0), Option("Deaths of a trial's workers before it counts as failed; each starts it again.")
    ] = 1
    retry_failed: Annotated[bool, Option("Run failed trials again.")] = False
    resume: Annotated[bool, Option("Only go on with a sweep: an error where there is none yet.")] = False
    overwrite: Annotated[bool, Option("Delete another sweep in the directory first.")] = False
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
