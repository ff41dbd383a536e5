"""Which gold and predicted mentions count for a score, and which of them are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raybel.evaluation import metrics, spans
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import ConceptNumbers
from raybel.evaluation.span_corpora import Side

#: For each side, whether each mention is found or right; None where it doesn't count.
Marks = tuple[list[bool | None], list[bool | None]]


@dataclass(frozen=True)
class Family:
    """Items of both sides that count for a score, and which of them are right.

    Args:
        gold: int64 (items, 2): document, type.
        found: bool (items,).
        predicted: int64 (items, 2): document, type.
        right: bool (items,).
    """

    gold: np.ndarray
    found: np.ndarray
    predicted: np.ndarray
    right: np.ndarray

    def tally(self, documents: int, kind: int | None) -> np.ndarray:
        """Return `spans.tally` of the items of a type, of all where it is None."""
        gold = np.full(len(self.gold), True) if kind is None else self.gold[:, 1] == kind
        predicted = np.full(len(self.predicted), True) if kind is None else self.predicted[:, 1] == kind
        return spans.tally(
            documents, self.gold[gold, 0], self.found[gold], self.predicted[predicted, 0], self.right[predicted]
        )


def span_marks(gold: Side, predicted: Side, pairs: spans.Pairs) -> dict[str, Marks]:
    """Mark the mentions whose span matches, strictly and overlapping; all mentions count."""
    return {
        name: (
            spans.in_any(pairs.gold, chosen, len(gold)).tolist(),
            spans.in_any(pairs.predicted, chosen, len(predicted)).tolist(),
        )
        for name, chosen in (("strict", pairs.same_type & pairs.exact), ("overlapping", pairs.same_type))
    }


def link_marks(
    gold: Side,
    predicted: Side,
    pairs: spans.Pairs,
    concepts: ConceptNumbers,
    counts: np.ndarray,
    config: EvaluateConfig,
) -> dict[str, Marks]:
    """Mark the links of mentions, by the same rule as Acc@1.

    Gold mentions that don't count are left out, and so are predicted ones that overlap such ones and none that counts,
    and under the policy `linkable` those that are linked to nothing.
    """
    golds = [concepts.of(ids or ()) for ids in gold.concepts]
    rankings = [concepts.of(ids or ()) for ids in predicted.concepts]
    candidates = zip(
        pairs.gold.tolist(), pairs.predicted.tolist(), (pairs.same_type & counts[pairs.gold]).tolist(), strict=True
    )
    right = np.array([on and metrics.gold_rank(rankings[b], golds[a]) == 0 for a, b, on in candidates], dtype=bool)
    beside = spans.in_any(pairs.predicted, pairs.same_type & ~counts[pairs.gold], len(predicted))
    beside &= ~spans.in_any(pairs.predicted, pairs.same_type & counts[pairs.gold], len(predicted))
    claims = ~beside & np.array([bool(ranking) or "all" in config.policy for ranking in rankings], dtype=bool)
    marks = {}
    for name, chosen in (("linked strict", right & pairs.exact), ("linked overlapping", right)):
        found = spans.in_any(pairs.gold, chosen, len(gold))
        is_right = spans.in_any(pairs.predicted, chosen, len(predicted))
        marks[name] = (_where(found, counts), _where(is_right, claims))
    return marks


def _where(values: np.ndarray, counts: np.ndarray) -> list[bool | None]:
    return [value if on else None for value, on in zip(values.tolist(), counts.tolist(), strict=True)]


def family_of(
    gold: Side, predicted: Side, codes: dict[str, int], found: list[bool | None], right: list[bool | None]
) -> Family:
    """Return the mentions that count, by their marks.

    Args:
        gold: The gold mentions.
        predicted: The predicted mentions.
        codes: A number for each type.
        found: The gold mentions' marks.
        right: The predicted mentions' marks.
    """
    columns = []
    for side, marks in ((gold, found), (predicted, right)):
        kept = np.array([mark is not None for mark in marks], dtype=bool)
        kinds = [codes[kind] for kind in side.types]
        columns += [
            np.stack([np.array(side.documents, np.int64), np.array(kinds, np.int64)], axis=1)[kept],
            np.array([bool(mark) for mark in marks], dtype=bool)[kept],
        ]
    return Family(*columns)


def document_family(
    gold: Side, predicted: Side, codes: dict[str, int], concepts: ConceptNumbers, config: EvaluateConfig
) -> Family:
    """Return the documents' sets of concepts: each id of gold mentions, the first link of predicted ones.

    As BioCreative V's task on diseases was scored (Wei et al., Database 2016, baw032): a document's distinct ids are
    compared, whatever they were found by, and counted over all documents. A composite is its ids; NIL has none.
    """
    sets: list[set[tuple[int, int, int]]] = []
    for side in (gold, predicted):
        members = set()
        for document, kind, ids in zip(side.documents, side.types, side.concepts, strict=True):
            for concept_id in (ids or ())[: None if side is gold else 1]:
                if side is predicted or "all" in config.policy or concepts.in_ontology(concept_id):
                    members.add((document, codes[kind], concepts.of([concept_id])[0]))
        sets.append(members)
    columns = []
    for own, other in (sets, reversed(sets)):
        items = sorted(own)
        columns += [
            np.array([item[:2] for item in items], np.int64).reshape(-1, 2),
            np.array([item in other for item in items], dtype=bool),
        ]
    return Family(*columns)
