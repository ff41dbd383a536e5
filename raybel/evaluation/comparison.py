"""What comes of comparing runs, with gold or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from raybel.errors import InputError
from raybel.evaluation.anchors import Anchors
from raybel.evaluation.changes import CHANGES, Changes
from raybel.evaluation.config import CompareConfig
from raybel.files import tables
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import unfinished

#: A row for each run but the first, policy, group and score: its mentions and the documents that they stand in, both
#: runs' scores and their difference, as shares of 1, with intervals (null where there is too little to resample), and
#: the counts and p-values of `paired.Difference`.
COMPARED = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("policy", pa.string()),
        ("group_kind", pa.string()),
        ("group", pa.string()),
        ("mentions", pa.int64()),
        ("documents", pa.int64()),
        ("metric", pa.string()),
        *((f"{run}_{bound}", pa.float64()) for run in ("first", "second") for bound in ("value", "low", "high")),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("gained", pa.int64()),
        ("lost", pa.int64()),
        ("p_mcnemar", pa.float64()),
    ]
)
#: Mentions and documents that are named where they have no counterpart.
NAMED = 3


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Args:
        runs: The runs as people see them; the first one is what the others are compared with.
        table: Of `COMPARED`, or without gold of `agreement.AGREEMENT`.
        changes: What changed from the first run to each other one: with gold, under each policy, in turn.
        sentences: What was compared, and how, in words.
        anchors: Published figures of the gold corpus by the same policies.
        names: Concept id -> name, of the ids in `changes`, as far as names are known.
        shown: How many changes of each kind are to be shown.
        warnings: What must be known before all else, such as that a run isn't finished.
    """

    runs: tuple[str, ...]
    table: pa.Table
    changes: tuple[Changes, ...]
    sentences: tuple[str, ...]
    anchors: Anchors = field(default_factory=Anchors)
    names: Mapping[str, str] = field(default_factory=dict)
    shown: int = 10
    warnings: tuple[str, ...] = ()

    @property
    def has_gold(self) -> bool:
        """True if the runs were scored."""
        return bool(self.table.schema.equals(COMPARED))

    def changes_shown(self) -> list[Changes]:
        """Return the changes of each pair of runs; of several policies by the first alone: others' are much alike."""
        policies = [each.runs["policy"] for each in self.changes]
        return [each for each in self.changes if each.runs["policy"] == policies[0]]

    def write_mentions(self, uri: str) -> None:
        """Write the mentions that changed, of `changes.CHANGES`, in the format that the file's suffix says."""
        tables.write_rows(uri, pa.concat_tables([CHANGES.empty_table(), *(each.table() for each in self.changes)]))

    def write_summary(self, uri: str) -> None:
        """Write `table` in the format that the file's suffix says."""
        tables.write_rows(uri, self.table)


def warnings_about(config: CompareConfig) -> list[str]:
    """Say which of the runs aren't finished, and whether they keep different numbers of candidates."""
    runs = [run for run in map(run_with_links, dict.fromkeys(config.runs)) if run.exists()]  # BioC files are no run
    warnings = [sentence for run in runs if (sentence := unfinished(run))]
    kept = {run.uri: _top_k(run) for run in runs}
    known = {uri: top_k for uri, top_k in kept.items() if top_k is not None}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{uri} {top_k}" for uri, top_k in known.items())
        warnings.append(
            f"runs keep different numbers of candidates of a mention ({listed}; --top-k): recall beyond the smallest "
            "can't be compared, nor can whole rankings"
        )
    return warnings


def _top_k(run: RunDirectory) -> int | None:
    """Return how many candidates of a mention a run keeps at most; None where it doesn't say."""
    try:
        config = run.manifest().get("config")
    except InputError:  # shards alone
        return None
    return config.get("top_k") if isinstance(config, dict) else None
