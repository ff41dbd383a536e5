"""What a re-ranker is shown of a candidate besides its name and the alias that matched.

A name alone often doesn't tell two concepts apart: what else the concept is called, what it is a kind of, and how it is
defined may. Each is a hyper-parameter of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import ExcludedMentions
from raybel.candidates.concept_mentions import ConceptMentions
from raybel.candidates.concept_names import ConceptNames
from raybel.corpus.text import sentences, surface
from raybel.ontology import Ontology
from raybel.ontology.branches import branch_names, branch_of
from raybel.rerank.parameters import CrossEncoderParameters

#: Definitions whose first sentences are kept; about 500 bytes each.
CACHE = 50_000


class Details(NamedTuple):
    """What else is shown of a candidate, in the order in which it is shown.

    Args:
        names: Further names of the concept, the nearest to the mention first.
        types: Its types, in the ontology's order; where it has tree numbers, the name of the first one's branch.
        parents: Names of concepts directly above it, in the ontology's order.
        definition: The first sentence of its definition; "" for none.
        mentions: How many training mentions the concept has; 0 where that isn't shown.
    """

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    definition: str = ""
    mentions: int = 0


#: Of a candidate that nothing else is shown of.
NO_DETAILS = Details()


class DetailFinder:
    """Looks up in memory-mapped tables what else is shown of candidates.

    Args:
        ontology: The ontology whose rows the candidates' concepts are.
        aliases: The generator's alias table; None where it isn't known: neither further names nor training mentions
            are shown then.
        parameters: They say what is shown.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None, parameters: CrossEncoderParameters) -> None:
        self.ontology, self.parameters = ontology, parameters
        wanted = parameters.further_names and aliases is not None
        self.names = ConceptNames(aliases) if wanted else None
        counted = parameters.frequency_token and aliases is not None
        self.mentions = ConceptMentions(aliases) if counted else None
        columns = {
            "types": parameters.concept_type,
            "parents": bool(parameters.parents),
            "definition": bool(parameters.definition),
        }
        self.columns = [column for column, wanted in columns.items() if wanted]
        self.branches = branch_names(ontology) if parameters.concept_type else {}
        if self.branches:
            self.columns.append("tree_numbers")

    def find(
        self,
        concepts: np.ndarray,
        names: Sequence[str],
        aliases: Sequence[str | None],
        surfaces: Sequence[str],
        excluded: ExcludedMentions | None = None,
        own: ExcludedMentions | None = None,
    ) -> list[Details]:
        """Return what else is shown of each candidate.

        Args:
            concepts: Their rows of the ontology, int32.
            names: Their names.
            aliases: Those that matched; None where it is the name, or unknown.
            surfaces: Of their mentions.
            excluded: Training mentions that don't count as names, for each candidate: see `ConceptNames.nearest`.
            own: Training mentions that don't count for how many a concept has, for each candidate: its document's own.
        """
        if not len(concepts) or (self.names is None and self.mentions is None and not self.columns):
            return [NO_DETAILS] * len(concepts)
        further: list[tuple[str, ...]] = [()] * len(concepts)
        if self.names is not None:
            matched = [alias or "" if self.parameters.alias else "" for alias in aliases]
            shown = ([surface(name) for name in names], matched)
            further = self.names.nearest(surfaces, concepts, shown, self.parameters.further_names, excluded)
        mentions = [0] * len(concepts) if self.mentions is None else self.mentions.of(concepts, own).tolist()
        distinct, number = np.unique(concepts, return_inverse=True)
        of_concepts = self._of_concepts(distinct)
        return [
            of_concepts[n]._replace(names=names, mentions=count)
            for n, names, count in zip(number.tolist(), further, mentions, strict=True)
        ]

    def _of_concepts(self, concepts: np.ndarray) -> list[Details]:
        """Return what is shown of concepts whatever the mention."""
        if not self.columns:
            return [NO_DETAILS] * len(concepts)
        table = self.ontology.table.select(self.columns).take(pa.array(concepts))
        held = {name: table[name].to_pylist() for name in self.columns}
        nothing: list[None] = [None] * len(concepts)
        types = [
            self._branch(numbers) or tuple(of_concept or ())
            for of_concept, numbers in zip(held.get("types", nothing), held.get("tree_numbers", nothing), strict=True)
        ]
        definitions = [first_sentence(each or "") for each in held.get("definition", nothing)]
        parents = self._parents(held.get("parents", nothing))
        return [Details((), *of_concept) for of_concept in zip(types, parents, definitions, strict=True)]

    def _branch(self, numbers: Sequence[str] | None) -> tuple[str, ...]:
        """Return the name of the branch that the first tree number is in, if there is one."""
        name = self.branches.get(branch_of(numbers[0])) if numbers else None
        return (name,) if name else ()

    def _parents(self, ids: Sequence[Sequence[str] | None]) -> list[tuple[str, ...]]:
        """Return the names of each concept's first parents; those that the ontology doesn't know, or name, are none."""
        distinct = sorted({parent for of_concept in ids for parent in of_concept or ()})
        if not distinct:
            return [()] * len(ids)
        rows = self.ontology.indices(distinct)
        known = rows >= 0
        names = self.ontology.table["name"].take(pa.array(rows[known])).to_pylist()
        name_of = dict(zip(np.array(distinct, object)[known].tolist(), names, strict=True))
        by_concept = [[name_of.get(parent) for parent in of_concept or ()] for of_concept in ids]
        return [tuple(filter(None, of_concept))[: self.parameters.parents] for of_concept in by_concept]


@lru_cache(CACHE)
def first_sentence(definition: str) -> str:
    """Return the first sentence of a definition; "" where there is nothing to read."""
    spans = sentences(definition)
    return definition[slice(*spans[0])] if spans else ""


def detail_notes(ontology: Ontology, aliases: pa.Table | None, parameters: CrossEncoderParameters) -> list[str]:
    """Return what a person should know: what is to be shown of candidates, and isn't there.

    Args:
        ontology: The candidates'.
        aliases: The generator's alias table; None where it isn't known.
        parameters: They say what is to be shown.
    """
    notes = []
    if parameters.further_names and aliases is None:
        notes.append("the lookup doesn't say which names it was made with: no further names of candidates are shown")
    if parameters.frequency_token and aliases is None:
        notes.append("the lookup doesn't say what it was made with: candidates are shown without training mentions")
    if parameters.prior and aliases is None:
        notes.append("the lookup doesn't say what it was made with: the prior knows of no training mentions")
    for name, column in (("concept_type", "types"), ("parents", "parents"), ("definition", "definition")):
        branches = name == "concept_type" and branch_names(ontology)
        if getattr(parameters, name) and not branches and not _has(ontology.table[column]):
            notes.append(f"{ontology.path} has no {column}: none are shown of candidates ({name})")
    return notes


def _has(column: pa.ChunkedArray) -> bool:
    """True if a column of texts or lists has one that isn't empty; by their lengths alone, which is quick."""
    lengths = pc.list_value_length(column) if pa.types.is_list(column.type) else pc.binary_length(column)
    return bool(pc.max(lengths).as_py())
