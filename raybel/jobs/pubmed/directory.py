"""How far a pipeline is, as its directory says."""

from __future__ import annotations

from typing import Any

from raybel.display import counted
from raybel.files import storage
from raybel.files.storage import join
from raybel.files.work_directory import LAST_UPDATE, Status, WorkDirectory
from raybel.jobs.lookup import directory as lookup
from raybel.runs import status as run_status
from raybel.runs.logs import PROGRESS
from raybel.runs.pipeline import FOUND, LINKS, PipelineDirectory
from raybel.runs.run_directory import RunDirectory

#: Step -> what is done in it, for people.
STEPS = {"detect": "find mentions", "lookup": "look distinct surfaces up", "link": "link", "count": "count links"}
#: What a step counts -> in words, the singular.
_COUNTED = {"documents": "document", "mentions": "mention", "surfaces": "surface"}
#: The files of which the newest is a sign of life.
_UPDATED = ("options.json", "steps.json", f"{FOUND}/{PROGRESS}", f"{LINKS}/{PROGRESS}")


def work_directory(pipeline: PipelineDirectory) -> WorkDirectory:
    """Return a pipeline's directory as that of a job."""
    return WorkDirectory(pipeline.uri, "pubmed", "a pipeline", "--out-dir")


def status(pipeline: PipelineDirectory) -> Status:
    """Say how far a pipeline is: what each finished step counted, and how far the one is that isn't."""
    done = {step["step"]: step for step in pipeline.steps()}
    work = work_directory(pipeline)
    running = work.is_locked()
    figures: list[tuple[str, object]] = []
    current = next((step for step in STEPS if step not in done), None)
    for step, words in STEPS.items():
        if step == current:
            figures.append((words, "running" if running else "stopped"))
            figures += [(f"  {name}", value) for name, value in _progress(pipeline, step) if name != LAST_UPDATE]
        else:
            figures.append((words, _counts(done[step]) if step in done else "to do"))
    begun = [run for run in (pipeline.found, pipeline.links) if _has_begun(run)]
    unread = list(dict.fromkeys(note for run in begun for note in run_status.unread_files(run)))
    problem = "some input files couldn't be read" if unread and current is None else ""
    return work.status(current is None, figures, _UPDATED, problem, tuple(unread))


def _counts(step: dict[str, Any]) -> str:
    """Say what a step made."""
    made = [counted(step[name], noun) for name, noun in _COUNTED.items() if name in step]
    made += [f"{step['linked']:,} linked"] if step["step"] == "link" else []
    return ": ".join(["done", ", ".join(made)]) if made else "done"


def _progress(pipeline: PipelineDirectory, step: str) -> list[tuple[str, object]]:
    """Return how far an unfinished step is, as its own directory says."""
    if step == "lookup":
        folders = storage.entries(pipeline.lookups)
        lookups = [lookup.lookup_directory(join(pipeline.lookups, name)) for name in folders if "." not in name]
        return [figure for each in lookups for figure in lookup.status(each).figures]
    run = {"detect": pipeline.found, "link": pipeline.links}.get(step)
    return run_status.status(run).figures if run is not None and _has_begun(run) else []


def _has_begun(run: RunDirectory) -> bool:
    return run.work.read() is not None
