"""Examples to learn from: labelled, and cross-fitted, so that no mention's own document tells its answer.

A generator that has training mentions as aliases finds a training mention by its very own string. At training a
document's mentions are therefore searched as if that document's mentions weren't among the aliases: what only they
added is left out, and what they counted doesn't count (leave-one-document-out).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from raybel.candidates.base import ExcludedMentions, Generator
from raybel.ontology import Ontology
from raybel.rerank.examples import Describer, Example, document_examples


def gold_rows(mentions: Sequence[dict[str, Any]], ontology: Ontology) -> list[int]:
    """Return the concept of each mention with a single id that the ontology knows, -1 for the others."""
    ids = [mention["gold"][0] if mention["gold"] and len(mention["gold"]) == 1 else None for mention in mentions]
    rows = iter(ontology.indices([concept_id for concept_id in ids if concept_id is not None]).tolist())
    return [-1 if concept_id is None else next(rows) for concept_id in ids]


def labelled(
    documents: Sequence[dict[str, Any]],
    generator: Generator,
    ontology: Ontology,
    describer: Describer,
    context: str,
    top_k: int,
    regime: str = "all",
    first: int = 0,
) -> list[list[Example]]:
    """Return each document's linkable mentions as examples with their gold candidate.

    Args:
        documents: With `passages` and `mentions` as in `schemas.DOCUMENT`.
        generator: Finds candidates.
        ontology: What they refer to.
        describer: Puts names to them.
        context: `sentence`, `passage` or `document`.
        top_k: Candidates of a mention.
        regime: `all`: every alias counts, as in the link job; `fitted`: without the own document's training mentions;
            `dictionary`: the ontology's names alone.
        first: Number of the first document.
    """
    kept = []
    for document in documents:
        golds = gold_rows(document["mentions"], ontology)
        rows = [row for row, gold in enumerate(golds) if gold >= 0]
        mentions = [document["mentions"][row] for row in rows]
        kept.append(({**document, "mentions": mentions}, [golds[row] for row in rows]))
    excluded: list[Counter[tuple[str, int]]] = []
    surfaces: list[str] = []
    place: dict[tuple[int, str], int] = {}
    for number, (document, golds) in enumerate(kept):
        own = number if regime == "fitted" else -1
        names = [mention["surface"] for mention in document["mentions"]]
        pairs = Counter(zip(names, golds, strict=True))
        for name in names:
            if (own, name) not in place:
                place[own, name] = len(surfaces)
                surfaces.append(name)
                excluded.append(pairs)
    left_out = {"all": None, "fitted": ExcludedMentions(excluded), "dictionary": ExcludedMentions()}[regime]
    found = generator.search(surfaces, top_k, left_out) if surfaces else []
    described = describer.describe(found)
    examples = []
    for number, (document, golds) in enumerate(kept):
        own = number if regime == "fitted" else -1
        rows = [place[own, mention["surface"]] for mention in document["mentions"]]
        made = document_examples(
            document, [found[row] for row in rows], [described[row] for row in rows], context, first + number
        )
        examples.append([_with_gold(example, gold) for example, gold in zip(made, golds, strict=True)])
    return examples


def _with_gold(example: Example, concept: int) -> Example:
    places = np.flatnonzero(example.found["concept"] == concept)
    return replace(example, gold=int(places[0]) if len(places) else -1)
