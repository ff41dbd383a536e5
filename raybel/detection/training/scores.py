"""Strict scores of spans: a mention is right if its place and its type are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.base import Detection, at_least

#: Least scores of mentions that are tried: few, since they are chosen on few mentions. The first one stays unless
#: another one is better by `MARGIN`: models are surer than they should be.
LEAST_SCORES = (0.5, 0.0, 0.3, 0.4, 0.6, 0.7, 0.8)
MARGIN = 0.001
#: The name of the scores of all types together.
ALL = "all"


@dataclass
class SpanCounts:
    """Spans of a type.

    Args:
        right: Found, and gold.
        found: Found.
        gold: Gold.
    """

    right: int = 0
    found: int = 0
    gold: int = 0

    def add(self, other: SpanCounts) -> None:
        """Add another's counts to these."""
        self.right, self.found, self.gold = self.right + other.right, self.found + other.found, self.gold + other.gold

    def scores(self) -> dict[str, float]:
        """Return precision, recall and their harmonic mean F1; 0 where nothing counts."""
        return {
            "precision": self.right / self.found if self.found else 0.0,
            "recall": self.right / self.gold if self.gold else 0.0,
            "F1": 2 * self.right / (self.found + self.gold) if self.found + self.gold else 0.0,
        }


def count_spans(
    documents: Iterable[AnnotatedDocument],
    found: Iterable[Sequence[Sequence[Detection]]],
    types: Sequence[Sequence[str]],
) -> list[dict[str, SpanCounts]]:
    """Return what of each corpus was found, by type.

    What is found of a type that a corpus doesn't annotate doesn't count there. All distinct gold spans count, also
    those that overlap, of which only one can be found.

    Args:
        documents: With gold spans.
        found: Of each document, for each passage.
        types: The types that each corpus annotates.
    """
    counts = [{kind: SpanCounts() for kind in of_corpus} for of_corpus in types]
    for document, of_document in zip(documents, found, strict=True):
        gold = set(document.spans)
        predicted = {
            (passage, each.start, each.end, each.type)
            for passage, of_passage in enumerate(of_document)
            for each in of_passage
        }
        for kind, count in counts[document.corpus].items():
            of_gold = {span for span in gold if span[3] == kind}
            of_found = {span for span in predicted if span[3] == kind}
            count.add(SpanCounts(len(of_gold & of_found), len(of_found), len(of_gold)))
    return counts


def total(counts: Iterable[Mapping[str, SpanCounts]]) -> dict[str, SpanCounts]:
    """Return the counts of several corpora together, by type, and of all types as `ALL`."""
    summed: dict[str, SpanCounts] = {}
    whole = SpanCounts()
    for of_corpus in counts:
        for kind, count in of_corpus.items():
            summed.setdefault(kind, SpanCounts()).add(count)
            whole.add(count)
    return {**dict(sorted(summed.items())), ALL: whole}


def score_table(counts: Iterable[Mapping[str, SpanCounts]]) -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 by type, and of all types as `ALL`."""
    return {kind: count.scores() for kind, count in total(counts).items()}


def fit_least_scores(
    documents: Sequence[AnnotatedDocument],
    found: Sequence[Sequence[Sequence[Detection]]],
    types: Sequence[Sequence[str]],
) -> dict[str, float]:
    """Return the least score for each type with the best F1 of that type on all corpora; see `LEAST_SCORES`.

    Args:
        documents: With gold spans.
        found: Of each document, for each passage, with all scores.
        types: The types that each corpus annotates.
    """
    least_scores: dict[str, float] = {}
    for kind in sorted({kind for of_corpus in types for kind in of_corpus}):
        reached = -1.0
        for least in LEAST_SCORES:
            scores = score_table(count_spans(documents, at_least(found, {kind: least}), types))
            if scores[kind]["F1"] >= reached + MARGIN:
                least_scores[kind], reached = least, scores[kind]["F1"]
    return least_scores
