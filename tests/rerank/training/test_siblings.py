import numpy as np

from raybel.ontology import Concept, Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.siblings import sibling_notes, siblings

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D0", "a", parents=["P", "Q"]),
        Concept("D1", "b", parents=["Q"]),
        Concept("D2", "c", parents=["P"]),
        Concept("D3", "d"),
        Concept("D4", "e"),
    ]
)
BARE = Ontology.from_concepts([Concept("D0", "a")], "bare.arrow")


def test_concepts_with_a_parent_in_common():
    every = np.arange(5, dtype=np.int32)
    assert siblings(ONTOLOGY, every, 0) == [False, True, True, False, False]
    assert siblings(ONTOLOGY, every, 1) == [True, False, False, False, False]
    assert siblings(ONTOLOGY, every, 3) == siblings(ONTOLOGY, every, -1) == [False] * 5
    assert siblings(ONTOLOGY, every[:0], -1) == []


def test_an_ontology_without_parents_is_said():
    margin = CrossEncoderParameters(sibling_margin=1.0)
    assert sibling_notes(BARE, margin) == ["bare.arrow has no parents: no candidates are siblings (sibling_margin)"]
    assert sibling_notes(ONTOLOGY, margin) == sibling_notes(BARE, CrossEncoderParameters()) == []
