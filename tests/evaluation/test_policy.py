from raybel.evaluation.policy import ConceptNumbers, foreign_types
from raybel.ontology import Concept, Ontology


def test_types_that_the_ontology_cannot_hold_are_told():
    ontology = Ontology.from_concepts([Concept("D1", "gout")])
    types = ["Disease", "Gene", "Disease", "Gene", "Chemical"]
    golds = [["D1"], ["3630"], ["X"], ["3175", "12"], None]
    concepts = ConceptNumbers(ontology, ["D1", "3630", "X", "3175", "12"])
    (sentence,) = foreign_types(types, golds, concepts)
    assert "no gold id of these types: Gene (2 mentions, such as 3630)" in sentence
    assert "--mention-types Disease leaves them out" in sentence
    assert foreign_types(types[:1], golds[:1], concepts) == []
    assert foreign_types(types, golds, ConceptNumbers(None, [])) == []
    (untyped,) = foreign_types([""], [["3630"]], concepts)
    assert "no type (1 mention," in untyped
