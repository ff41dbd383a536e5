"""What a person should know of a corpus that was linked: nothing annotated, types that the ontology can't hold."""

from __future__ import annotations

from collections.abc import Iterable

from raybel.config import MentionOptions
from raybel.display import counted
from raybel.evaluation.policy import ConceptNumbers, foreign_types
from raybel.ontology import Ontology
from raybel.runs.findings import types_and_golds
from raybel.runs.run_directory import RunDirectory

#: How many mentions are looked at for their types.
SAMPLE = 20_000


def corpus_notes(
    run: RunDirectory, shards: Iterable[str], ontology: Ontology, options: MentionOptions, documents: int, mentions: int
) -> list[str]:
    """Return sentences on a run's input.

    Args:
        run: The run directory.
        shards: Names of its finished shards; the first ones, to `SAMPLE` mentions, are looked at.
        ontology: What it was linked to.
        options: How its annotations were read.
        documents: How many documents were linked.
        mentions: How many mentions they have.
    """
    if documents and not mentions:
        of_types = f" of the types {', '.join(options.mention_types)} (infon {options.type_infon})"
        return [
            f"there was nothing to link: {counted(documents, 'document')} without an annotation that can be used"
            + (of_types if options.mention_types else "; annotations are the mentions that are linked")
        ]
    types, golds = types_and_golds(run, shards, SAMPLE)
    concepts = ConceptNumbers(ontology, (concept_id for ids in golds for concept_id in ids or ()))
    return foreign_types(types, golds, concepts)
