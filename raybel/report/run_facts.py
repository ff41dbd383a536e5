"""What was run: a run's configuration, models, versions and counts, as its directory says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raybel.display import duration, rate
from raybel.errors import without_secrets
from raybel.files.work_directory import LAST_UPDATE, Status
from raybel.runs import status as run_status
from raybel.runs.logs import read_progress
from raybel.runs.parts import COUNTS, sum_counts
from raybel.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class RunFacts:
    """What was run.

    Args:
        manifest: As the run directory has it.
        status: How far the run is.
        counts: Of `runs.parts.COUNTS`, over the shards that are there.
        shards: How many there are.
        progress: How far the last start is; None where it logged nothing.
    """

    manifest: Mapping[str, Any]
    status: Status
    counts: Mapping[str, int]
    shards: int
    progress: Mapping[str, Any] | None

    @classmethod
    def of(cls, run: RunDirectory) -> RunFacts:
        """Read what a run directory says.

        Raises:
            InputError: It isn't one.
        """
        manifest = run.manifest()
        states = run.states()
        counts = sum_counts([{**dict.fromkeys(COUNTS, 0), **state} for state in states])
        return cls(manifest, run_status.status(run), counts, len(states), read_progress(run))

    @property
    def finished(self) -> bool:
        """True if the run is over, even if some files couldn't be read."""
        return self.status.state.startswith("finished")

    @property
    def routes(self) -> list[Mapping[str, Any]]:
        """What mentions are linked to and by which models: one for all, or one for each group of types."""
        config = self.manifest.get("config", {})
        return list(self.manifest.get("routes") or [config])

    @property
    def reranked(self) -> bool:
        """True if the run has a second stage."""
        return any(route.get("reranker_model") for route in self.routes)

    @property
    def detects(self) -> bool:
        """True if the run found the mentions itself."""
        detection = self.manifest.get("config", {}).get("detection") or {}
        return bool(detection.get("detector") or detection.get("dictionary"))

    @property
    def links(self) -> bool:
        """True if the run links mentions; one that only finds them doesn't."""
        return bool(self.routes) and any(route.get("ontology") for route in self.routes)

    def scores(self) -> str:
        """Say what the links' scores are."""
        if self.reranked:
            return "Scores are the re-ranker's."
        identity = self.manifest.get("identity", {})
        parts = identity.get("routes") or [identity]
        calibrated = [bool(part.get("calibration")) for part in parts]
        if all(calibrated):
            return "Scores are probabilities, which were fitted to a validation corpus."
        if any(calibrated):
            return "Scores of some types are probabilities; those of the others are their generators' own."
        return "Scores are the generator's own, which aren't probabilities: it has no calibration."

    def models(self) -> dict[str, object]:
        """Return what mentions were found with, linked to and linked by, for people."""
        named: dict[str, object] = {}
        detection = self.manifest.get("config", {}).get("detection") or {}
        for key in ("detector", "dictionary"):
            named[key] = _shown(detection.get(key))
        for route in self.routes:
            of = f" of {', '.join(route['types'])}" if route.get("types") else ""
            named[f"ontology{of}"] = _shown(route.get("ontology"))
            for key, value in (route.get("generator") or {}).items():
                named[f"{key.replace('_', ' ')}{of}"] = _shown(value)
            named[f"re-ranker{of}"] = _shown(route.get("reranker_model"))
            named[f"threshold{of}"] = _shown(route.get("threshold"))
        return {name: value for name, value in named.items() if value is not None}

    def paths(self) -> list[str]:
        """Return the directories of its models."""
        detection = self.manifest.get("config", {}).get("detection") or {}
        found = [detection.get("detector"), detection.get("dictionary")]
        for route in self.routes:
            found += [route.get("reranker_model"), *(route.get("generator") or {}).values()]
        return [path for path in dict.fromkeys(found) if isinstance(path, str) and path]

    def inputs(self) -> list[str]:
        """Return what it reads, as it was given."""
        given = self.manifest.get("config", {}).get("in_corpus") or []
        return [without_secrets(str(each)) for each in given]

    def work(self) -> dict[str, object]:
        """Return how far the run is and how long the last start took, for people."""
        shown: dict[str, object] = {"state": self.status.state}
        if self.progress:
            seconds, documents = self.progress["seconds"], self.progress["own"]["documents"]
            shown["time (last start)"] = duration(seconds)
            if documents:
                shown["documents/s (last start)"] = rate(documents, seconds)
        return shown

    def settings(self) -> list[tuple[str, str]]:
        """Return every option with its value."""
        return [(name, text) for name, text in _leaves("", self.manifest.get("config", {}))]

    def versions(self) -> dict[str, object]:
        """Return what made it."""
        versions = dict(self.manifest.get("versions", {}))
        own = {"raybel": versions.pop("raybel", None), "git": self.manifest.get("git")}
        others = {"fingerprint": self.manifest.get("fingerprint")}
        return {**own, **others, "with": ", ".join(f"{name} {version}" for name, version in versions.items())}

    def figures(self) -> list[tuple[str, object]]:
        """Return what `raybel status` says, but when it was last updated, which differs between two looks."""
        return [(name.strip(), value) for name, value in self.status.figures if name != LAST_UPDATE]


def _shown(value: Any) -> str | None:
    return None if value in (None, "", []) else without_secrets(str(value))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield options by their names, whichever group they are in; those without a value are left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(key, inner)
    elif isinstance(value, list):
        if value:
            yield path, ", ".join(without_secrets(str(each)) for each in value)
    elif isinstance(value, bool):
        yield path, "yes" if value else "no"
    elif value is not None:
        yield path, without_secrets(str(value))
