"""The scoring policy: which gold mentions count, when two ids mean the same, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from raybel.display import counted, relative
from raybel.ontology import Ontology

Policy = Literal["linkable", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
#: What a gold mention is, and how a number of them is described.
CATEGORIES = {
    "single": "with one id",
    "composite": "with several ids (composite)",
    "nil": "without a concept (NIL)",
    "unknown": "with an id that the ontology doesn't know",
    "unannotated": "without a gold annotation",
}
_COUNTING = {"linkable": ("single",), "all": ("single", "composite", "nil", "unknown")}


class ConceptNumbers:
    """A number for each concept id, the same for all ids of a concept.

    An id or alternative id of the ontology has its concept's row, any other id a number beyond the rows: it is equal
    to itself alone. Without an ontology that holds for all ids.

    Args:
        ontology: None where there is none.
        ids: Every id that will be asked for, repeated or not; looked up together.
    """

    def __init__(self, ontology: Ontology | None, ids: Iterable[str]) -> None:
        distinct = list(dict.fromkeys(ids))
        self.ontology = ontology
        self.rows = 0 if ontology is None else len(ontology)
        rows = [-1] * len(distinct) if ontology is None else ontology.indices(distinct).tolist()
        self._numbers = {
            concept_id: row if row >= 0 else self.rows + place
            for place, (concept_id, row) in enumerate(zip(distinct, rows, strict=True))
        }

    def of(self, ids: Iterable[str]) -> list[int]:
        """Return the numbers of ids, in order."""
        return [self._numbers[concept_id] for concept_id in ids]

    def in_ontology(self, concept_id: str) -> bool:
        """True for an id or alternative id of the ontology, and for every id where there is no ontology."""
        return self.ontology is None or self._numbers[concept_id] < self.rows


def category(gold: Sequence[str] | None, concepts: ConceptNumbers) -> str:
    """Return which of `CATEGORIES` a gold mention is; two ids of one concept are a composite, as published."""
    if gold is None:
        return "unannotated"
    if len(gold) != 1:
        return "composite" if gold else "nil"
    return "single" if concepts.in_ontology(gold[0]) else "unknown"


def which_count(categories: Sequence[str], policy: str) -> np.ndarray:
    """Return which mentions count under a policy: bool (mentions,)."""
    return np.array([name in _COUNTING[policy] for name in categories], dtype=bool)


def foreign_types(types: Sequence[str], golds: Sequence[Sequence[str] | None], concepts: ConceptNumbers) -> list[str]:
    """Say which types of mentions the ontology can't hold: those with gold ids of which it knows none.

    Args:
        types: Each mention's type.
        golds: Each mention's gold ids, None where it isn't annotated.
        concepts: Of all gold ids, with the ontology.
    """
    if concepts.ontology is None:
        return []
    examples: dict[str, str] = {}
    annotated: Counter[str] = Counter()
    known: set[str] = set()
    for kind, ids in zip(types, golds, strict=True):
        if ids:
            annotated[kind] += 1
            examples.setdefault(kind, ids[0])
            if kind not in known and any(map(concepts.in_ontology, ids)):
                known.add(kind)
    foreign = [kind for kind in annotated if kind not in known]
    if not foreign:
        return []
    described = (
        f"{kind or 'no type'} ({counted(annotated[kind], 'mention')}, such as {examples[kind]})" for kind in foreign
    )
    others = [kind for kind in annotated if kind in known]
    advice = f"; --mention-types {','.join(others)} leaves them out" if others and "" not in others else ""
    return [f"The ontology knows no gold id of these types: {', '.join(described)}{advice}."]


def count_sentences(
    policy: str,
    concepts: ConceptNumbers,
    golds: Sequence[Sequence[str] | None],
    categories: Sequence[str],
    counts: np.ndarray,
) -> list[str]:
    """Say with numbers which gold mentions count and which are left out, and what an alternative id counts as.

    Args:
        policy: One of `POLICIES`.
        concepts: Of all ids.
        golds: Each gold mention's ids, None where it isn't annotated.
        categories: Each gold mention's category.
        counts: Which of them count.
    """
    tally = Counter(categories)
    described = {name: f"{tally[name]:,} {words}" for name, words in CATEGORIES.items() if tally[name]}
    if "unknown" in described:
        example = golds[categories.index("unknown")]
        described["unknown"] += f" (such as {', '.join(example or ())})"
    included = [words for name, words in described.items() if name in _COUNTING[policy]]
    left_out = [words for name, words in described.items() if name not in _COUNTING[policy]]
    if policy == "linkable":
        included = ["those with one id" + (" that the ontology knows" if concepts.ontology else "")]
    sentences = [
        f"Policy {policy}: {int(counts.sum()):,} of {counted(len(golds), 'gold mention')} count: "
        f"{', '.join(included)}.",
        f"Left out: {', '.join(left_out)}." if left_out else "None is left out.",
    ]
    if concepts.ontology is None:
        sentences.append(
            "No ontology is given (--ontology): ids are compared as they are written, so an alternative id is wrong, "
            "and whether an ontology knows the gold ids isn't known."
        )
    else:
        sentences.append(f"Alternative ids count as their concept's id ({relative(concepts.ontology.path)}).")
    return sentences


def describe_policy(
    policy: str,
    concepts: ConceptNumbers,
    golds: Sequence[Sequence[str] | None],
    rankings: Sequence[Sequence[str] | None],
) -> list[str]:
    """Say with counts which mentions count, which are left out, and what the predictions lack.

    Args:
        policy: One of `POLICIES`.
        concepts: Of all ids.
        golds: Each gold mention's ids, None where it isn't annotated.
        rankings: Each gold mention's predicted ids, None where it has no counterpart in the predictions.
    """
    categories = [category(gold, concepts) for gold in golds]
    counts = which_count(categories, policy)
    sentences = count_sentences(policy, concepts, golds, categories, counts)
    if policy == "all":
        sentences.append(
            "NIL is right if nothing is linked. A composite is right at k if all its n ids are among the first "
            "max(k, n). An id that the ontology doesn't know is right only where the very same id is predicted."
        )
    scored = [ranking for ranking, counts_ in zip(rankings, counts.tolist(), strict=True) if counts_]
    absent, empty = sum(ranking is None for ranking in scored), sum(ranking == [] for ranking in scored)
    if absent or empty:
        sentences.append(
            f"Of those that count, not among the predicted mentions: {absent:,}; linked to nothing: {empty:,}; "
            + ("right for NIL, else wrong." if policy == "all" else "all wrong.")
        )
    predicted = {concept_id for ranking in scored for concept_id in ranking or ()}
    foreign = {concept_id for concept_id in predicted if not concepts.in_ontology(concept_id)}
    if foreign:
        sentences.append(f"Predicted ids that aren't in the ontology: {len(foreign):,} (such as {min(foreign)}).")
    return sentences
