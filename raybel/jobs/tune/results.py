"""What the tuning jobs share: the space, the directory, and what a sweep leaves there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raybel.display import duration
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.jobs.tune.directory import PAGE, PARAMS, TABLE
from raybel.jobs.tune.sweep import Outcome
from raybel.ontology import Ontology
from raybel.tuning.config import SweepConfig
from raybel.tuning.page import page
from raybel.tuning.search import trials_of
from raybel.tuning.space import Space
from raybel.tuning.tracking import Trackers
from raybel.tuning.trials import Trial, table

#: Trials where neither a number nor a time is given.
USUAL = 20
Watch = Callable[[dict[str, Any]], None]


@dataclass
class Tuned:
    """What a sweep found.

    Args:
        output_dir: With `params.json`, `trials.parquet` and `report.html`.
        outcome: Trials and times.
        metric: What their values are.
        space: What was searched.
        parameters: The best trial's, all of them; None where every trial failed.
    """

    output_dir: str
    outcome: Outcome
    metric: str
    space: Space
    parameters: dict[str, Any] | None


def space_of(
    sweep: SweepConfig, key: str, default: Space, apply: Callable[[dict[str, Any]], object]
) -> tuple[Space, int | None]:
    """Return the space and how many trials, None for as many as there is time for.

    Args:
        sweep: Its own space extends the default one, or replaces it.
        key: What is tuned, for errors.
        default: The default space.
        apply: Makes hyper-parameters of values; raises `ConfigError`.

    Raises:
        ConfigError: The space is empty, has what can't be, or is a grid of other than `num_samples` points.
    """
    space = Space.read(sweep.space, key, None if sweep.replace_space else default)
    space.check(apply)
    samples = trials_of(sweep.search, space, sweep.num_samples)
    if samples is None and sweep.time_budget is None:
        samples = USUAL
    return space, samples


def nothing_to_compare(ontology: Ontology, paths: Sequence[str]) -> InputError:
    """Return what is wrong with a validation corpus that has no mention to count."""
    told = f"no mention has a single id that {ontology.path} knows, so that trials can't be compared"
    return InputError(told, path=", ".join(paths) or "(no --val-corpus)")


def check_sweep(
    work: WorkDirectory, sweep: SweepConfig, identity: dict[str, Any], space: Space, metric: str
) -> dict[str, Any]:
    """Refuse a sweep whose directory or trackers can't be had; return its whole identity. Changes nothing.

    Args:
        work: The directory.
        sweep: What is wanted.
        identity: What makes another sweep, beside the space, the search, the metric and the seed.
        space: What is searched.
        metric: What is better.

    Raises:
        ConfigError: It holds something else, or nothing and the sweep is to go on; trials can't be logged.
    """
    whole = {**identity, "space": space.to_dict(), "search": sweep.search, "metric": metric, "seed": sweep.seed}
    whole = json.loads(json.dumps(whole))  # pairs are lists in the file
    if work.check(whole, sweep.overwrite) is None and sweep.resume:
        raise ConfigError(f"{work.uri} holds no sweep that could go on: leave out --resume")
    Trackers.check(sweep.tracking, work.uri)
    return whole


def open_sweep(work: WorkDirectory, sweep: SweepConfig, whole: dict[str, Any], samples: int | None) -> Trackers:
    """Take the sweep's directory, a new one or that of the same sweep; return what logs its trials.

    With `overwrite` another sweep's results are deleted here: configuration, trackers and places are checked before.

    Args:
        work: The directory.
        sweep: What is wanted.
        whole: The identity that `check_sweep` returned.
        samples: Trials that are wanted, None for as many as there is time for.

    Raises:
        ConfigError: As `check_sweep`.
    """
    work.open(whole, sweep.overwrite)
    work.describe(whole, finished=False, samples=samples)
    return Trackers.open(sweep.tracking, work.uri)


def publish(
    sweep: SweepConfig,
    home: str,
    key: str,
    outcome: Outcome,
    space: Space,
    metric: str,
    complete: Callable[[dict[str, Any]], dict[str, Any]],
    usual: dict[str, Any],
    about: dict[str, str],
) -> Tuned:
    """Write the parameters, the table and the page.

    Args:
        sweep: What was done.
        home: Its directory.
        key: What was tuned; the key of `params.json`.
        outcome: What came out.
        space: What was searched.
        metric: What is better.
        complete: Makes all hyper-parameters of a trial's values.
        usual: All hyper-parameters' default values.
        about: What else the page tells, by name.
    """
    found = complete(outcome.best.parameters) if outcome.best else None
    storage.publish(join(home, TABLE), storage.parquet_bytes(table(outcome.trials, list(space.searched))))
    other = {name: value for name, value in complete({}).items() if value != usual[name] and name not in space.searched}
    fixed = other | space.fixed
    statuses = [trial.status for trial in outcome.trials]
    facts = {
        "search": sweep.search + ("" if sweep.stop_early == "none" else f", {sweep.stop_early}"),
        "trials": ", ".join(f"{statuses.count(one)} {one}" for one in dict.fromkeys(statuses)) or "none",
        "best": f"trial {outcome.best.number}, {metric} {outcome.best.value:.4f}" if outcome.best else "none",
        "fixed": ", ".join(f"{name} {value}" for name, value in sorted(fixed.items())) or "as by default",
    }
    work = f"{duration(sum(trial.seconds for trial in outcome.trials))} of work in trials"
    facts["time"] = work + (f"; the last start: {outcome.pace}" if outcome.pace else "")
    facts |= about | {"seed": str(sweep.seed)}
    title = f"Sweep over {key}: {os.path.basename(home)}"
    html = page(title, outcome.trials, space, metric, outcome.best, facts, outcome.failure)
    storage.publish(join(home, PAGE), html.encode())
    if found is None:
        storage.delete(join(home, PARAMS))
    else:
        storage.publish_json(join(home, PARAMS), {key: found})
    return Tuned(sweep.output_dir, outcome, metric, space, found)


def close_sweep(work: WorkDirectory, whole: dict[str, Any], samples: int | None, trials: Sequence[Trial]) -> None:
    """Say in the description whether the sweep is finished: all trials ended or, of as many as there is time for, some.

    Args:
        work: The directory.
        whole: The identity that `check_sweep` returned.
        samples: Trials that were wanted, None for as many as there is time for.
        trials: All there are.
    """
    ended = {trial.number for trial in trials if trial.status != "cut"}
    finished = bool(ended) if samples is None else ended.issuperset(range(samples))
    work.describe(whole, finished=finished, samples=samples)
