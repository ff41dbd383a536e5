import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.evaluation import metrics

RANKS = st.lists(st.integers(-1, 20), min_size=1, max_size=40).map(lambda ranks: np.array(ranks, np.int32))
RANKINGS = st.lists(st.integers(0, 9), max_size=8)
GOLDS = st.lists(st.integers(0, 9), max_size=4)


@pytest.mark.parametrize(
    ("ranking", "gold", "rank"),
    [
        (["a", "b", "c"], ["a"], 0),
        (["a", "b", "c"], ["c"], 2),
        (["a", "b", "a"], ["a"], 0),
        (["a", "b"], ["z"], -1),
        ([], ["a"], -1),
        ([], [], 0),
        (["a"], [], -1),
        (["b", "a"], ["a", "b"], 0),
        (["b", "c", "a"], ["a", "b"], 2),
        (["a", "b", "c"], ["c", "b", "a"], 0),
        (["a", "c"], ["a", "b"], -1),
        (["x", "a"], ["a", "a"], 1),
    ],
)
def test_the_rank_of_one_several_or_no_concepts(ranking, gold, rank):
    assert metrics.gold_rank(ranking, gold) == rank


def test_rows_of_a_matrix_are_rankings():
    candidates = np.array([[3, 7, -1], [7, 3, 1], [-1, -1, -1]], np.int32)
    ranks = metrics.gold_ranks(candidates, [[7], [7], [7]])
    assert ranks.tolist() == [1, 0, -1]
    assert ranks.dtype == np.int32


def test_as_many_rankings_as_golds_are_needed():
    with pytest.raises(ValueError, match="longer"):
        metrics.gold_ranks([["a"]], [["a"], ["b"]])


def test_scores_worked_out_by_hand():
    ranks = np.array([0, 0, 1, 4, 5, 9, 10, -1], np.int32)
    assert metrics.summarise(ranks) == {
        "Acc@1": 2 / 8,
        "recall@5": 4 / 8,
        "recall@10": 6 / 8,
        "recall@all": 7 / 8,
        "MRR": pytest.approx((1 + 1 + 1 / 2 + 1 / 5 + 1 / 6 + 1 / 10 + 1 / 11) / 8),
    }


def test_no_mentions_have_no_score():
    nothing = np.zeros(0, np.int32)
    assert set(metrics.summarise(nothing).values()) == {None}
    assert metrics.bootstrap(nothing, nothing) is None
    assert metrics.per_mention(nothing).shape == (0, len(metrics.METRICS))


@given(RANKS)
def test_recall_never_falls_with_k(ranks):
    recalls = [metrics.recall_at(ranks, k) for k in (*range(1, 23), None)]
    assert recalls == sorted(recalls)


@given(RANKS)
def test_mrr_lies_between_recall_at_one_and_recall_at_all(ranks):
    score = metrics.mean_reciprocal_rank(ranks)
    assert metrics.recall_at(ranks, 1) - 1e-12 <= score <= metrics.recall_at(ranks) + 1e-12


@given(RANKS)
def test_per_mention_values_average_to_the_scores(ranks):
    means = metrics.per_mention(ranks).mean(axis=0).tolist()
    assert means == pytest.approx(list(metrics.summarise(ranks).values()))


@given(RANKINGS, GOLDS)
def test_a_composite_is_right_at_k_if_all_its_ids_are_among_the_first_max_of_k_and_n(ranking, gold):
    rank = metrics.gold_rank(ranking, gold)
    wanted = set(gold)
    for k in range(1, 10):
        if wanted:
            assert (0 <= rank < k) == wanted.issubset(ranking[: max(k, len(wanted))])
    assert (rank >= 0) == (wanted.issubset(ranking) if wanted else not ranking)


