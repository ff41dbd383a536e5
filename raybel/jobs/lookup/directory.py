"""A lookup's directory: a file for each range of the surfaces' hashes; every start begins anew."""

from __future__ import annotations

from raybel.candidates.lookup import ALIASES, KIND
from raybel.files import artefacts, storage
from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory

#: Where readers that die are recorded while it is made.
READERS = "readers"


def range_name(number: int) -> str:
    """Return the name of a range's file."""
    return f"range-{number:05d}.arrow"


def lookup_directory(uri: str) -> WorkDirectory:
    """Return the directory of a lookup."""
    return WorkDirectory(
        uri, KIND, "a lookup", "--output", outputs=("range-*.arrow", ALIASES, READERS, artefacts.CONFIG)
    )


def status(work: WorkDirectory) -> Status:
    """Say how far a lookup is: ranges that are searched."""
    ranges = (work.read() or {}).get("ranges", 0)
    present = set(storage.entries(work.uri))
    searched = [range_name(number) for number in range(ranges) if range_name(number) in present]
    figures = [("ranges searched", f"{len(searched):,} of {ranges:,}")] if ranges else []
    finished = artefacts.CONFIG in present
    return work.status(finished, figures, [DESCRIPTION, *searched, *([artefacts.CONFIG] if finished else [])])
