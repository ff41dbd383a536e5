import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.probabilities import BOUND
from raybel.rerank.calibration import Calibration, fit


def shares(calibration, logits, scores):
    return calibration.probabilities(calibration.evidence(logits, scores))


NUMBERS = st.floats(-30, 30, width=32)


@given(st.lists(st.tuples(NUMBERS, st.floats(0, 1)), max_size=8), NUMBERS, st.floats(0, 50))
def test_probabilities_are_shares(pairs, none, weight):
    logits, scores = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    found = shares(Calibration(weight, 2.0, 1.0, none), logits, scores)
    assert found.shape == (len(pairs),)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum() <= 1 + 1e-9


def test_what_is_fitted():
    """The right candidate is the third of the logits in nine of ten; scores say nothing."""
    rng = np.random.default_rng(0)
    golds = [int(rng.integers(0, 4)) if rng.random() < 0.9 else -1 for _ in range(600)]
    logits = [2.0 * (np.arange(4) == gold) + rng.normal(size=4) for gold in golds]
    scores = [rng.random(4).astype(np.float32) for _ in golds]
    found = fit(logits, scores, golds)
    assert 1.5 < found.logit < 2.5
    assert found.score < 0.6
    assert found.rank < 0.6
    mean = np.mean([shares(found, a, b).sum() for a, b in zip(logits, scores, strict=True)])
    assert abs(mean - np.mean(np.array(golds) >= 0)) < 0.02


def test_the_first_stage_is_trusted_where_the_logits_say_nothing():
    golds = [0] * 50
    logits = [np.random.default_rng(number).normal(size=3) for number in range(50)]
    found = fit(logits, [np.array([0.9, 0.5, 0.1])] * 50, golds)
    assert found.score > 1
    assert max(found.logit, found.score, found.rank) <= BOUND
    assert all(np.argmax(shares(found, each, np.array([0.9, 0.5, 0.1]))) == 0 for each in logits)


@pytest.mark.parametrize(("mentions", "least", "most"), [(4, 0.6, 1.0), (40, 0.1, 0.6), (4_000, 0.0, 0.05)])
def test_what_was_trained_keeps_its_weight_until_many_mentions_say_otherwise(mentions, least, most):
    """The logits say nothing, nor does the prior."""
    rng = np.random.default_rng(0)
    logits, priors = ([rng.normal(size=3) for _ in range(mentions)] for _ in range(2))
    found = fit(logits, [np.zeros(3)] * mentions, rng.integers(0, 3, mentions).tolist(), priors)
    assert least <= found.logit <= most
    assert least <= found.prior <= most


def test_no_right_candidate_anywhere_fits_nothing():
    assert fit([np.zeros(2)] * 5, [np.ones(2)] * 5, [-1] * 5) == Calibration()


@pytest.mark.parametrize("logits", [[], [np.zeros(0)]])
def test_nothing_to_fit(logits):
    assert fit(logits, logits, [-1] * len(logits)) == Calibration()
