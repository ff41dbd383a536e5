"""Which wrong candidates are siblings of the right one: the hardest to tell from it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.ontology import Ontology
from raybel.rerank.parameters import CrossEncoderParameters


def siblings(ontology: Ontology, concepts: np.ndarray, gold: int) -> list[bool]:
    """Return which candidates share a parent with the right one; the right one itself isn't its own sibling.

    Args:
        ontology: Its concepts without parents have no siblings.
        concepts: The candidates' rows of the ontology, int32.
        gold: The place of the right candidate; -1 where it isn't among them: none is a sibling.
    """
    if gold < 0:
        return [False] * len(concepts)
    parents = [set(ids or ()) for ids in ontology.table["parents"].take(pa.array(concepts)).to_pylist()]
    return [place != gold and bool(of & parents[gold]) for place, of in enumerate(parents)]


def sibling_notes(ontology: Ontology, parameters: CrossEncoderParameters) -> list[str]:
    """Return what a person should know: that there are no siblings where there is to be a margin between them."""
    any_parent = pc.max(pc.list_value_length(ontology.table["parents"])).as_py()
    if not parameters.sibling_margin or any_parent:
        return []
    return [f"{ontology.path} has no parents: no candidates are siblings (sibling_margin)"]
