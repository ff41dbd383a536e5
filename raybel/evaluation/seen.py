"""What training has of the gold mentions: their surfaces, their concepts, and both together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from raybel.corpus.documents import DocumentRow
from raybel.display import relative
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import ConceptNumbers


def training_ids(rows: Iterable[DocumentRow]) -> dict[str, set[str]]:
    """Return the gold ids of each surface of training mentions; of a composite, each of its ids.

    Args:
        rows: Documents of the training corpus; mentions without a concept say nothing.
    """
    training: dict[str, set[str]] = {}
    for row in rows:
        for mention in row.mentions:
            if mention["gold"]:
                training.setdefault(mention["surface"], set()).update(mention["gold"])
    return training


def seen_columns(
    training: Mapping[str, set[str]], mentions: Sequence[Mapping[str, Any]], concepts: ConceptNumbers
) -> dict[str, list[bool | None]]:
    """Return whether training has each mention's surface, all its concepts, and these with this surface.

    Args:
        training: As `training_ids` returns it.
        mentions: The gold mentions; None stands for the last two of one without a concept.
        concepts: Of all ids.
    """
    every = set(concepts.of(chain.from_iterable(training.values())))
    columns: dict[str, list[bool | None]] = {"surface_seen": [], "concept_seen": [], "pair_seen": []}
    for mention in mentions:
        gold = concepts.of(mention["gold"] or ())
        of_surface = concepts.of(training.get(mention["surface"], ()))
        columns["surface_seen"].append(mention["surface"] in training)
        columns["concept_seen"].append(every.issuperset(gold) if gold else None)
        columns["pair_seen"].append(set(of_surface).issuperset(gold) if gold else None)
    return columns


def seen_sentence(config: EvaluateConfig) -> str:
    """Say when a surface or a concept counts as seen."""
    expanded = "expanded by their own document" if config.mentions.expand_abbreviations else "as they stand"
    return (
        f"Seen: a mention of {', '.join(map(relative, config.train_corpus))} has the same surface (case, typography "
        f"and white space folded, abbreviations {expanded}), or the same concept."
    )
