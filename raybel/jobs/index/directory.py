"""A dense index's directory: what embedding goes on from, and, once it is finished, what the generator loads."""

from __future__ import annotations

from raybel.candidates.dense import ENCODER, INDEX, KIND, block_name
from raybel.files import artefacts, storage
from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory

#: For each string its row in given vectors, or -1.
GIVEN_ROWS = "given_rows.npy"
_OUTPUTS = (
    *("vectors-*.npy", "first_pair.npy", "concept_frequency.npy", "aliases.arrow"),
    *(ENCODER, INDEX, GIVEN_ROWS, artefacts.CONFIG),
)


def index_directory(uri: str) -> WorkDirectory:
    """Return the directory of a dense index."""
    return WorkDirectory(uri, KIND, "an index", "--out-index", outputs=_OUTPUTS)


def status(work: WorkDirectory) -> Status:
    """Say how far an index is: chunks of strings that are embedded."""
    chunks = (work.read() or {}).get("chunks", 0)
    present = set(storage.entries(work.uri))
    embedded = [block_name(number) for number in range(chunks) if block_name(number) in present]
    figures = [("chunks embedded", f"{len(embedded):,} of {chunks:,}")] if chunks else []
    finished = artefacts.CONFIG in present
    return work.status(finished, figures, [DESCRIPTION, *embedded, *([artefacts.CONFIG] if finished else [])])
