"""What a start of a run logs: its plan, which is what it reads, and its progress; their bytes differ between starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from raybel.corpus.sources import Source
from raybel.errors import without_secrets
from raybel.files import storage
from raybel.files.storage import join
from raybel.runs.inputs import RunInput
from raybel.runs.run_directory import RunDirectory

PLAN, PROGRESS = "logs/plan.json", "logs/progress.json"
_OF_PLAN = ("path", "name", "size", "version")


def write_plan(run: RunDirectory, inputs: Sequence[RunInput]) -> None:
    """Log what the run reads."""
    plan = [
        {
            "name": item.name,
            "key": item.key,
            "source": {name: getattr(item.source, name) for name in _OF_PLAN}
            | {"path": without_secrets(item.source.path)},
            "group": bool(item.source.files),
        }
        for item in inputs
    ]
    storage.publish_json(join(run.uri, PLAN), plan)


def read_plan(run: RunDirectory) -> list[RunInput]:
    """Return what the last start reads; a group comes back with its first file alone. [] before there is a plan."""
    path = join(run.uri, PLAN)
    plan = storage.read_json(path) if storage.exists(path) else []
    return [
        RunInput(
            Source(**item["source"], files=((item["source"]["path"], ""),) if item["group"] else ()),
            item["name"],
            item["key"],
        )
        for item in plan
        if "key" in item  # an earlier version's hasn't: the next start writes its own
    ]


def write_progress(run: RunDirectory, progress: dict[str, Any]) -> None:
    """Log how far this start is: `counts`, `own`, `seconds`, `finished` and what else there is."""
    storage.publish_json(join(run.uri, PROGRESS), {**progress, "time": time.time()})


def read_progress(run: RunDirectory) -> dict[str, Any] | None:
    """Return how far the last start is, as it was logged; None where it logged nothing, or an earlier version did."""
    path = join(run.uri, PROGRESS)
    progress: dict[str, Any] = storage.read_json(path) if storage.exists(path) else {}
    return progress if "own" in progress else None
