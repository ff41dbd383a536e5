"""Branches of an ontology: what concepts that training never saw share with those that it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.ontology import Ontology
from raybel.ontology.branches import branches_of_concepts

#: The number that stands for no branch.
NONE = -1


@dataclass(frozen=True)
class Annotated:
    """What training mentions say of concepts and branches.

    Args:
        names: The branches that are annotated, most often first, then by name.
        of_concept: For each concept the number of the branch among its own that is annotated most often, `NONE` for
            concepts in none: int64.
        types_of_branch: For each branch the type that most of its mentions have.
        types_of_concept: The type that most of its mentions have, by concept.
    """

    names: list[str]
    of_concept: np.ndarray
    types_of_branch: list[str]
    types_of_concept: dict[int, str]


def annotated_branches(ontology: Ontology, mentions: Sequence[tuple[str, Sequence[int]]]) -> Annotated:
    """Gather what training mentions say of an ontology's concepts.

    Args:
        ontology: Of the concepts.
        mentions: Type and concepts of each mention.
    """
    branches = branches_of_concepts(ontology)
    of_branch: dict[str, Counter[str]] = {}
    of_concept: dict[int, Counter[str]] = {}
    for kind, concepts in mentions:
        for concept in concepts:
            of_concept.setdefault(concept, Counter())[kind] += 1
            for branch in branches[concept]:
                of_branch.setdefault(branch, Counter())[kind] += 1
    names = sorted(of_branch, key=lambda branch: (-of_branch[branch].total(), branch))
    number = {branch: place for place, branch in enumerate(names)}
    return Annotated(
        names,
        np.array([min((number[each] for each in some if each in number), default=NONE) for some in branches], np.int64),
        [most_common(of_branch[branch]) for branch in names],
        {concept: most_common(types) for concept, types in of_concept.items()},
    )


def most_common(types: Counter[str]) -> str:
    """Return the most frequent type; of equally frequent ones the first by name."""
    return min(types, key=lambda kind: (-types[kind], kind))
