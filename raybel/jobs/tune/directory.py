"""A sweep's directory: a file for each trial that ended; at the end the best values, the table and the page."""

from __future__ import annotations

from collections import Counter

from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory
from raybel.tuning.trials import best_trial, load_trials, maximised, score_text, trial_file

KIND = "sweep"
PARAMS, TABLE, PAGE = "params.json", "trials.parquet", "report.html"


def sweep_directory(uri: str) -> WorkDirectory:
    """Return the directory of a sweep."""
    return WorkDirectory(uri, KIND, "a sweep")


def status(work: WorkDirectory) -> Status:
    """Say how far a sweep is: trials that ended, and the best so far."""
    description, trials = work.read() or {}, load_trials(work.uri, {})
    samples, metric = description.get("samples"), description.get("identity", {}).get("metric", "")
    statuses = Counter(trial.status for trial in trials)
    ended = len(trials) - statuses.pop("cut", 0)
    figures: list[tuple[str, object]] = [("trials", f"{ended:,} of {samples:,}" if samples else f"{ended:,}")]
    figures += [(f"  {name}", statuses[name]) for name in ("stopped", "failed") if statuses[name]]
    if best := best_trial(trials, maximised(metric)):
        figures.append((f"best {metric}", f"{score_text(metric, best.value)} (trial {best.number})"))
    written = [DESCRIPTION, *(trial_file(trial.number) for trial in trials)]
    return work.status(bool(description.get("finished")), figures, written)
