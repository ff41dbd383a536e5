"""What a score of spans says about itself: the rules in words, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from raybel.display import counted
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import ConceptNumbers
from raybel.evaluation.policy_sentences import count_sentences
from raybel.evaluation.span_corpora import Corpora, Side


def nothing_to_score(config: EvaluateConfig, corpora: Corpora) -> str:
    """Say why a gold corpus without a mention has none."""
    content = counted(corpora.documents, "document")
    others = corpora.gold.other_types
    if config.mentions.mention_types and others:
        listed = ", ".join(sorted(kind or "(no type)" for kind in others))
        return (
            f"no annotation of {content} has one of the types {', '.join(config.mentions.mention_types)}; there are "
            f"{listed} (infon {config.mentions.type_infon})"
        )
    return " ".join([f"there is no annotation to score in {content}.", *corpora.notes])


def types_apart(config: EvaluateConfig, corpora: Corpora) -> str:
    """Say what the types of gold and predictions are where they share none, and how to map them; "" where they do.

    "" too where there are no predictions, or types are ignored.
    """
    gold, predicted = (Counter(side.types) for side in (corpora.gold, corpora.predicted))
    if config.ignore_types or not predicted or gold.keys() & predicted.keys():
        return ""
    one = next((names for names in (predicted, gold) if len(names) == 1 and "" not in names), None)
    other = gold if one is predicted else predicted
    renamed = ",".join(f"{name}={next(iter(one))}" for name in sorted(other)) if one else "OLD=NEW,..."
    return (
        f"Nothing can match, since the types (infon {config.mentions.type_infon}) differ: gold's mentions are "
        f"{_listed(gold)}, the predicted ones {_listed(predicted)}; --type-names {renamed} gives both the same types, "
        "--ignore-types scores spans without types."
    )


def _listed(types: Counter[str]) -> str:
    return ", ".join(f"{types[name]:,} {name or 'without a type'}" for name in sorted(types))


def span_sentences(config: EvaluateConfig, corpora: Corpora) -> list[str]:
    """Say what counts as a match of spans, and what is odd about the types of the two sides."""
    gold, predicted = corpora.gold, corpora.predicted
    types = "" if config.ignore_types else " and type"
    sentences = [
        f"Spans: all {counted(len(gold), 'gold mention')} and {counted(len(predicted), 'predicted mention')} count. "
        f"Strict: same start, end{types}. Overlapping: a character in common{' and the same type' if types else ''}; "
        "one span may match several. Precision is the share of predicted mentions that match, recall that of gold "
        "ones."
    ]
    if config.ignore_types:
        return [*sentences, "Types are ignored."]
    if apart := types_apart(config, corpora):
        return [apart, *sentences]
    known = set(gold.types)
    foreign = Counter(kind for kind in predicted.types if kind not in known)
    if foreign:
        sentences.append(
            f"Predicted mentions of types that gold lacks: {_listed(foreign)}; all wrong. --mention-types chooses "
            "types, --type-names OLD=NEW renames them."
        )
    return sentences


def no_links_to_score(
    gold: Side, concepts: ConceptNumbers, categories: Sequence[str], counts: np.ndarray, config: EvaluateConfig
) -> str:
    """Say why there are no scores of links, though there are links."""
    if set(categories) == {"unannotated"}:
        return (
            f"No gold mention has a concept (infon {config.mentions.gold_infon}; --gold-infon names another one): "
            "spans alone are scored."
        )
    counted_out = count_sentences(config.policies[0], concepts, gold.concepts, categories, counts)
    return " ".join([*counted_out[:2], "So spans alone are scored."])


def link_sentences(
    config: EvaluateConfig,
    gold: Side,
    concepts: ConceptNumbers,
    categories: Sequence[str],
    counts: np.ndarray,
    left_out: int,
) -> list[str]:
    """Say which mentions count for the scores of links and of documents, and when they are right.

    Args:
        config: What is scored.
        gold: The gold mentions.
        concepts: Of all ids.
        categories: Each gold mention's category.
        counts: Which of them count.
        left_out: How many predicted mentions don't.
    """
    sentences = count_sentences(config.policies[0], concepts, gold.concepts, categories, counts)
    sentences[0] = f"Linked: the span matches, and the first link is right. {sentences[0]}"
    unlinked = "" if "all" in config.policy else ", or are linked to nothing"
    if left_out:
        sentences.append(
            f"Neither right nor wrong: {counted(left_out, 'predicted mention')}, which overlap only gold mentions that "
            f"are left out{unlinked}."
        )
    if "all" in config.policy:
        sentences.append(
            "NIL is right if nothing is linked, a composite if all its n ids are the first n links; an id that the "
            "ontology doesn't know, only where the very same id is predicted."
        )
    unknown = (
        ", without those that the ontology doesn't know" if "linkable" in config.policy and concepts.ontology else ""
    )
    sentences.append(
        f"Document: each document's set of concepts of a type, wherever they stand in it: gold ids, those of "
        f"composites one by one{unknown}; predicted, the first links."
    )
    return sentences
