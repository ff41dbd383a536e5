"""The scoring policy: which gold mentions count, when a ranking is right, and when two ids mean the same.

docs/scoring.md says where each policy comes from; `policy_sentences` says it with the counts of a corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from raybel.display import counted
from raybel.evaluation import metrics
from raybel.ontology import Ontology

#: What a gold mention is, and how a number of them is described.
CATEGORIES = {
    "single": "with one id",
    "composite": "with several ids (composite)",
    "nil": "without a concept (NIL)",
    "unknown": "with an id that the ontology doesn't know",
    "unannotated": "without a gold annotation",
}
#: Which categories count under each policy; of `unseen`, those that training lacks.
COUNTING = {
    "linkable": ("single",),
    "all": ("single", "composite", "nil", "unknown"),
    "belb": ("single", "composite", "unknown"),
    "biosyn": ("single", "composite", "unknown"),
    "unseen": ("single",),
}
POLICIES = tuple(COUNTING)
#: Stands for each policy that the inputs allow.
EVERY = "every"
#: The policies that scores of spans know.
SPAN_POLICIES = ("linkable", "all")


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


def which_count(categories: Sequence[str], policy: str, pair_seen: Sequence[bool | None] | None = None) -> np.ndarray:
    """Return which mentions count under a policy: bool (mentions,).

    Args:
        categories: Each gold mention's category.
        policy: One of `POLICIES`.
        pair_seen: Whether training has a mention's surface with its concept; `unseen` needs it.
    """
    counts = np.array([name in COUNTING[policy] for name in categories], dtype=bool)
    if policy == "unseen":
        assert pair_seen is not None, "the policy unseen needs to know what training has"
        counts &= ~np.array([bool(seen) for seen in pair_seen], dtype=bool)
    return counts


def ranks_under(
    policy: str,
    rankings: Sequence[Sequence[int]],
    golds: Sequence[Sequence[int]],
    parts: Mapping[int, Sequence[Sequence[int]]],
) -> np.ndarray:
    """Return each mention's rank by a policy's rule: int32 (mentions,), see `metrics`.

    `belb` takes any id of a composite, `biosyn` wants every part right where the predictions have parts, and the rest
    (`biosyn` too, where there are none) all of its ids: `metrics.any_rank`, `parts_rank` and `gold_rank`.

    Args:
        policy: One of `POLICIES`.
        rankings: Each mention's concepts as numbers, best first; empty for none.
        golds: Each mention's gold concepts as numbers.
        parts: For a composite's place among the mentions, the rankings of its parts.
    """
    if policy == "belb":
        pairs = zip(rankings, golds, strict=True)
        return np.fromiter((metrics.any_rank(ranking, gold) for ranking, gold in pairs), dtype=np.int32)
    ranks = metrics.gold_ranks(rankings, golds)
    if policy == "biosyn":
        for place, part_rankings in parts.items():
            ranks[place] = metrics.parts_rank(part_rankings, golds[place])
    return ranks


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
