from raybel.evaluation.policy import ConceptNumbers, category, which_count
from raybel.evaluation.policy_sentences import describe_policy, together
from raybel.ontology import Concept, Ontology

GOLDS = [["A"], ["A", "B"], ["A", "B", "Z"], [], ["Z"], None]


def described(policy, rankings=None, parts=(), pair_seen=None):
    ontology = Ontology.from_concepts([Concept("A", "gout"), Concept("B", "asthma")])
    concepts = ConceptNumbers(ontology, ["A", "B", "Z"])
    categories = [category(gold, concepts) for gold in GOLDS]
    counts = which_count(categories, policy, pair_seen)
    return describe_policy(policy, concepts, GOLDS, categories, counts, rankings or [["A"]] * len(GOLDS), parts)


def test_belb_says_what_it_takes_and_where_belb_differs():
    sentences = described("belb")
    assert sentences[0] == (
        "Policy belb: 4 of 6 gold mentions count: 1 with one id, 2 with several ids (composite), 1 with an id that the "
        "ontology doesn't know (such as Z)."
    )
    assert sentences[1] == "Left out: 1 without a concept (NIL), 1 without a gold annotation."
    assert "any of its ids is among the first k" in " ".join(sentences)
    assert "1 mention with an id that the ontology doesn't know" in " ".join(sentences)
    assert "BELB leaves such ids out" in " ".join(sentences)


def test_biosyn_says_of_how_many_composites_there_are_parts():
    none = " ".join(described("biosyn"))
    assert "2 composites linked as one mention, of which the predictions have no parts" in none
    some = " ".join(described("biosyn", parts=[1]))
    assert "1 composite of which the predictions have the parts" in some
    assert "1 composite linked as one mention" in some
    assert "as one mention" not in " ".join(described("biosyn", parts=[1, 2]))


def test_a_composite_with_parts_is_not_missed_as_a_whole():
    rankings = [["A"], None, ["A"], [], ["Z"], None]
    assert "not among the predicted mentions: 1;" in " ".join(described("biosyn", rankings))
    assert "not among the predicted" not in " ".join(described("biosyn", rankings, parts=[1]))
    assert "not among the predicted mentions: 1;" in " ".join(described("belb", rankings, parts=[1]))


def test_unseen_says_how_many_training_has():
    counts, left_out, *_ = described("unseen", pair_seen=[False, True, True, None, True, None])
    assert counts.endswith(
        "those with one id that the ontology knows, and that training doesn't have with this surface."
    )
    assert left_out.startswith("Left out: 0 whose surface training has with the same concept, 2 with several ids")


def test_of_several_policies_what_holds_for_all_is_said_once():
    one, two = described("linkable"), described("belb")
    assert together([one]) == one
    linkable, belb, *shared = together([one, two])
    assert linkable.startswith(one[0])
    assert belb.startswith(two[0])
    assert shared == [sentence for sentence in one[2:] if sentence in two]
    assert any("Alternative ids count" in sentence for sentence in shared)
    assert not any("Alternative ids" in sentence for sentence in (linkable, belb))
