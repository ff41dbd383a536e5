"""How far a run is, as its directory says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raybel.display import counted, percent, rate
from raybel.files import storage
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.files.work_directory import Status
from raybel.runs.run_directory import PLAN, PROGRESS, RunDirectory


def status(run: RunDirectory) -> Status:
    """Say how far a run is.

    Raises:
        InputError: The directory isn't a run directory.
    """
    manifest = run.manifest()
    logs = [join(run.uri, name) for name in (PLAN, PROGRESS)]
    plan, progress = (storage.read_json(path) if storage.exists(path) else None for path in logs)
    shards = [name.removesuffix(".json") for name in storage.names(join(run.uri, "state"))]
    unfinished = len([item for item in plan or () if not _is_finished(run, item, shards)])
    done = f"{len(plan or ()) - unfinished:,} of {len(plan or ()):,}"
    figures: list[tuple[str, object]] = [("input files", done), ("shards", len(shards))]
    if progress:
        counts = progress["counts"]
        if progress.get("share") is not None:
            figures.append(("input read, %", percent(progress["share"])))
        figures.append(("documents (this start)", counts["documents"]))
        figures.append(("documents/s", rate(counts["documents"], progress["seconds"])))
        figures.append(("documents in quarantine", counts["quarantined"]))
    failed = f"{counted(unfinished, 'input file')} couldn't be read"
    problem = failed if unfinished and progress and progress["finished"] else ""
    notes = (f"fingerprint {fingerprint(manifest.get('identity', {}))}",)
    return run.work.status(bool(plan) and not unfinished, figures, [PROGRESS], problem, notes)


def _is_finished(run: RunDirectory, item: dict[str, Any], shards: Sequence[str]) -> bool:
    """True if an input of the plan is finished; of a bundle, its last shard's state says so."""
    if not item["bundle"]:
        return item["name"] in shards
    of_bundle = [name for name in shards if name.startswith(item["name"] + "/")]
    states = (storage.read_json(run.file("state", name)) for name in of_bundle[-1:])
    return any(state["next"] is None for state in states)
