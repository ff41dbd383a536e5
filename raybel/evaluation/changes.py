"""Mentions that two runs link differently: counted by the two links, with an example of each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from raybel.evaluation.tallies import Frequent

#: What kinds of changes there are. With gold: the second run has right what the first one has wrong, the other way
#: round, or both are as right or as wrong as each other. Without: the links differ.
GAINED, LOST, OTHER, CHANGED = "gained", "lost", "other", "changed"
#: A row for each mention that two runs link differently. `first` and `second` are runs, `first_link` and `second_link`
#: their links, null where there is none. `policy` and `gold` are null without a gold corpus.
CHANGES = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("policy", pa.string()),
        ("change", pa.string()),
        ("doc_id", pa.string()),
        ("mention_id", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("text", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("first_link", pa.string()),
        ("second_link", pa.string()),
    ]
)
#: A change's kind, and the concept ids of both links.
Key = tuple[str, str | None, str | None]
#: Distinct changes that are counted at a time: some 100 MB with their examples.
MOST_CHANGES = 100_000
#: Rows that are turned into an Arrow table at once: as Python objects they take ten times the memory.
_BATCH = 1 << 14


@dataclass
class Change:
    """A mention of one link in the first run and another one in the second run, for all such mentions.

    Args:
        kind: `GAINED`, `LOST`, `OTHER` or `CHANGED`.
        first: The first run's concept id; None for no link.
        second: The second run's.
        example: The first such mention: the columns of `CHANGES` that are the mention's own. With `before` and `after`,
            what stands around it, where that is known.
        times: Number of such mentions; see `Changes.error`.
        place: Of the example's document: the file, and its number in there; None where `before` is known.
    """

    kind: str
    first: str | None
    second: str | None
    example: dict[str, Any]
    times: int = 0
    place: tuple[str, int] | None = None


@dataclass
class Changes:
    """The changes from one run to another one.

    Memory: an example for each distinct pair of links, at most `most` of them; of `rows`, every change. Of more pairs
    the rare ones are forgotten, and come back as new (`tallies.Frequent`): `Change.times` is then too low by at most
    `error`, and never too high. `totals` are exact.

    Args:
        runs: The columns `first`, `second` and `policy` of each row.
        keep_rows: Whether every mention that changed is kept, for `table`.
        most: How many distinct changes are counted at a time.
    """

    runs: Mapping[str, Any]
    keep_rows: bool = False
    most: int = MOST_CHANGES
    totals: Counter[str] = field(default_factory=Counter)
    _changes: dict[Key, Change] = field(default_factory=dict)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _batches: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._times: Frequent[Key] = Frequent(self.most)

    @property
    def error(self) -> int:
        """How much too low the count of a change may be; 0 where all were counted."""
        return self._times.error

    def add(
        self,
        kind: str,
        first: str | None,
        second: str | None,
        mention: Mapping[str, Any],
        place: tuple[str, int] | None = None,
    ) -> None:
        """Count a mention that changed.

        Args:
            kind: Of the change.
            first: The first run's concept id, None for no link.
            second: The second run's.
            mention: Its columns of `CHANGES`, and more.
            place: Its document's file, and the document's number in there.
        """
        self.totals[kind] += 1
        key, error = (kind, first, second), self.error
        if key not in self._changes:
            self._changes[key] = Change(*key, dict(mention), place=place)
        self._times.add(key)
        if self.error > error:
            self._changes = {each: change for each, change in self._changes.items() if each in self._times.counts}
        if self.keep_rows:
            own = {name: mention.get(name) for name in CHANGES.names}
            self._rows.append({**own, **self.runs, "change": kind, "first_link": first, "second_link": second})
            if len(self._rows) >= _BATCH:
                self._pack()

    def sentences(self) -> list[str]:
        """Say what isn't exact."""
        if not self.error:
            return []
        return [
            f"There are too many different changes from {self.runs['first']} to {self.runs['second']} to count each: "
            f"how often one occurs may be too low by up to {self.error:,}, and rare ones are left out."
        ]

    def of(self, kind: str) -> list[Change]:
        """Return the distinct changes of a kind, the most frequent first, else in the order of their first mentions."""
        counts = self._times.counts
        found = [replace(change, times=counts[key]) for key, change in self._changes.items() if change.kind == kind]
        return sorted(found, key=lambda change: -change.times)

    def table(self) -> pa.Table:
        """Return the mentions that changed as a table of `CHANGES`, in their order; none where they weren't kept."""
        self._pack()
        return pa.concat_tables([CHANGES.empty_table(), *self._batches])

    def _pack(self) -> None:
        if self._rows:
            self._batches.append(pa.Table.from_pylist(self._rows, schema=CHANGES))
            self._rows = []
