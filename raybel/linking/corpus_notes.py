"""What a person should know of a corpus that was linked: nothing annotated, types that the ontology can't hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raybel.config import MentionOptions
from raybel.display import counted
from raybel.evaluation.policy import ConceptNumbers, foreign_types
from raybel.ontology import Ontology
from raybel.runs.findings import types_and_golds
from raybel.runs.run_directory import RunDirectory

#: How many mentions are looked at for their types.
SAMPLE = 20_000


def corpus_notes(
    run: RunDirectory,
    shards: Mapping[str, Mapping[str, Any]],
    ontology: Ontology,
    options: MentionOptions,
    types: Sequence[str] = (),
) -> list[str]:
    """Return sentences on a run's input.

    Args:
        run: The run directory.
        shards: The states of its finished shards by their names; of the first ones, to `SAMPLE` mentions, the types are
            looked at.
        ontology: What it was linked to.
        options: How its annotations were read.
        types: Of the mentions that were linked to this ontology; none for all.
    """
    documents, mentions = (sum(state[name] for state in shards.values()) for name in ("documents", "mentions"))
    if documents and not mentions:
        of_types = f" of the types {', '.join(options.mention_types)} (infon {options.type_infon})"
        return [
            f"there was nothing to link: {counted(documents, 'document')} without an annotation that can be used"
            + (of_types if options.mention_types else "; --dictionary or --detector finds mentions in text")
        ]
    kinds, golds = types_and_golds(run, shards, SAMPLE)
    chosen = [place for place, kind in enumerate(kinds) if not types or kind in types]
    kinds, golds = [kinds[place] for place in chosen], [golds[place] for place in chosen]
    concepts = ConceptNumbers(ontology, (concept_id for ids in golds for concept_id in ids or ()))
    return foreign_types(kinds, golds, concepts)
