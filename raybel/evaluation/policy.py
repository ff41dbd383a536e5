"""The scoring policy: which gold mentions count, when two ids mean the same, and how that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from raybel.ontology import Ontology

Policy = Literal["linkable", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
#: What a gold mention is, and how a number of them is told.
CATEGORIES = {
    "single": "with one id",
    "composite": "with several ids (composite)",
    "nil": "without a concept (NIL)",
    "unknown": "with an id that the ontology doesn't know",
    "unannotated": "without a gold annotation",
}
_COUNTING = {"linkable": ("single",), "all": ("single", "composite", "nil", "unknown")}


class Codes:
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
        self.of = {
            concept_id: row if row >= 0 else self.rows + number
            for number, (concept_id, row) in enumerate(zip(distinct, rows, strict=True))
        }

    def all(self, ids: Iterable[str]) -> list[int]:
        """Return the numbers of ids, in order."""
        return [self.of[one] for one in ids]

    def known(self, concept_id: str) -> bool:
        """True for an id or alternative id of the ontology, and for every id where there is no ontology."""
        return self.ontology is None or self.of[concept_id] < self.rows


def category(gold: Sequence[str] | None, codes: Codes) -> str:
    """Return which of `CATEGORIES` a gold mention is; two ids of one concept are a composite, as published."""
    if gold is None:
        return "unannotated"
    if len(gold) != 1:
        return "composite" if gold else "nil"
    return "single" if codes.known(gold[0]) else "unknown"


def counting(categories: Sequence[str], policy: str) -> np.ndarray:
    """Return which mentions count under a policy: bool (mentions,)."""
    return np.array([each in _COUNTING[policy] for each in categories], dtype=bool)


def sentences(
    policy: str, codes: Codes, golds: Sequence[Sequence[str] | None], rankings: Sequence[Sequence[str] | None]
) -> list[str]:
    """Say with counts which mentions count, which are left out, and what the predictions lack.

    Args:
        policy: One of `POLICIES`.
        codes: Of all ids.
        golds: Each gold mention's ids, None where it isn't annotated.
        rankings: Each gold mention's predicted ids, None where it has no counterpart in the predictions.
    """
    categories = [category(gold, codes) for gold in golds]
    counts = counting(categories, policy)
    tally = Counter(categories)
    told = {name: f"{tally[name]:,} {words}" for name, words in CATEGORIES.items() if tally[name]}
    if "unknown" in told:
        example = golds[categories.index("unknown")]
        told["unknown"] += f" (such as {', '.join(example or ())})"
    counted = [words for name, words in told.items() if name in _COUNTING[policy]]
    left = [words for name, words in told.items() if name not in _COUNTING[policy]]
    if policy == "linkable":
        counted = ["those with one id" + (" that the ontology knows" if codes.ontology else "")]
    said = [
        f"Policy {policy}: {int(counts.sum()):,} of {len(golds):,} gold mentions count: {', '.join(counted)}.",
        f"Left out: {', '.join(left)}." if left else "None is left out.",
    ]
    if codes.ontology is None:
        said.append(
            "No ontology is given (--ontology): ids are compared as they are written, so an alternative id is wrong, "
            "and whether an ontology knows the gold ids can't be told."
        )
    else:
        said.append(f"Alternative ids count as their concept's id ({codes.ontology.path}).")
    if policy == "all":
        said.append(
            "NIL is right if nothing is linked. A composite is right at k if all its n ids are among the first "
            "max(k, n). An id that the ontology doesn't know is right only where the very same id is predicted."
        )
    scored = [ranking for ranking, counts_ in zip(rankings, counts.tolist(), strict=True) if counts_]
    absent, empty = sum(each is None for each in scored), sum(each == [] for each in scored)
    if absent or empty:
        said.append(
            f"Of those that count, {absent:,} aren't among the predicted mentions and {empty:,} are linked to nothing: "
            + ("right for NIL, else wrong." if policy == "all" else "wrong.")
        )
    foreign = {one for each in scored for one in each or () if not codes.known(one)}
    if foreign:
        said.append(f"{len(foreign):,} predicted ids aren't in the ontology (such as {min(foreign)}).")
    return said
