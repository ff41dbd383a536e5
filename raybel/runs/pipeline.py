"""The directory of a pipeline from a dump to links: where its steps' outputs are, the runs in it above all.

DIR/options.json        which options and models it was made with; written first
DIR/found/              the run that finds mentions
DIR/lookups/            a lookup for each ontology
DIR/links/              the run that links them
DIR/concepts.parquet    how often each concept is linked
DIR/steps.json          the steps that the last start did or found done, in order
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raybel.files import storage
from raybel.files.storage import join
from raybel.runs.run_directory import RunDirectory

#: Folders of the runs in it.
FOUND, LINKS = "found", "links"


@dataclass(frozen=True)
class PipelineDirectory:
    """What a pipeline leaves, by its path or URI."""

    uri: str

    @property
    def options_file(self) -> str:
        """A hash of what decides the output."""
        return join(self.uri, "options.json")

    @property
    def steps_file(self) -> str:
        """The last start's steps, as JSON."""
        return join(self.uri, "steps.json")

    @property
    def concepts_file(self) -> str:
        """The table of linked concepts."""
        return join(self.uri, "concepts.parquet")

    @property
    def found(self) -> RunDirectory:
        """The run that finds mentions."""
        return RunDirectory(join(self.uri, FOUND))

    @property
    def links(self) -> RunDirectory:
        """The run that links them."""
        return RunDirectory(join(self.uri, LINKS))

    @property
    def lookups(self) -> str:
        """Folder of the lookups."""
        return join(self.uri, "lookups")

    def exists(self) -> bool:
        """True if the directory is a pipeline's."""
        if not storage.exists(self.options_file) or RunDirectory(self.uri).exists():
            return False
        options = storage.read_json(self.options_file)
        return isinstance(options, dict) and "identity" in options

    def steps(self) -> list[dict[str, Any]]:
        """Return the steps that the last start did, or found done, so far."""
        steps: list[dict[str, Any]] = storage.read_json(self.steps_file) if storage.exists(self.steps_file) else []
        return steps


def run_with_links(uri: str) -> RunDirectory:
    """Return the run at a path or URI; of a pipeline's directory, the one in it that links."""
    pipeline = PipelineDirectory(uri)
    return pipeline.links if pipeline.exists() else RunDirectory(uri)
