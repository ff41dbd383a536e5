from raybel.corpus.documents import DocumentRow
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import ConceptNumbers
from raybel.evaluation.seen import seen_columns, seen_sentence, training_ids
from raybel.ontology import Concept, Ontology


def mention(surface, *gold, annotated=True):
    return {"surface": surface, "gold": list(gold) if annotated else None}


def test_training_mentions_without_a_concept_say_nothing():
    first = DocumentRow("1", b"", mentions=[mention("gout", "A"), mention("flu"), mention("cold", annotated=False)])
    second = DocumentRow("2", b"", mentions=[mention("gout", "B", "C")])
    assert training_ids([first, second]) == {"gout": {"A", "B", "C"}}
    assert training_ids([]) == {}


def test_what_is_seen_of_a_mention():
    ontology = Ontology.from_concepts([Concept("A", "gout", alt_ids=["OLD"]), Concept("B", "asthma")])
    concepts = ConceptNumbers(ontology, ["A", "OLD", "B", "Z"])
    mentions = [
        mention("gout", "A"),
        mention("gout", "B"),
        mention("podagra", "A"),
        mention("gout", "A", "B"),
        mention("gout", "Z"),
        mention("gout"),
        mention("gout", annotated=False),
    ]
    assert seen_columns({"gout": {"OLD"}, "wheeze": {"B"}}, mentions, concepts) == {
        "surface_seen": [True, True, False, True, True, True, True],
        "concept_seen": [True, True, True, True, False, None, None],
        "pair_seen": [True, False, False, False, False, None, None],
    }
    nothing = seen_columns({}, mentions[:1], concepts)
    assert nothing == {"surface_seen": [False], "concept_seen": [False], "pair_seen": [False]}


def test_the_sentence_says_how_surfaces_are_compared():
    config = EvaluateConfig(("g",), ("p",), train_corpus=("t.xml",))
    assert "t.xml has the same surface" in seen_sentence(config)
    assert "abbreviations expanded by their own document" in seen_sentence(config)
