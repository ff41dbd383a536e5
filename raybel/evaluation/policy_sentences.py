"""What a score says about its policy: which mentions count and when they are right, in words, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from raybel.display import counted, relative
from raybel.evaluation.policy import CATEGORIES, COUNTING, ConceptNumbers

#: When a mention is right, where that needs saying.
_RULES = {
    "all": (
        "NIL is right if nothing is linked. A composite is right at k if all its n ids are among the first max(k, n). "
        "An id that the ontology doesn't know is right only where the very same id is predicted."
    ),
    "belb": "A composite is right at k if any of its ids is among the first k.",
}


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
    included = [words for name, words in described.items() if name in COUNTING[policy]]
    left_out = [words for name, words in described.items() if name not in COUNTING[policy]]
    known = "those with one id" + (" that the ontology knows" if concepts.ontology else "")
    if policy == "linkable":
        included = [known]
    elif policy == "unseen":
        included = [f"{known}, and that training doesn't have with this surface"]
        left_out.insert(0, f"{tally['single'] - int(counts.sum()):,} whose surface training has with the same concept")
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
    categories: Sequence[str],
    counts: np.ndarray,
    rankings: Sequence[Sequence[str] | None],
    parts: Collection[int] = (),
) -> list[str]:
    """Say with counts which mentions count, which are left out, when they are right, and what the predictions lack.

    Args:
        policy: One of `POLICIES`.
        concepts: Of all ids.
        golds: Each gold mention's ids, None where it isn't annotated.
        categories: Each gold mention's category.
        counts: Which of them count.
        rankings: Each gold mention's predicted ids, None where it has no counterpart in the predictions.
        parts: The places of composites whose parts the predictions have.
    """
    sentences = count_sentences(policy, concepts, golds, categories, counts)
    if policy in _RULES:
        sentences.append(_RULES[policy])
    if policy == "biosyn":
        sentences += _composites(categories.count("composite"), len(parts))
    if policy in ("belb", "biosyn") and (unknown := categories.count("unknown")):
        sentences.append(
            f"{counted(unknown, 'mention')} with an id that the ontology doesn't know can't be right unless the very "
            f"same id is predicted{'; BELB leaves such ids out' if policy == 'belb' else ''}."
        )
    by_parts = set(parts) if policy == "biosyn" else set()
    scored = [rankings[place] for place in np.flatnonzero(counts).tolist() if place not in by_parts]
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


def _composites(composites: int, by_parts: int) -> list[str]:
    """Say how `biosyn` judges composites, given how many there are and of how many the predictions have the parts."""
    sentences = []
    if by_parts:
        sentences.append(
            f"{counted(by_parts, 'composite')} of which the predictions have the parts: right at k if each has one "
            "of the composite's ids among its first k."
        )
    if whole := composites - by_parts:
        sentences.append(
            f"{counted(whole, 'composite')} linked as one mention, of which the predictions have no parts (BioSyn "
            "splits the text of composites, and links and judges each part): right at k if all its n ids are among the "
            "first max(k, n)."
        )
    return sentences


def together(described: Sequence[Sequence[str]]) -> list[str]:
    """Return what is said of several policies: a paragraph for each, then what holds for all of them, once.

    Args:
        described: What `describe_policy` says of each; of one policy it stays as it is.
    """
    if len(described) == 1:
        return list(described[0])
    shared = [sentence for sentence in described[0][2:] if all(sentence in other for other in described)]
    return [" ".join(sentence for sentence in own if sentence not in shared) for own in described] + shared
