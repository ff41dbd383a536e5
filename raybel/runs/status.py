"""How far a run is, as its directory says."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

from raybel.corpus.sources import version_of
from raybel.display import counted, percent, rate, relative
from raybel.errors import AccessError
from raybel.files import storage
from raybel.files.fingerprints import fingerprint
from raybel.files.work_directory import Status
from raybel.runs.findings import unreadable_files
from raybel.runs.inputs import RunInput
from raybel.runs.logs import PROGRESS, read_plan, read_progress
from raybel.runs.run_directory import RunDirectory


def status(run: RunDirectory) -> Status:
    """Say how far a run is.

    Shards are those of the inputs of the last start, as they were then; what it published of them, and earlier starts
    did, counts alike. What isn't published yet is said by the log of that start, which may be a second old.

    Raises:
        InputError: The directory isn't a run directory.
    """
    manifest = run.manifest()
    inputs, progress = published(run), read_progress(run)
    unfinished = [item for item, of_input in inputs if not item.is_whole(of_input)]
    states = dict(ChainMap(*(of_input for _, of_input in inputs)))
    others = len(storage.names(run.folder("state"))) - len(states)
    changed = sum(_has_changed(item) for item, _ in inputs)
    figures: list[tuple[str, object]] = [("input files", f"{len(inputs) - len(unfinished):,} of {len(inputs):,}")]
    if changed:
        figures.append(("  changed since the last start", changed))
    if progress and progress["files_failed"]:
        figures.append(("  couldn't be read", progress["files_failed"]))
    figures.append(("shards", len(states)))
    if others:
        figures.append(("shards of other inputs, or of earlier contents", others))
    figures += _documents(states, progress)
    finished = bool(progress and progress["finished"])
    problem = f"{counted(len(unfinished), 'input file')} couldn't be read" if unfinished else ""
    if not problem and changed:
        problem = f"{counted(changed, 'input file')} changed since; the same command goes on with what is new"
    notes = (f"fingerprint {fingerprint(manifest.get('identity', {}))}", *_unread(run, states, progress))
    return run.work.status(finished, figures, [PROGRESS], problem if finished else "", notes)


def is_finished(run: RunDirectory) -> bool:
    """True if the last start of a run came to its end, though some input files may be unreadable."""
    progress = read_progress(run)
    return bool(progress and progress["finished"]) and not run.work.is_locked()


def unfinished(run: RunDirectory) -> str | None:
    """Say that a run isn't finished; None where it is.

    Raises:
        InputError: The directory isn't a run directory.
    """
    run.manifest()
    if is_finished(run):
        return None
    shards = counted(len(run.shard_names()), "finished shard")
    return f"{relative(run.uri)} isn't finished: only its {shards} can be read (`raybel status` says how far it is)."


def published(run: RunDirectory) -> list[tuple[RunInput, dict[str, dict[str, Any]]]]:
    """Return each input of the last start with the states of its finished shards, by their names."""
    return [(item, run.finished_shards(item)) for item in read_plan(run)]


def unread_files(run: RunDirectory) -> list[str]:
    """Say which files of the last start's inputs couldn't be read, and why: a few of them."""
    states = dict(ChainMap(*(of_input for _, of_input in published(run))))
    return _unread(run, states, read_progress(run))


def _documents(states: dict[str, dict[str, Any]], progress: dict[str, Any] | None) -> list[tuple[str, object]]:
    """Return what of the documents is done: in published shards, and beyond them."""
    documents, quarantined = (sum(state[name] for state in states.values()) for name in ("documents", "quarantined"))
    figures: list[tuple[str, object]] = [("documents", documents)]
    if progress:
        begun = progress["counts"]["documents"] - documents
        figures += [("documents in unfinished shards", begun)] if begun > 0 else []
    figures.append(("documents in quarantine", quarantined))
    if progress:
        share = progress["share"]
        figures += [("input read, %", percent(share))] if share is not None else []
        own = progress["own"]["documents"]
        figures += [("documents/s (this start)", rate(own, progress["seconds"]))] if own else []
    return figures


def _unread(run: RunDirectory, states: dict[str, dict[str, Any]], progress: dict[str, Any] | None) -> list[str]:
    notes = [f"not read: {reason}" for reason in (progress["failed"] if progress else ())]
    if damaged := sum(state["unreadable"] for state in states.values()):
        notes.append(f"{counted(damaged, 'file')} of archives or groups couldn't be read to the end, such as:")
        notes += unreadable_files(run, states)
    return notes


def _has_changed(item: RunInput) -> bool:
    """True if a file, or an archive, isn't what it was when the run began, as far as is known; a group's isn't."""
    try:
        now = None if item.source.files else storage.identity(item.source.path)
    except AccessError:  # the plan has no keys of a store
        return False
    return now is not None and version_of(now) != item.source.version
