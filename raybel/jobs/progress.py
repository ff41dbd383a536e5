"""How far a job is that makes shards of a corpus, and how long it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from raybel.runs.parts import COUNTS


@dataclass
class Progress:
    """How far a job is.

    Args:
        files_total: Input files; an archive or a group counts as one.
        files_done: Finished by this start.
        files_before: Finished by earlier starts.
        files_failed: That couldn't be read.
        shards_before: Published by earlier starts.
        chunks: That this start finished.
        counts: Of `COUNTS`, over all that is done, by earlier starts too; without what was set aside.
        own: Of these, `documents` and `mentions` that this start worked on: rates are theirs.
        bytes_before: Of the input files that earlier starts finished; stored ones, as all that follow.
        bytes_total: Of the input files that this start has to do.
        bytes_done: Of these, what was read of the files in work, and all of the others that are over.
        bytes_skipped: Of those that are done, what was read to pass over documents that earlier starts did.
        started: When Ray was there: seconds since the epoch.
        first_chunk: Seconds from then to the first finished chunk; None before it.
    """

    files_total: int
    files_done: int = 0
    files_before: int = 0
    files_failed: int = 0
    shards_before: int = 0
    chunks: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    own: dict[str, int] = field(default_factory=lambda: {"documents": 0, "mentions": 0})
    bytes_before: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    bytes_skipped: int = 0
    started: float = field(default_factory=time.time)
    first_chunk: float | None = None

    @property
    def seconds(self) -> float:
        """Since Ray was there; actors start and load the model in it."""
        return max(time.time() - self.started, 1e-9)

    @property
    def is_over(self) -> bool:
        """True if every input file is finished or set aside."""
        return self.files_before + self.files_done + self.files_failed == self.files_total

    @property
    def share(self) -> float | None:
        """Which part of all input files' bytes was read or is finished; None where they have none."""
        total = self.bytes_before + self.bytes_total
        return (self.bytes_before + self.bytes_done) / total if total else None

    @property
    def seconds_left(self) -> float | None:
        """By the bytes that were read so far; None where no work is done on what was read, or all is read ahead."""
        left, worked = self.bytes_total - self.bytes_done, self.bytes_done - self.bytes_skipped
        if self.is_over:
            return 0.0
        return self.seconds * left / worked if left and worked > 0 else None
