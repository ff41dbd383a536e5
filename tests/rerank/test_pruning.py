"""Candidates that aren't scored: which, what becomes of them, and the limit that is fitted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_crossencoder import example

from raybel.candidates.calibration import CandidateCalibration
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import FEATURES, PriorFeatures
from raybel.rerank.priors import Prior
from raybel.rerank.pruning import KEPT, LIMITS, LOSS, fit_pruning, kept, merged
from raybel.rerank.ranking import ranked
from raybel.rerank.reranker import Reranker

EVIDENCE = st.lists(st.floats(-9, 9, width=32), max_size=7)


def ranking_of(evidence, none=0.0):
    values = np.array(evidence, np.float32)
    return ranked(values, np.zeros_like(values), Calibration(none=none))


@given(EVIDENCE, st.sampled_from([None, 0.001, 0.02, 0.1]), st.randoms(use_true_random=False), st.floats(-5, 5))
def test_scored_candidates_come_first_and_none_is_lost(evidence, pruned_below, random, none):
    without_model = ranking_of(evidence, none)
    places = kept(without_model, pruned_below)
    assert len(places) != 1 or pruned_below is None
    by_model = ranking_of([random.uniform(-9, 9) for _ in places])
    found = merged(without_model, places, by_model)
    assert sorted(found.order) == list(range(len(evidence)))
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.dtype == np.float32
    assert found.scores.sum() <= 1 + 1e-4
    if not len(places):
        assert found.order.tolist() == without_model.order.tolist()
        return
    pruned = len(evidence) - len(places)
    assert found.unscored == pruned
    assert found.order[: len(places)].tolist() == places[by_model.order].tolist()
    assert found.order[len(places) :].tolist() == without_model.order[len(places) :].tolist()
    assert without_model.scores[len(places) :].max(initial=0) < (pruned_below or 1)
    assert (found.scores[len(places) :] <= without_model.scores[len(places) :]).all()
    left = 1 - without_model.scores[len(places) :].sum()
    assert found.scores[: len(places)] == pytest.approx(left * by_model.scores, abs=1e-5)


def test_a_pruned_candidate_has_no_more_than_a_scored_one_that_the_model_rejects():
    without_model = ranking_of(np.log([0.5, 0.3, 0.09, 0.01]), none=np.log(0.1))
    found = merged(without_model, kept(without_model, 0.1), ranking_of(np.log([0.05, 0.55]), none=np.log(0.4)))
    assert found.order.tolist() == [1, 0, 2, 3]
    assert found.scores.tolist() == pytest.approx([0.495, 0.045, 0.045, 0.01], abs=1e-5)


def test_the_limit_itself_is_scored():
    scores = ranking_of(np.log([0.6, 0.1, 0.1, 0.05]), none=np.log(0.15))
    assert scores.scores[1] == np.float32(0.1)
    assert kept(scores, 0.1).tolist() == [0, 1, 2]
    assert kept(scores, 0.05).tolist() == [0, 1, 2, 3]


def two(second):
    """The ranking of a mention with two candidates; of the probability of the second one."""
    return ranking_of(np.log([0.7, second]), none=np.log(0.3 - second))


#: Probability of a mention's second candidate, whether that is right, and whether the model would find it.
MENTIONS = st.lists(
    st.tuples(st.sampled_from([0.004, 0.03, 0.06, 0.2]), st.booleans(), st.booleans(), st.integers(1, 9)), max_size=6
)


@given(MENTIONS, st.integers(0, 800), st.integers(0, 4000))
def test_the_limit_is_the_highest_that_loses_little(mentions, easy, sure):
    of_each = [(0.03, False, True)] * easy
    of_each += [mention for *mention, times in mentions for _ in range(times)]
    rankings = [two(second) for second, _, _ in of_each]
    golds = np.array([int(of_second) for _, of_second, _ in of_each], np.int64)
    right = np.array([found for _, _, found in of_each], bool)
    total = len(of_each) + sure
    limit = fit_pruning(rankings, golds, right, total)

    def loses_little(limit):
        second = np.array([ranking.scores[1] for ranking in rankings])
        pruned = (golds == 1) & (second < limit)
        return (pruned & right).sum() <= LOSS * total and pruned.sum() + 1 <= (1 - KEPT) * (len(golds) + 2) + 1e-9

    fit = [limit for limit in LIMITS.astype(np.float32) if loses_little(limit)]
    assert limit is None if not fit else np.float32(limit) == max(fit)


@pytest.mark.parametrize(
    ("lost", "found_by_model", "expected"), [(0, 0, 0.1), (9, 2, 0.1), (12, 2, 0.03), (9, 3, 0.03), (20, 20, 0.03)]
)
def test_a_few_losses_are_borne(lost, found_by_model, expected):
    """Of 500 unsure mentions among 2,000: nine right candidates may go, two of them such as the model finds."""
    likely, unlikely = two(0.2), two(0.03)
    rankings = [unlikely] * lost + [likely] * (500 - lost)
    golds = np.array([1] * lost + [0] * (500 - lost))
    right = np.arange(500) < found_by_model
    assert fit_pruning(rankings, golds, right, 2000) == pytest.approx(expected, abs=1.5e-3)


def test_too_few_mentions_tell_nothing():
    rankings = [two(0.03)] * 40
    assert fit_pruning(rankings, np.zeros(40, np.int64), np.ones(40, bool), 40) is None
    assert fit_pruning(rankings, np.full(40, -1), np.zeros(40, bool), 40) is None


def with_pruning(kit, pruned_below):
    """A tree of random weights whose prior knows one thing: candidates' likeness to the mention."""
    borders, weights = ([[value] if name == "name_likeness" else [] for name in FEATURES] for value in (0.5, 8.0))
    reranker = Reranker(kit.scorer("tree"), Calibration(), CrossEncoderParameters())
    reranker.prior = Prior(borders, weights, {}, 2.0, "g", "o")
    settled = Calibration(logit=0.0)
    reranker.cascade = Cascade(
        CandidateCalibration(), None, Calibration(), "g", settled=settled, pruned_below=pruned_below
    )
    return reranker


