"""Labelled examples, cross-fitted so that no mention's own document gives away its answer.

A generator that has training mentions as aliases finds a training mention by its very own string. In training,
candidates for a document's mentions are therefore searched as if that document's mentions weren't among the aliases:
aliases that only they added are left out, and frequencies are reduced by theirs (leave one document out).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from raybel.candidates.base import ExcludedMentions, Generator
from raybel.candidates.evidence import Evidence, places_of
from raybel.ontology import Ontology
from raybel.rerank.cascade import Cascade
from raybel.rerank.examples import Describer, Example, document_examples
from raybel.rerank.prior_features import first_concepts
from raybel.rerank.training.alias_scopes import AliasScope
from raybel.rerank.training.siblings import siblings
from raybel.rerank.training.sure import are_sure


def gold_rows(mentions: Sequence[dict[str, Any]], ontology: Ontology) -> list[int]:
    """Return the concept index of each mention with a single id that the ontology knows, -1 for the others."""
    ids = [mention["gold"][0] if mention["gold"] and len(mention["gold"]) == 1 else None for mention in mentions]
    rows = iter(ontology.indices([concept_id for concept_id in ids if concept_id is not None]).tolist())
    return [-1 if concept_id is None else next(rows) for concept_id in ids]


def labelled_examples(
    documents: Sequence[dict[str, Any]],
    generator: Generator,
    ontology: Ontology,
    describer: Describer,
    context: str,
    top_k: int,
    alias_scope: AliasScope = "all",
    first: int = 0,
    rule: Cascade | None = None,
) -> list[list[Example]]:
    """Return each document's linkable mentions as examples with their gold candidate.

    Args:
        documents: Their `passages` and `mentions` as in `schemas.DOCUMENT`.
        generator: Finds candidates.
        ontology: The ontology that candidates and gold ids refer to.
        describer: Looks up the candidates' names.
        context: `sentence`, `passage` or `document`.
        top_k: Candidates per mention.
        alias_scope: Which aliases count; see `alias_scopes`.
        first: Number of the first document.
        rule: Says which mentions are sure, by their candidates without what doesn't count; None for none of them.
    """
    linkable, every = [], [document["mentions"] for document in documents]
    for document in documents:
        golds = gold_rows(document["mentions"], ontology)
        rows = [row for row, gold in enumerate(golds) if gold >= 0]
        mentions = [document["mentions"][row] for row in rows]
        linkable.append(({**document, "mentions": mentions}, [golds[row] for row in rows]))
    # A surface is searched once, or once for each document whose mentions don't count.
    surfaces: list[str] = []
    counts: list[Counter[tuple[str, int]]] = []
    query_of: dict[tuple[int, str], int] = {}
    for number, (document, golds) in enumerate(linkable):
        left_out = -1 if alias_scope == "all" else number
        pairs = Counter(zip((mention["surface"] for mention in document["mentions"]), golds, strict=True))
        # What isn't linkable tells of the others, too, as it does in linking.
        searched = document["mentions"] if describer.known is None else every[number]
        for surface in (mention["surface"] for mention in searched):
            if (left_out, surface) not in query_of:
                query_of[left_out, surface] = len(surfaces)
                surfaces.append(surface)
                counts.append(pairs)
    own = None if alias_scope == "all" else ExcludedMentions(counts)
    excluded = ExcludedMentions() if alias_scope == "dictionary" else own
    candidates = generator.search(surfaces, top_k, excluded) if surfaces else []
    described = describer.describe(candidates, surfaces, excluded, own)
    sure = [False] * len(surfaces)
    if rule is not None:
        sure = are_sure(rule, Evidence(generator.alias_table), surfaces, candidates, excluded)
    by_document = []
    for number, (document, golds) in enumerate(linkable):
        left_out = -1 if alias_scope == "all" else number
        queries = [query_of[left_out, mention["surface"]] for mention in document["mentions"]]
        examples = document_examples(
            document,
            [candidates[query] for query in queries],
            [described[query] for query in queries],
            context,
            first + number,
            None if describer.known is None else _beside(every[number], left_out, query_of, candidates),
        )
        places = places_of([example.candidates for example in examples], golds)
        by_document.append(
            [
                replace(
                    example,
                    gold=gold,
                    sure=sure[query],
                    siblings=siblings(ontology, example.candidates["concept"], gold),
                )
                for example, gold, query in zip(examples, places, queries, strict=True)
            ]
        )
    return by_document


def _beside(
    mentions: Sequence[dict[str, Any]],
    left_out: int,
    query_of: Mapping[tuple[int, str], int],
    candidates: Sequence[np.ndarray],
) -> list[tuple[str, int]]:
    """Return what a document's mentions have as their first candidates."""
    return first_concepts(mentions, [candidates[query_of[left_out, mention["surface"]]] for mention in mentions])