@given(RANKS, st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_mentions_changes_nothing(ranks, random, seed):
    documents = np.arange(len(ranks)) // 3
    order = list(range(len(ranks)))
    random.shuffle(order)
    one = metrics.bootstrap(ranks, documents, 20, seed)
    other = metrics.bootstrap(ranks[order], documents[order], 20, seed)
    assert metrics.summarise(ranks) == pytest.approx(metrics.summarise(ranks[order]))
    assert (one is None) == (other is None) == (len(ranks) <= 3)
    for name in one or ():
        assert one[name] == pytest.approx(other[name])


@given(RANKS, st.integers(0, 5))
def test_an_interval_lies_within_the_documents_scores(ranks, seed):
    documents = np.arange(len(ranks)) // 3
    each = [metrics.summarise(ranks[documents == one]) for one in np.unique(documents)]
    for name, (low, high) in (metrics.bootstrap(ranks, documents, 30, seed) or {}).items():
        values = [scores[name] for scores in each]
        assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@given(st.integers(2, 30), st.sampled_from([(0, 1.0), (-1, 0.0)]))
def test_the_interval_collapses_where_all_is_right_or_all_is_wrong(count, case):
    rank, score = case
    intervals = metrics.bootstrap(np.full(count, rank, np.int32), np.arange(count), 25)
    assert set(intervals.values()) == {(score, score)}


def test_documents_are_resampled_not_mentions():
    # Ten documents, each wholly right or wholly wrong: the standard error is that of 10 draws, not of 1,000.
    documents = np.repeat(np.arange(10), 100)
    ranks = np.where(documents < 5, 0, -1)
    low, high = metrics.bootstrap(ranks, documents, 4000)["Acc@1"]
    assert (low, high) == (0.2, 0.8)  # 2.5 % and 97.5 % points of a binomial of 10 draws, over 10
    low, high = metrics.bootstrap(ranks, np.arange(1000), 4000)["Acc@1"]
    assert low == pytest.approx(0.469, abs=0.005)  # 0.5 - 1.96 * sqrt(0.25 / 1000)
    assert high == pytest.approx(0.531, abs=0.005)


def test_the_seed_decides_and_the_block_size_does_not(monkeypatch):
    ranks, documents = np.arange(60) % 7 - 1, np.arange(60) // 4
    first = metrics.bootstrap(ranks, documents, 200, seed=3)
    assert first == metrics.bootstrap(ranks, documents, 200, seed=3)
    assert first != metrics.bootstrap(ranks, documents, 200, seed=4)
    monkeypatch.setattr(metrics, "_BLOCK_WEIGHTS", 45)
    assert metrics.bootstrap(ranks, documents, 200, seed=3) == {
        name: pytest.approx(interval) for name, interval in first.items()
    }


def test_nothing_to_resample():
    ranks = np.array([0, 1, -1], np.int32)
    assert metrics.bootstrap(ranks, np.zeros(3)) is None
    assert metrics.bootstrap(ranks, np.arange(3), resamples=0) is None


def test_any_of_several_concepts_is_enough():
    assert metrics.any_rank(["x", "b", "a"], ["a", "b"]) == 1
    assert metrics.any_rank(["x"], ["a"]) == -1
    assert metrics.any_rank([], []) == -1


@pytest.mark.parametrize(
    ("rankings", "rank"),
    [
        ([["a"], ["b"]], 0),
        ([["a"], ["x", "y", "b"]], 2),
        ([["a"], ["a"]], 0),  # which part names which concept isn't annotated
        ([["a", "b"], ["x"]], -1),
        ([["a"], []], -1),
    ],
)
def test_each_part_of_a_composite_must_be_right(rankings, rank):
    assert metrics.parts_rank(rankings, ["a", "b"]) == rank


@given(RANKINGS, st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_all_of_several_concepts_are_never_found_before_any(ranking, gold):
    every, one = metrics.gold_rank(ranking, gold), metrics.any_rank(ranking, gold)
    for k in range(1, 9):
        assert (0 <= one < k) == any(concept in gold for concept in ranking[:k])
        assert (0 <= every < k) == (set(gold) <= set(ranking[: max(k, len(set(gold)))]))
    assert every < 0 or metrics.recall_at(np.array([one]), max(every + 1, len(set(gold)))) == 1.0
    assert len(set(gold)) > 1 or every == one


@given(st.lists(RANKINGS, min_size=1, max_size=4), st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_parts_are_right_at_k_if_each_is(rankings, gold):
    rank = metrics.parts_rank(rankings, gold)
    for k in range(1, 9):
        assert (0 <= rank < k) == all(set(ranking[:k]) & set(gold) for ranking in rankings)
