"""Some concepts of an ontology as an ontology: branches of it, under a type of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.config import FilePath, Option, Words, configuration
from raybel.display import counted
from raybel.errors import ConfigError
from raybel.ontology import Ontology
from raybel.ontology.branches import Hierarchy
from raybel.prepare.outputs import OntologyOut


@configuration
class SelectConfig:
    """Which concepts of an ontology to take, and which type to give them."""

    ontology: Annotated[FilePath, Option("The ontology to take concepts of.", "FILE", made_by="raybel prepare")]
    out: OntologyOut
    branches: Annotated[
        Words,
        Option(
            "Concepts of these branches: a concept's id (it and all below it), the beginning of tree numbers (D, C04), "
            "or a type of the ontology's.",
            "A,B,...",
            "all",
        ),
    ] = ()
    type: Annotated[str | None, Option("The type of all of them, in place of theirs.", "NAME", "they keep theirs")] = (
        None
    )

    def __post_init__(self) -> None:
        if not self.branches and self.type is None:
            raise ConfigError("say which concepts to take (--branches), or which type to give them (--type)")
        if self.type is not None and not self.type.strip():
            raise ConfigError("the type is empty")


@dataclass
class SelectSummary:
    """The outcome of a selection.

    Args:
        concepts: Concepts that were taken.
        counts: What is counted, and its count: concepts of each branch (one may be in several), left out ones.
        notes: What a person should know: concepts that are in no hierarchy.
    """

    concepts: int
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def select_concepts(config: SelectConfig, say: Callable[[str], None] = lambda line: None) -> SelectSummary:
    """Write the concepts of some branches as an ontology; `say` gets a line when a longer step begins.

    They keep their order, and of their parents those that are taken too.

    Raises:
        ConfigError: There is no such branch; the output can't be written.
    """
    ontology = Ontology.open(config.ontology)
    taken = np.full(len(ontology), not config.branches)
    summary = SelectSummary(0)
    if config.branches:
        say("finding the branches")
        hierarchy = Hierarchy(ontology)
        for branch in config.branches:
            members = hierarchy.members(branch)
            summary.counts[f"in {branch}"] = int(members.sum())
            taken |= members
        summary.notes = _notes(ontology, hierarchy.unplaced() & ~taken)
    table = _with_parents_among(ontology.table.filter(pa.array(taken)))
    if config.type is not None:
        place = table.schema.get_field_index("types")
        types = pa.array([[config.type.strip()]] * len(table), table.schema.field(place).type)
        table = table.set_column(place, table.schema.field(place), types)
    say(f"writing {config.out}")
    Ontology(table.combine_chunks(), path=config.out).save(config.out)
    summary.concepts = len(table)
    summary.counts["left out"] = len(ontology) - len(table)
    return summary


def _with_parents_among(table: pa.Table) -> pa.Table:
    """Return a table of concepts without parents that aren't in it."""
    ids = set(table["concept_id"].to_pylist())
    place = table.schema.get_field_index("parents")
    parents = [[each for each in listed or () if each in ids] for listed in table["parents"].to_pylist()]
    return table.set_column(place, table.schema.field(place), pa.array(parents, table.schema.field(place).type))


def _notes(ontology: Ontology, left_out: np.ndarray) -> list[str]:
    """Say how many concepts no branch of a hierarchy can hold, since they are in none, and of which types."""
    if not left_out.any():
        return []
    types = Counter(pc.list_flatten(ontology.table["types"].filter(pa.array(left_out))).to_pylist())
    listed = ", ".join(
        f"{count:,} {name}" for name, count in sorted(types.items(), key=lambda each: (-each[1], each[0]))
    )
    hint = f" ({listed}); --branches takes types, too" if types else ""
    return [f"left out, since they are in no hierarchy: {counted(int(left_out.sum()), 'concept')}{hint}"]
