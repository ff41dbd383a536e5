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
            name: next((each for each in choices.get(name, ()) if json.dumps(each) == json.dumps(own)), own)
            for name, own in value["parameters"].items()
        }
        return cls(**{**value, "parameters": parameters})

    def save(self, home: str) -> None:
        """Write the trial's file."""
        storage.publish_json(join(home, trial_file(self.number)), asdict(self))


def trial_file(number: int) -> str:
    """Return the name of a trial's file in the sweep's directory."""
    return f"{TRIALS}/{number:06d}.json"


def load(home: str, choices: Mapping[str, Sequence[Any]]) -> list[Trial]:
    """Return the trials of a directory, by number."""
    where = join(home, TRIALS)
    names = [name for name in storage.names(where) if name.endswith(".json")]
    return [Trial.read(storage.read_json(join(where, name)), choices) for name in sorted(names)]


def best(trials: Iterable[Trial], maximise: bool) -> Trial | None:
    """Return the trial with the best value, of equal ones the first; None where none has any."""
    with_value = [trial for trial in trials if trial.value is not None and trial.status != "cut"]
    sign = -1 if maximise else 1
    return min(with_value, key=lambda each: (sign * (each.value or 0.0), each.number), default=None)


def table(trials: Sequence[Trial], names: Sequence[str]) -> pa.Table:
    """Return a row per trial: number, status, value, epochs, seconds, error, then the hyper-parameters and the scores.

    Scores are the best epoch's. A hyper-parameter whose values aren't all text, whole numbers, numbers or booleans is
    text, as JSON.
    """
    rows: dict[str, Any] = {
        "trial": pa.array([each.number for each in trials], pa.int32()),
        "status": pa.array([each.status for each in trials], pa.string()),
        "value": pa.array([each.value for each in trials], pa.float64()),
        "epochs": pa.array([len(each.epochs) for each in trials], pa.int32()),
        "seconds": pa.array([each.seconds for each in trials], pa.float64()),
        "error": pa.array([each.error for each in trials], pa.string()),
    }
    for name in names:
        rows[f"parameter_{name}"] = _column([each.parameters.get(name) for each in trials])
    scored = [_scores(each) for each in trials]
    for name in sorted({name for each in scored for name in each}):
        rows[f"score_{name}"] = pa.array([each.get(name) for each in scored], pa.float64())
    return pa.table(rows)


def _scores(trial: Trial) -> dict[str, Any]:
    right = [each for each in trial.epochs if each["value"] == trial.value]
    return dict(right[0]["scores"]) if right else {}


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return pa.array(values)
    return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
