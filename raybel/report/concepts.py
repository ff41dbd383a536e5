"""What concepts are called and mean, for the few that a page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from raybel.corpus.documents import quote_id
from raybel.ontology import Ontology


@dataclass(frozen=True)
class ConceptText:
    """A concept's words.

    Args:
        name: Its name, "" where it isn't known.
        definition: Its definition, "" where it has none.
    """

    name: str = ""
    definition: str = ""


def concept_texts(ontology: Ontology | None, ids: Iterable[str], most: int = 600) -> dict[str, ConceptText]:
    """Return what an ontology says of some ids, alternative ones too; those that it doesn't know are left out.

    Args:
        ontology: None where it isn't there.
        ids: Repeated or not.
        most: Characters of a definition; longer ones are cut, and end in an ellipsis.
    """
    distinct = sorted(set(ids))
    if ontology is None or not distinct:
        return {}
    rows = ontology.indices(distinct)
    known = [(concept_id, row) for concept_id, row in zip(distinct, rows.tolist(), strict=True) if row >= 0]
    table = ontology.table.select(["name", "definition"]).take(pa.array([row for _, row in known], pa.int64()))
    return {
        concept_id: ConceptText(text["name"] or "", _cut(text["definition"] or "", most))
        for (concept_id, _), text in zip(known, table.to_pylist(), strict=True)
    }


def joined_ids(ids: Iterable[str]) -> str:
    """Return the ids of a mention as corpora write them; of NIL, `NIL`."""
    return "|".join(map(quote_id, ids)) or "NIL"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
