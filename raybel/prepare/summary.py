"""The outcome of a preparation as values: the command line prints them, tests compare them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from raybel.ontology import Ontology
from raybel.prepare import ids

#: The reason for leaving out a mention whatever the options are; the other reasons are of `ids.ID_KINDS`.
MISPLACED = "text not at its offsets"


@dataclass
class SplitSummary:
    """Counts of one split.

    Args:
        name: `train`, `val` or `test`.
        path: The file that it was read from, None where there is none; all counts are 0 then.
        documents: Distinct documents, which are written.
        repeated: Documents left out because an identical one precedes them in the file.
        mentions: Annotations of the distinct documents: the sum of `kinds` and of the misplaced ones.
        kinds: Mentions by the kind of their ids (`ids.ID_KINDS`), before any is dropped.
        alternatives: Alternative ids that became canonical ones.
        unknown_ids: How often each id that the ontology doesn't know occurs, parts of composites too.
        repaired_ids: Mentions whose id lost stray white space or an empty part.
        repaired_spans: Mentions whose offsets or text were repaired.
        relations: Relations, which are not read.
        dropped: Mentions left out, by reason: `MISPLACED` and, with `drop_unlinkable`, `ids.ID_KINDS`.
        details: One line for each repeated document and each misplaced mention, in file order.
    """

    name: str
    path: str | None = None
    documents: int = 0
    repeated: int = 0
    mentions: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    alternatives: int = 0
    unknown_ids: Counter[str] = field(default_factory=Counter)
    repaired_ids: int = 0
    repaired_spans: int = 0
    relations: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def kept_mentions(self) -> int:
        """Mentions in the output."""
        return self.mentions - self.dropped.total()

    def rows(self) -> list[tuple[str, int]]:
        """Return the counts as (what is counted, count), in the order in which they are shown."""
        kinds = [(f"  {kind}", self.kinds[kind]) for kind in ids.ID_KINDS]
        reasons = [
            (f"  {reason}", self.dropped[reason]) for reason in (MISPLACED, *ids.ID_KINDS) if reason != ids.LINKABLE
        ]
        return [
            ("documents", self.documents),
            ("repeated documents left out", self.repeated),
            ("mentions", self.mentions),
            *kinds,
            ("distinct unknown ids", len(self.unknown_ids)),
            ("alternative ids made canonical", self.alternatives),
            ("ids repaired (white space)", self.repaired_ids),
            ("spans repaired", self.repaired_spans),
            ("relations (not read)", self.relations),
            ("mentions dropped", self.dropped.total()),
            *reasons,
            ("mentions kept", self.kept_mentions),
        ]


def counts_of(ontology: Ontology) -> dict[str, int]:
    """Return what is counted in an ontology that was just prepared, and what preparing it changed in its names."""
    return {**ontology.stats(), **ontology.cleaned}


@dataclass(frozen=True)
class Summary:
    """The outcome of a preparation.

    Args:
        corpus: The corpus's name.
        splits: One each for train, val and test, also where there is no file.
        ontology: `counts_of` the ontology; {} without one.
        notes: What a person should know: missing splits, unknown ids, documents in two splits.
        written: (path, what is in it) of each output, in the order of writing.
    """

    corpus: str
    splits: tuple[SplitSummary, ...]
    ontology: dict[str, int]
    notes: tuple[str, ...] = ()
    written: tuple[tuple[str, str], ...] = ()

    def split(self, name: str) -> SplitSummary:
        """Return a split by its name."""
        return next(split for split in self.splits if split.name == name)
