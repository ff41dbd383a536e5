import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.evaluation import metrics
from raybel.evaluation.policy import CATEGORIES, POLICIES, ConceptNumbers, foreign_types, ranks_under, which_count
from raybel.ontology import Concept, Ontology

NUMBERS = st.lists(st.integers(0, 5), max_size=4, unique=True)


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


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("linkable", ["single"]),
        ("all", ["single", "composite", "nil", "unknown"]),
        ("belb", ["single", "composite", "unknown"]),
        ("biosyn", ["single", "composite", "unknown"]),
    ],
)
def test_what_counts_under_each_policy(policy, expected):
    categories = list(CATEGORIES)
    assert [name for name, on in zip(categories, which_count(categories, policy), strict=True) if on] == expected


def test_unseen_leaves_out_what_training_has():
    categories = ["single", "single", "composite", "nil", "single"]
    counts = which_count(categories, "unseen", [True, False, False, None, False])
    assert counts.tolist() == [False, True, False, False, True]


def test_a_composite_under_each_policy():
    rankings, golds = [[1, 9, 2], [2, 1], [9, 1], [9]], [[1, 2]] * 4
    ranks = {policy: ranks_under(policy, rankings, golds, {3: [[1], [9, 2]]}).tolist() for policy in POLICIES}
    assert ranks["all"] == ranks["linkable"] == ranks["unseen"] == [2, 0, -1, -1]
    assert ranks["belb"] == [0, 0, 1, -1]
    assert ranks["biosyn"] == [2, 0, -1, 1]  # of the last one there are parts


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8))
def test_mentions_with_one_concept_have_one_rank_under_all_policies(pairs):
    rankings, golds = [ranking for ranking, _ in pairs], [gold for _, gold in pairs]
    single = np.array([len(gold) == 1 for gold in golds], dtype=bool)
    expected = metrics.gold_ranks(rankings, golds)
    for policy in POLICIES:
        ranks = ranks_under(policy, rankings, golds, {})
        assert ranks.dtype == np.int32
        assert (ranks[single] == expected[single]).all()
    if pairs:  # what the strict rule finds, the lenient one finds as well
        found = {policy: ranks_under(policy, rankings, golds, {}) >= 0 for policy in ("belb", "biosyn")}
        annotated = np.array([bool(gold) for gold in golds])
        assert (found["belb"] | ~found["biosyn"])[annotated].all()
