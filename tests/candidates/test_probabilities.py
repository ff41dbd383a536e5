import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.probabilities import (
    BOUND,
    best_threshold,
    expected_calibration_error,
    fit_weights,
    round_evidence,
    shares,
)

NUMBERS = st.floats(-50, 50)
#: Links, each with its probability and whether it is right.
LINKS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


def columns(links):
    return np.array([probability for probability, _ in links]), np.array([right for _, right in links])


@given(st.lists(NUMBERS, max_size=8), NUMBERS)
def test_shares_are_probabilities_and_keep_the_order(evidence, none):
    found = shares(np.array(evidence, np.float64), none)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum() <= 1 + 1e-9
    order = np.argsort(evidence)
    assert (np.diff(found[order]) >= 0).all()


def test_rounded_evidence_forgets_the_last_bits():
    assert round_evidence(np.array([0.1 + 0.2, 0.3])).tolist() == [0.3, 0.3]


def test_weights_are_those_that_mentions_were_drawn_by():
    rng = np.random.default_rng(0)
    weights = np.array([2.0, 0.0, 1.0])
    features, golds = [], []
    for _ in range(3_000):
        of_mention = rng.random((int(rng.integers(1, 6)), 2)) * 3
        features.append(of_mention)
        probabilities = shares(of_mention @ weights[:2], weights[2])
        drawn = int(rng.choice(len(of_mention) + 1, p=[*probabilities, 1 - probabilities.sum()]))
        golds.append(drawn if drawn < len(of_mention) else -1)
    found = fit_weights([*features, np.zeros((0, 2))], [*golds, -1], np.zeros(3), 1e-6)
    assert found == pytest.approx(weights, abs=0.15)


def test_separable_mentions_give_finite_weights():
    found = fit_weights([np.array([[1.0], [0.0]])] * 5, [0] * 5, np.zeros(2), 0.0)
    assert np.isfinite(found).all()
    assert (np.abs(found) <= BOUND).all()
    assert fit_weights([np.zeros((0, 1))], [-1], np.array([1.0, 2.0]), 0.1).tolist() == [1.0, 2.0]


def test_the_error_of_calibration():
    assert expected_calibration_error(np.zeros(0), np.zeros(0, bool)) is None
    right = np.array([True] * 3 + [False])
    assert expected_calibration_error(np.full(4, 0.75), right, bins=1) == 0
    assert expected_calibration_error(np.full(4, 0.25), right, bins=1) == 0.5
    # Two bins: 0.25 and none of two right, 0.75 and all of two.
    assert expected_calibration_error(np.array([0.75, 0.25, 0.25, 0.75]), right[[0, 3, 3, 0]], bins=2) == 0.25


@given(LINKS)
def test_the_error_is_a_share(links):
    assert 0 <= expected_calibration_error(*columns(links)) <= 1


@given(LINKS, st.integers(1, 40))
def test_no_threshold_has_a_better_f1_and_no_lower_one_the_same(links, wanted):
    probabilities, right = columns(links)

    def f1(threshold):
        links = [hit for probability, hit in zip(probabilities, right, strict=True) if probability >= threshold]
        return 2 * sum(links) / (len(links) + wanted)

    threshold, best, without = best_threshold(probabilities, right, wanted)
    assert best == pytest.approx(f1(threshold))
    assert without == pytest.approx(f1(0))
    scores = [f1(step / 100) for step in range(100)]
    assert best == pytest.approx(max(scores))
    assert all(score < best for score in scores[: round(threshold * 100)])


def test_there_is_no_threshold_without_links_or_without_concepts():
    assert best_threshold(np.zeros(0), np.zeros(0, bool), 3) is None
    assert best_threshold(np.ones(2), np.zeros(2, bool), 0) is None
