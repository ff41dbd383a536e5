"""How far a dictionary beside a token classifier is trusted, fitted on a validation corpus."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.base import Detection, Detector, at_least
from raybel.detection.combined import Rule, combine, fit
from raybel.detection.token_classifier import TokenClassifier
from raybel.detection.training.scores import count_spans, score_table


def fit_with_dictionary(
    classifier: str, dictionary: Detector, documents: Sequence[AnnotatedDocument], types: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Return how far a dictionary is trusted beside a classifier, as JSON values.

    Args:
        classifier: Directory of the token classifier.
        dictionary: The dictionary.
        documents: Of the validation corpora, with gold spans.
        types: The types that each corpus annotates.

    Returns:
        `dictionary`: its fingerprint; `rule`; `scores`: precision, recall and F1 by type of the `classifier` alone, the
        `dictionary` alone, and both `combined`.
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    detector = TokenClassifier.load(classifier, threads=threads)
    texts = [document.passages for document in documents]
    own, others, least = detector.possible(texts), dictionary.detect(texts), detector.least_scores
    only_type = detector.types[0] if len(detector.types) == 1 else ""

    def scores(rule: Rule) -> dict[str, dict[str, float]]:
        found = [
            [combine(*passage, rule, least, only_type) for passage in zip(*document, strict=True)]
            for document in zip(own, others, strict=True)
        ]
        return score_table(count_spans(documents, found, types))

    known = sorted({kind for of_corpus in types for kind in of_corpus})
    rule = fit(known, lambda rule: {kind: values["F1"] for kind, values in scores(rule).items()})
    # The dictionary alone: beside a classifier that finds nothing, each of its mentions counts.
    nothing: list[list[list[Detection]]] = [[[] for _ in passages] for passages in own]
    alone = [
        [combine(*passage, Rule(), least, only_type) for passage in zip(*document, strict=True)]
        for document in zip(nothing, others, strict=True)
    ]
    return {
        "dictionary": dictionary.fingerprint,
        "rule": rule.to_dict(),
        "scores": {
            "classifier": score_table(count_spans(documents, at_least(own, least), types)),
            "dictionary": score_table(count_spans(documents, alone, types)),
            "combined": scores(rule),
        },
    }
