"""Trials of a sweep: a JSON file for each that ended, from which a killed sweep goes on; and all of them as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from raybel.files import storage
from raybel.files.storage import join

#: Directory of the files.
TRIALS = "trials"
#: `finished`: all its epochs; `stopped`: early, since others were better; `failed`: with an error; `cut`: by the end of
#: the time, which a further start runs again.
STATUSES = ("finished", "stopped", "failed", "cut")


@dataclass
class Trial:
    """What became of a trial.

    Args:
        number: From 0.
        parameters: Values of the hyper-parameters that were searched.
        status: One of `STATUSES`.
        value: The best epoch's value of the sweep's metric; None where it failed.
        epochs: A record for each: `epoch`, `value`, `seconds` and `scores`; one for what has no epochs.
        seconds: Of work.
        error: Why it failed.
    """

    number: int
    parameters: dict[str, Any]
    status: str = "finished"
    value: float | None = None
    epochs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None

    @classmethod
    def read(cls, value: dict[str, Any], choices: Mapping[str, Sequence[Any]]) -> Trial:
        """Read what `save` wrote; a value of a list of choices comes back as it stands there (a pair as a tuple)."""
        parameters = {
            name: next((choice for choice in choices.get(name, ()) if json.dumps(choice) == json.dumps(read)), read)
            for name, read in value["parameters"].items()
        }
        return cls(**{**value, "parameters": parameters})

    @property
    def values_text(self) -> str:
        """The values as people read them: `learning_rate 0.0001, top_k 5`."""
        return ", ".join(f"{name} {value_text(value)}" for name, value in self.parameters.items())

    def save(self, home: str) -> None:
        """Write the trial's file."""
        storage.publish_json(join(home, trial_file(self.number)), asdict(self))


def trial_file(number: int) -> str:
    """Return the name of a trial's file in the sweep's directory."""
    return f"{TRIALS}/{number:06d}.json"


def load_trials(home: str, choices: Mapping[str, Sequence[Any]]) -> list[Trial]:
    """Return the trials of a directory, by number."""
    where = join(home, TRIALS)
    names = [name for name in storage.names(where) if name.endswith(".json")]
    return [Trial.read(storage.read_json(join(where, name)), choices) for name in sorted(names)]


def maximised(metric: str) -> bool:
    """True for a metric of which larger values are better."""
    return metric != "loss"


def score_text(metric: str, value: float | None) -> str:
    """Return a metric's value as people read it: a loss with four decimals, any other in percent; "" for None."""
    return "" if value is None else f"{100 * value:.1f}" if maximised(metric) else f"{value:.4f}"


def value_text(value: Any) -> str:
    """Return a hyper-parameter's value as people read it: a text as it is, any other as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def best_trial(trials: Iterable[Trial], maximise: bool) -> Trial | None:
    """Return the trial with the best value, of equal ones the first; None where none has any."""
    with_value = [trial for trial in trials if trial.value is not None and trial.status != "cut"]
    sign = -1 if maximise else 1
    return min(with_value, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def trials_table(trials: Sequence[Trial], names: Sequence[str]) -> pa.Table:
    """Return a row per trial: number, status, value, epochs, seconds, error, then the hyper-parameters and the scores.

    Scores are the best epoch's. A hyper-parameter whose values aren't all text, whole numbers, numbers or booleans is
    text, as JSON.
    """
    columns: dict[str, Any] = {
        "trial": pa.array([trial.number for trial in trials], pa.int32()),
        "status": pa.array([trial.status for trial in trials], pa.string()),
        "value": pa.array([trial.value for trial in trials], pa.float64()),
        "epochs": pa.array([len(trial.epochs) for trial in trials], pa.int32()),
        "seconds": pa.array([trial.seconds for trial in trials], pa.float64()),
        "error": pa.array([trial.error for trial in trials], pa.string()),
    }
    for name in names:
        columns[f"parameter_{name}"] = _column([trial.parameters.get(name) for trial in trials])
    scores = [_best_scores(trial) for trial in trials]
    for name in sorted({name for by_name in scores for name in by_name}):
        columns[f"score_{name}"] = pa.array([by_name.get(name) for by_name in scores], pa.float64())
    return pa.table(columns)


def _best_scores(trial: Trial) -> dict[str, Any]:
    """Return the scores of a trial's best epoch, of equal ones the first; {} where it has none."""
    best = [epoch for epoch in trial.epochs if epoch["value"] == trial.value]
    return dict(best[0]["scores"]) if best else {}


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return pa.array(values)
    return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
