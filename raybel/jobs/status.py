"""How far a job is, as its directory says, whichever kind of job it is; needs no Ray."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from raybel.candidates.calibrating import stored
from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory
from raybel.jobs.index import directory as index
from raybel.jobs.lookup import directory as lookup
from raybel.jobs.pubmed import directory as pubmed
from raybel.jobs.sample import directory as sample
from raybel.jobs.train import directory as train
from raybel.jobs.tune import directory as tune
from raybel.runs import array
from raybel.runs import status as run_status
from raybel.runs.pipeline import PipelineDirectory
from raybel.runs.run_directory import RunDirectory


def status(uri: str) -> Status:
    """Return how far the job of a directory is, and which threshold a finished model recommends.

    Raises:
        InputError: There is no such directory, it isn't a job's, or its description is damaged.
    """
    found = _status(uri)
    return replace(found, notes=(*found.notes, *_thresholds(uri)))


def _thresholds(uri: str) -> list[str]:
    """Say which thresholds a generator or a re-ranker was calibrated to."""
    config, description = (_json_of(join(uri, name)) for name in (artefacts.CONFIG, DESCRIPTION))
    own = stored(uri).get(str(config.get("fingerprint"))) or description.get("cascade")
    cascades = description.get("cascades")
    fitted = [own] if own else cascades if isinstance(cascades, list) else []
    found = [
        (each["threshold"], each.get("generator"))
        for each in fitted
        if isinstance(each, dict) and each.get("threshold")
    ]
    return [
        f"recommended: --threshold {threshold:.2f}" + (f" (candidates of {generator})" if len(found) > 1 else "")
        for threshold, generator in found
    ]


def _json_of(path: str) -> dict[str, Any]:
    value = storage.read_json(path) if storage.exists(path) else None
    return value if isinstance(value, dict) else {}


def _status(uri: str) -> Status:
    if not storage.entries(uri):
        raise InputError("no such directory, or it is empty", path=uri)
    path = join(uri, DESCRIPTION)
    value = storage.read_json(path) if storage.exists(path) else None
    kind = value.get("kind") if isinstance(value, dict) else artefacts.kind_of(uri)
    if kind in train.KINDS:
        return train.status(train.training_directory(uri, kind))
    if kind == tune.KIND:
        return tune.status(tune.sweep_directory(uri))
    if kind == index.KIND:
        return index.status(index.index_directory(uri))
    if kind == lookup.KIND:
        return lookup.status(lookup.lookup_directory(uri))
    if kind == sample.KIND:
        return sample.status(sample.SampleDirectory(uri))
    if kind is not None:  # made in one go
        return WorkDirectory(uri, kind, f"a {kind} model").status(True, [], [artefacts.CONFIG])
    if RunDirectory(uri).exists():
        return run_status.status(RunDirectory(uri))
    if PipelineDirectory(uri).exists():
        return pubmed.status(PipelineDirectory(uri))
    if array.runs_of(uri):
        return array.status(uri)
    raise InputError("holds no run, pipeline, sweep, training, index, lookup or sample of raybel", path=uri)
