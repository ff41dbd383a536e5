"""A sample's directory: shards of documents, and a table of the mentions of each input that has any.

DIR/shards/NAME             documents with sampled mentions, which alone are annotated
DIR/mentions/NAME.parquet   the sampled mentions of an input; all of them are one table
DIR/state/NAME.json         marks an input whose shards are written
DIR/raybel.json             what the sample is of; says when the mentions are drawn (`drawn`), and what was counted
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raybel.files import storage
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory

KIND = "sample"


@dataclass(frozen=True)
class SampleDirectory:
    """What the sampling job writes, by its path or URI."""

    uri: str

    @property
    def work(self) -> WorkDirectory:
        """The directory as that of a job, which says whose it is."""
        return WorkDirectory(self.uri, KIND, "a sample", "--out-corpus", outputs=("shards", "mentions", "state"))

    def shard_file(self, name: str) -> str:
        """Return the path of a shard."""
        return join(self.uri, "shards", name)

    def mentions_file(self, name: str) -> str:
        """Return the path of the table of an input's mentions."""
        return join(self.uri, "mentions", f"{name}.parquet")

    def state_file(self, name: str) -> str:
        """Return the path of what marks an input whose shards are written."""
        return join(self.uri, "state", f"{name}.json")

    def states(self) -> list[dict[str, Any]]:
        """Return what was counted of each input whose shards are written, in order of their names."""
        folder = join(self.uri, "state")
        return [storage.read_json(join(folder, name)) for name in storage.names(folder)]


def status(directory: SampleDirectory) -> Status:
    """Say how far a sample is: mentions that are drawn, inputs whose shards are written."""
    drawn = (directory.work.read() or {}).get("drawn")
    states = storage.names(join(directory.uri, "state"))
    figures: list[tuple[str, object]] = [("mentions", "not drawn yet")]
    if drawn is not None:
        figures = [("mentions", drawn["sampled"]), ("inputs written", f"{len(states):,} of {drawn['inputs']:,}")]
    finished = drawn is not None and len(states) == drawn["inputs"]
    return directory.work.status(finished, figures, [DESCRIPTION, *(f"state/{name}" for name in states)])
