from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.evaluation import metrics, paired

SUMS = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0]), max_size=8)
PAIRS = st.lists(st.tuples(st.integers(-1, 12), st.integers(-1, 12)), min_size=1, max_size=80)


def arrays(pairs):
    first, second = (np.array(ranks, np.int32) for ranks in zip(*pairs, strict=True))
    return first, second, np.arange(len(first)) // 3


def test_differences_worked_out_by_hand():
    # Ranks of eight mentions: the second system gains two at 1, and loses one.
    first = np.array([0, 0, 0, 1, 2, -1, 6, -1])
    second = np.array([0, 0, 1, 0, 0, -1, 6, -1])
    found = paired.differences(first, second, np.arange(8), 0)
    assert found["Acc@1"] == paired.Difference(pytest.approx(1 / 8), None, None, 1.0, 2, 1, 1.0)
    assert (found["recall@5"].gained, found["recall@5"].lost, found["recall@5"].value) == (0, 0, 0)
    assert found["MRR"].value == pytest.approx((-1 / 2 + 1 / 2 + 2 / 3) / 8)
    assert found["MRR"].gained is found["MRR"].p_mcnemar is None


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (5, 0, 2 / 2**5), (8, 2, 2 * (1 + 10 + 45) / 2**10), (20, 0, 2 / 2**20)],
)
def test_mcnemars_exact_test(gained, lost, p_value):
    assert paired.mcnemar(gained, lost) == pytest.approx(p_value)
    assert paired.mcnemar(lost, gained) == pytest.approx(p_value)


@given(PAIRS)
def test_a_system_doesnt_differ_from_itself(pairs):
    ranks, _, documents = arrays(pairs)
    for found in paired.differences(ranks, ranks, documents, 20).values():
        assert found.value == 0
        assert (found.gained or 0, found.lost or 0) == (0, 0)
        assert found.p_mcnemar in (None, 1.0)
        assert found.p_value == 1
        assert (found.low, found.high) in ((0, 0), (None, None))


@given(PAIRS, st.integers(0, 3))
def test_swapped_systems_mirror_each_other(pairs, seed):
    first, second, documents = arrays(pairs)
    one, other = (paired.differences(*pair, documents, 50, seed) for pair in ((first, second), (second, first)))
    for name, found in one.items():
        mirror = other[name]
        assert found.value == pytest.approx(-mirror.value)
        assert (found.gained, found.lost) == (mirror.lost, mirror.gained)
        assert found.p_mcnemar == mirror.p_mcnemar
        assert found.p_value == mirror.p_value
        if found.low is not None:
            assert (found.low, found.high) == (pytest.approx(-mirror.high), pytest.approx(-mirror.low))


@given(PAIRS)
def test_differences_are_those_of_the_scores_and_of_gains_and_losses(pairs):
    first, second, documents = arrays(pairs)
    scores = metrics.summarise(first), metrics.summarise(second)
    for name, found in paired.differences(first, second, documents, 20).items():
        assert found.value == pytest.approx(scores[1][name] - scores[0][name])
        if found.gained is not None:
            assert found.value == pytest.approx((found.gained - found.lost) / len(first))


def test_documents_are_resampled_and_paired():
    # In twenty documents of fifty mentions all gains lie in one: over documents zero can't be ruled out, while
    # McNemar's test, which takes mentions for independent, is sure.
    documents = np.repeat(np.arange(20), 50)
    first = np.where(documents < 10, 0, 1)
    second = np.where(documents < 11, 0, 1)
    found = paired.differences(first, second, documents, 2000)["Acc@1"]
    assert found.gained == 50
    assert (found.low, found.p_value, found.p_mcnemar < 1e-10) == (0.0, 1.0, True)
    order = np.argsort(np.arange(len(documents)) % 20, kind="stable")  # the same gains, some in each document
    spread = paired.differences(first[order], second[order], documents, 2000)["Acc@1"]
    assert spread.low > 0
    assert spread.p_value < 0.001


def test_few_documents_have_no_interval_and_cant_be_sure():
    # Each document has one gained mention.
    for documents, p_value in ((1, 1.0), (2, 0.5), (5, 2 / 2**5), (14, 2 / 2**14)):
        ranks = np.ones(documents, np.int32), np.zeros(documents, np.int32)
        found = paired.differences(*ranks, np.arange(documents))["Acc@1"]
        assert (found.low, found.high, found.p_value) == (None, None, p_value)
    ranks = np.ones(20, np.int32), np.zeros(20, np.int32)
    found = paired.differences(*ranks, np.arange(20), 10)["Acc@1"]
    assert (found.low, found.high, found.p_value) == (1.0, 1.0, 1 / (paired.SWAPS + 1))


def share_of_swaps(sums):
    """The share of all swaps of documents with a difference that is as large."""
    totals = np.array([np.dot(signs, sums) for signs in product((-1, 1), repeat=len(sums))])
    return np.mean(np.abs(totals) >= abs(np.sum(sums)) - 1e-9)


@given(SUMS)
def test_a_p_value_is_the_share_of_swaps_with_as_large_a_difference(sums):
    assert paired.randomisation(np.array(sums)) == pytest.approx(share_of_swaps(np.array(sums)))


def test_drawn_swaps_come_near_all_of_them():
    sums = np.array([3, -1, 1, 2, -2, 1, 1, 0, 1, -3, 2, 1, 1, -1, 1, 2.0])
    found = paired.randomisation(sums, 1)
    assert found == pytest.approx(share_of_swaps(sums), abs=0.02)
    assert found == paired.randomisation(-sums, 1) != paired.randomisation(sums, 2)


@pytest.mark.parametrize("documents", [2, 5, 12])
def test_equal_systems_seldom_differ(documents):
    """Of equally good systems, in documents whose mentions go together, at most 5 % have p <= 0.05."""
    rng = np.random.default_rng(documents)
    of_mentions = np.repeat(np.arange(documents), 8)
    found = []
    for _ in range(300):
        first, second = (
            (rng.random(documents) < 0.5)[of_mentions] ^ (rng.random(len(of_mentions)) < 0.1) for _ in "ab"
        )
        found.append(paired.randomisation(np.bincount(of_mentions, second * 1.0 - first)))
    assert np.mean(np.array(found) <= 0.05) < 0.08


def test_no_mentions_have_no_differences():
    nothing = np.zeros(0, np.int32)
    assert paired.differences(nothing, nothing, nothing) == {}
