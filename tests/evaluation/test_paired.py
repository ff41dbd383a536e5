import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.evaluation import metrics, paired

PAIRS = st.lists(st.tuples(st.integers(-1, 12), st.integers(-1, 12)), min_size=1, max_size=40)


def arrays(pairs):
    first, second = (np.array(ranks, np.int32) for ranks in zip(*pairs, strict=True))
    return first, second, np.arange(len(first)) // 3


def test_differences_worked_out_by_hand():
    # Ranks of eight mentions: the second system gains two at 1, and loses one.
    first = np.array([0, 0, 0, 1, 2, -1, 6, -1])
    second = np.array([0, 0, 1, 0, 0, -1, 6, -1])
    found = paired.differences(first, second, np.arange(8), 0)
    assert found["Acc@1"] == paired.Difference(pytest.approx(1 / 8), None, None, None, 2, 1, 1.0)
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
        assert (found.low, found.high, found.p_bootstrap) in ((0, 0, 1.0), (None, None, None))


@given(PAIRS, st.integers(0, 3))
def test_swapped_systems_mirror_each_other(pairs, seed):
    first, second, documents = arrays(pairs)
    one, other = (paired.differences(*pair, documents, 50, seed) for pair in ((first, second), (second, first)))
    for name, found in one.items():
        mirror = other[name]
        assert found.value == pytest.approx(-mirror.value)
        assert (found.gained, found.lost) == (mirror.lost, mirror.gained)
        assert found.p_mcnemar == mirror.p_mcnemar
        assert found.p_bootstrap == mirror.p_bootstrap
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
    # In ten documents of fifty mentions all gains lie in one: a paired bootstrap over documents can't rule out zero,
    # while McNemar's test, which takes mentions for independent, is sure.
    documents = np.repeat(np.arange(10), 50)
    first = np.where(documents < 5, 0, 1)
    second = np.where(documents < 6, 0, 1)
    found = paired.differences(first, second, documents, 2000)["Acc@1"]
    assert found.gained == 50
    assert (found.low, found.p_mcnemar < 1e-10) == (0.0, True)
    assert found.p_bootstrap == pytest.approx(2 * 0.9**10, abs=0.07)  # the share of draws without that document
    spread = np.arange(len(documents)) % 10  # the same gains, five in each document
    order = np.argsort(spread, kind="stable")
    assert paired.differences(first[order], second[order], documents, 2000)["Acc@1"].p_bootstrap == pytest.approx(
        2 / 2001
    )


def test_no_mentions_have_no_differences():
    nothing = np.zeros(0, np.int32)
    assert paired.differences(nothing, nothing, nothing) == {}
