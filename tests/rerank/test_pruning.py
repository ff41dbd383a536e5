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
def test_no_candidate_is_lost_and_pruned_ones_keep_their_probability(evidence, pruned_below, random, none):
    without_model = ranking_of(evidence, none)
    places = kept(without_model, pruned_below)
    assert len(places) != 1 or pruned_below is None
    by_model = ranking_of([random.uniform(-9, 9) for _ in places])
    found = merged(without_model, places, by_model)
    assert sorted(found.order) == list(range(len(evidence)))
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.dtype == np.float32
    assert found.scores.sum() <= 1 + 1e-4
    assert [place for place in found.order if place in places] == places[by_model.order].tolist()
    before = dict(zip(without_model.order.tolist(), without_model.scores.tolist(), strict=True))
    after = dict(zip(found.order.tolist(), found.scores.tolist(), strict=True))
    pruned = {*range(len(evidence))} - {*places.tolist()}
    assert {place: before[place] for place in pruned} == pytest.approx({place: after[place] for place in pruned})
    if pruned and len(places):
        assert found.unscored == len(pruned)
        assert max(before[place] for place in pruned) < pruned_below <= min(before[place] for place in places) + 1e-7


def test_of_equal_probability_scored_candidates_come_first():
    without_model = ranking_of([0.0, 0.0, -9.0], none=-20.0)
    found = merged(without_model, kept(without_model, 0.1), ranking_of([-20.0, -20.0]))
    assert found.order.tolist() == [2, 0, 1]
    nothing_left = merged(without_model, np.array([2, 1]), ranking_of([-20.0, -20.0]))
    assert nothing_left.order.tolist() == [0, 2, 1]


def test_the_limit_itself_is_scored():
    scores = ranking_of(np.log([0.6, 0.1, 0.1, 0.05]), none=np.log(0.15))
    assert scores.scores[1] == np.float32(0.1)
    assert kept(scores, 0.1).tolist() == [0, 1, 2]
    assert kept(scores, 0.05).tolist() == [0, 1, 2, 3]


MENTIONS = st.lists(
    st.tuples(st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=4), st.integers(-1, 3), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(MENTIONS, st.integers(1, 40))
def test_the_limit_is_the_highest_that_loses_little(mentions, times):
    of_each = [(ranking_of(evidence), min(gold, len(evidence) - 1), right) for evidence, gold, right in mentions]
    of_each *= times
    rankings, golds, right = (list(column) for column in zip(*of_each, strict=True))
    total = len(of_each) + 100
    found = fit_pruning(rankings, np.array(golds), np.array(right), total)

    def loses_little(limit):
        pruned = [
            scored_right
            for ranking, gold, scored_right in of_each
            if gold >= 0 and gold != ranking.order[0] and ranking.scores[list(ranking.order).index(gold)] < limit
        ]
        return sum(pruned) <= LOSS * total and len(pruned) <= (1 - KEPT) * sum(gold >= 0 for gold in golds)

    fit = [limit for limit in LIMITS.astype(np.float32) if loses_little(limit)]
    if any(gold >= 0 for gold in golds) and fit:
        assert np.float32(found) == max(fit)
    else:
        assert found is None


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