def known_example(names, likely):
    values = np.zeros((len(names), len(FEATURES)), np.float32)
    values[:, FEATURES.index("name_likeness")] = likely
    made = example("an x here", names)
    made.known = PriorFeatures(values, [()] * len(names))
    return made


def test_the_model_reads_what_is_left(kit):
    names = ["anemia", "gout", "lupus", "asthma"]
    mentions = [known_example(names, [1, 0, 1, 0]), known_example(names, [0, 1, 0, 0]), known_example(names, [0] * 4)]
    mentions.append(known_example([], []))
    all_scored, pruning = (with_pruning(kit, limit) for limit in (None, 0.01))
    shown = pruning.shown(mentions)
    assert [each.names for each in shown] == [["anemia", "lupus"], [], names, []]
    assert pruning.token_count(shown) < all_scored.token_count(all_scored.shown(mentions))
    whole, found = (reranker.rank(mentions, unsure=True) for reranker in (all_scored, pruning))
    assert [each.unscored for each in whole] == [0, 0, 0, 0]
    assert [each.unscored for each in found] == [2, 4, 0, 0]
    # A tree's candidates don't see each other: those that are scored have the order that they had among all.
    assert [place for place in whole[0].order if place in (0, 2)] == found[0].order[:2].tolist()
    assert found[1].order.tolist() == pruning.by_prior(mentions)[1].order.tolist() == [1, 0, 2, 3]
    for one, other in zip(whole[2:], found[2:], strict=True):
        assert (one.order.tolist(), one.scores.tolist()) == (other.order.tolist(), other.scores.tolist())
    assert [each.unscored for each in pruning.rank(mentions)] == [0] * 4  # --rerank all
