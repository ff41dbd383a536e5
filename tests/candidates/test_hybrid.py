import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.base import CANDIDATE_DTYPE
from raybel.candidates.hybrid import HybridGenerator


class Fixed:
    """Answers every surface with one list."""

    name, ontology_fingerprint, expands_abbreviations = "fixed", "o", None

    def __init__(self, *found):
        self.found = np.array([(concept, score, 0) for concept, score in found], CANDIDATE_DTYPE)
        self.fingerprint = str(found)
        self.alias_table = pa.table({"alias": [f"alias of {each}" for each in found] or ["none"]})

    def search(self, surfaces, top_k, excluded=None):
        return [self.found[:top_k].copy() for _ in surfaces]


def fused(*generators, top_k=10, weights=None):
    return HybridGenerator(generators, weights or [1.0] * len(generators)).search(["s"], top_k)[0]


def test_what_both_have_comes_first():
    found = fused(Fixed((1, 0.9), (2, 0.8)), Fixed((2, 0.7), (3, 0.6)))
    assert found["concept"].tolist() == [2, 1, 3]
    np.testing.assert_allclose(found["score"], [(3 / 4 + 1) / 2, 0.5, 3 / 4 / 2], atol=1e-6)
    assert found["alias"].tolist() == [2, 0, 2]  # of 1 by the first list, of 2 and 3 by the second, whose rows follow


def test_first_in_every_list_scores_one():
    assert fused(Fixed((4, 0.2)), Fixed((4, 0.1)))["score"].tolist() == [1.0]


def test_equal_scores_are_ordered_by_the_generators_scores_then_the_index():
    assert fused(Fixed((5, 0.5)), Fixed((3, 0.9)))["concept"].tolist() == [3, 5]
    assert fused(Fixed((5, 0.5)), Fixed((3, 0.5)))["concept"].tolist() == [5, 3]  # the first generator's score
    assert fused(Fixed((5, 0.0)), Fixed((3, 0.0)))["concept"].tolist() == [3, 5]


def test_weights_and_depth():
    one, other = Fixed((1, 0.5)), Fixed((2, 0.9))
    assert fused(one, other, weights=[2.0, 1.0])["concept"].tolist() == [1, 2]
    assert len(fused(one, other, top_k=1)) == 1
    assert fused(Fixed(), Fixed()).tolist() == []


LISTS = st.lists(st.integers(0, 9), unique=True, max_size=8)


@given(LISTS, LISTS, st.integers(1, 5))
def test_every_concept_once_by_falling_score(one, other, top_k):
    lists = [Fixed(*((concept, 1 - rank / 10) for rank, concept in enumerate(each))) for each in (one, other)]
    found = fused(*lists, top_k=top_k)
    concepts = found["concept"].tolist()
    held = set(one[: 3 * top_k]) | set(other[: 3 * top_k])
    assert len(set(concepts)) == len(concepts) == min(top_k, len(held))
    assert set(concepts) <= held
    assert (np.diff(found["score"]) <= 0).all()
    assert ((found["score"] > 0) & (found["score"] <= 1)).all()


def test_the_fingerprint_knows_its_parts():
    one, other = Fixed((1, 0.5)), Fixed((2, 0.5))
    prints = {
        HybridGenerator(each, weights).fingerprint
        for each, weights in (([one, other], [1, 1]), ([other, one], [1, 1]), ([one, other], [1, 2]))
    }
    assert len(prints) == 3


def test_aliases_are_those_of_the_list_where_a_concept_stands_highest():
    one, other = Fixed((1, 0.9), (2, 0.8)), Fixed((1, 0.7), (3, 0.6))
    generator = HybridGenerator([one, other], [1.0, 2.0])
    found = generator.search(["s"], 10)[0]
    held = dict(zip(found["concept"].tolist(), found["alias"].tolist(), strict=True))
    assert held == {1: 2, 2: 0, 3: 2}  # of equal ranks the weightier list's
    assert generator.alias_table["alias"].to_pylist()[2:] == other.alias_table["alias"].to_pylist()
    one.alias_table = None
    assert HybridGenerator([one, other], [1.0, 1.0]).alias_table is None
