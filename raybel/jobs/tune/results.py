"""What the tuning jobs share: the space, the directory, and what a sweep leaves there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raybel.display import duration, relative
from raybel.errors import ConfigError, InputError
from raybel.files import storage, tables
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.jobs.tune.directory import PAGE, PARAMS, TABLE
from raybel.jobs.tune.sweep import Outcome
from raybel.ontology import Ontology
from raybel.report.sweep import sweep_page
from raybel.tuning.config import SweepConfig
from raybel.tuning.search import number_of_trials
from raybel.tuning.space import Space
from raybel.tuning.tracking import Trackers
from raybel.tuning.trials import score_text, trials_table

#: Trials where neither a number nor a time is given.
DEFAULT_TRIALS = 20
Watch = Callable[[dict[str, Any]], None]


@dataclass
class SweepResult:
    """What a sweep found.

    Args:
        output_dir: With `params.json`, `trials.parquet` and `report.html`.
        outcome: Trials and times.
        metric: What their values are of.
        space: What was searched.
        parameters: The best trial's, all of them; None where every trial failed.
        about: What its page says of the search and its trials, by name.
    """

    output_dir: str
    outcome: Outcome
    metric: str
    space: Space
    parameters: dict[str, Any] | None
    about: dict[str, str] = field(default_factory=dict)


def space_and_samples(
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
    samples = number_of_trials(sweep.search, space, sweep.num_samples)
    if samples is None and sweep.time_budget is None:
        samples = DEFAULT_TRIALS
    return space, samples


def nothing_to_compare(ontology: Ontology, paths: Sequence[str]) -> InputError:
    """Return what is wrong with a validation corpus that has no mention to count."""
    reason = f"no mention has a single id that {ontology.path} knows, so that trials can't be compared"
    return InputError(reason, path=listed(paths) or "(no --val-corpus)")


def listed(paths: Iterable[str]) -> str:
    """Return paths as a person reads them, with commas between."""
    return ", ".join(map(relative, paths))


def check_sweep(
    work: WorkDirectory, sweep: SweepConfig, target: dict[str, Any], space: Space, metric: str
) -> dict[str, Any]:
    """Refuse a sweep whose directory or trackers can't be had; return its identity. Changes nothing.

    Args:
        work: The directory.
        sweep: What is wanted.
        target: What makes another sweep, beside the space, the search, the metric and the seed.
        space: What is searched.
        metric: What is better.

    Raises:
        ConfigError: It holds something other, or nothing and the sweep is to go on; trials can't be logged.
    """
    identity = {**target, "space": space.to_dict(), "search": sweep.search, "metric": metric, "seed": sweep.seed}
    identity = json.loads(json.dumps(identity))  # pairs are lists in the file
    if work.check(identity, sweep.overwrite) is None and sweep.resume:
        raise ConfigError(f"{work.uri} holds no sweep that could go on: leave out --resume")
    Trackers.check(sweep.tracking, work.uri)
    return identity


def open_sweep(work: WorkDirectory, sweep: SweepConfig, identity: dict[str, Any], samples: int | None) -> Trackers:
    """Take the sweep's directory, a new one or that of the same sweep; return what logs its trials.

    With `overwrite` another sweep's results are deleted here: all else that could be refused is checked before.

    Args:
        work: The directory.
        sweep: What is wanted.
        identity: As `check_sweep` returned it.
        samples: Trials that are wanted, None for as many as there is time for.

    Raises:
        ConfigError: As `check_sweep`.
    """
    work.open(identity, sweep.overwrite)
    work.write_description(identity, finished=False, samples=samples)
    return Trackers.open(sweep.tracking, work.uri)


def publish(
    sweep: SweepConfig,
    key: str,
    outcome: Outcome,
    space: Space,
    metric: str,
    complete: Callable[[dict[str, Any]], dict[str, Any]],
    defaults: dict[str, Any],
    about: dict[str, str],
) -> SweepResult:
    """Write the parameters, the table and the page.

    Args:
        sweep: What was done.
        key: What was tuned; the key of `params.json`.
        outcome: What came out.
        space: What was searched.
        metric: What is better.
        complete: Makes all hyper-parameters of a trial's values.
        defaults: All hyper-parameters' default values.
        about: What else the page says, by name.
    """
    home = sweep.output_dir
    parameters = complete(outcome.best.parameters) if outcome.best else None
    storage.publish(join(home, TABLE), tables.parquet_bytes(trials_table(outcome.trials, list(space.searched))))
    about = _facts(sweep, outcome, metric) | {"fixed": _fixed(space, complete({}), defaults)} | about
    page = sweep_page(
        f"Sweep over {key}: {os.path.basename(home)}",
        outcome.trials,
        space,
        metric,
        outcome.best,
        about,
        outcome.failure,
    )
    storage.publish(join(home, PAGE), page.html().encode("utf-8", "replace"))
    if parameters is None:
        storage.delete(join(home, PARAMS))
    else:
        storage.publish_json(join(home, PARAMS), {key: parameters})
    return SweepResult(home, outcome, metric, space, parameters, about)


def _facts(sweep: SweepConfig, outcome: Outcome, metric: str) -> dict[str, str]:
    """Return what the page says of the search and its trials, by name."""
    best = outcome.best
    statuses = [trial.status for trial in outcome.trials]
    work = f"{duration(sum(trial.seconds for trial in outcome.trials))} of work in trials"
    return {
        "search": sweep.search + ("" if sweep.stop_early == "none" else f", {sweep.stop_early}"),
        "seed": str(sweep.seed),
        "trials": ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses)) or "none",
        "best": f"trial {best.number}, {metric} {score_text(metric, best.value)}" if best else "none",
        "time": work + (f"; the last start: {outcome.pace}" if outcome.pace else ""),
    }


def _fixed(space: Space, parameters: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Return the hyper-parameters that weren't searched, where they aren't the defaults or the space names them."""
    changed = {name: value for name, value in parameters.items() if value != defaults[name]}
    fixed = {name: value for name, value in changed.items() if name not in space.searched} | space.fixed
    return ", ".join(f"{name} {value}" for name, value in sorted(fixed.items())) or "as by default"


def close_sweep(work: WorkDirectory, identity: dict[str, Any], samples: int | None, result: SweepResult) -> None:
    """Say in the description whether the sweep is finished: all trials ended or, of as many as there is time for, some.

    It also keeps what the page says, for `raybel report`.

    Args:
        work: The directory.
        identity: As `check_sweep` returned it.
        samples: Trials that were wanted, None for as many as there is time for.
        result: What was found.
    """
    ended = {trial.number for trial in result.outcome.trials if trial.status != "cut"}
    finished = bool(ended) if samples is None else ended.issuperset(range(samples))
    work.write_description(identity, finished=finished, samples=samples, about=result.about)
