from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.evaluation.tallies import Frequent, Least, sample_key
from raybel.report.quality import (
    ABSENT,
    BEHIND,
    BOTH,
    FIRST,
    LOST,
    REPAIRED,
    RIGHT,
    SPOILT,
    UNLINKED,
    calibration,
    outcome,
)
from raybel.report.quarantine_section import alike
from raybel.report.text_section import segments


@given(st.lists(st.integers(0, 30)), st.integers(2, 12))
def test_counts_are_too_low_by_at_most_what_is_said(keys, most):
    exact, tally = Counter(keys), Frequent(most)
    for key in keys:
        tally.add(key)
    assert len(tally) <= most
    for key, count in exact.items():
        assert count - tally.error <= tally.counts.get(key, 0) <= count
    if len(exact) <= most:
        assert (tally.error, tally.counts) == (0, exact)


def test_the_most_frequent_come_in_a_stated_order():
    tally = Frequent()
    tally.update([("b", 2), ("a", 2), ("c", 5)])
    assert tally.top(2) == [("c", 5), ("a", 2)]


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1))), st.integers(1, 5), st.randoms())
def test_the_least_are_the_same_in_any_order(pairs, most, random):
    def kept(values):
        least = Least(most)
        for key, value in values:
            least.add(key, value, str(value))
        return [(key, value) for key, value, _ in least.items()]

    best = {}
    for key, value in pairs:
        best[key] = min(value, best.get(key, 2.0))
    expected = sorted(best.items(), key=lambda item: (item[1], item[0]))[:most]
    random.shuffle(pairs)
    assert kept(pairs) == expected


def test_a_sample_depends_on_the_seed():
    assert sample_key(1, "a", 2) == sample_key(1, "a", 2) != sample_key(2, "a", 2)


@given(st.lists(st.tuples(st.integers(0, 18), st.integers(1, 6)), max_size=6))
def test_segments_are_the_text_and_cover_each_mention(spans):
    text = "abcdefghijklmnopqrstuvwxyz"
    mentions = [(n, 100 + start, 100 + start + length) for n, (start, length) in enumerate(spans)]
    pieces = segments(text, 100, mentions)
    assert "".join(words for words, _ in pieces) == text
    for number, start, end in mentions:
        assert "".join(words for words, numbers in pieces if number in numbers) == text[start - 100 : end - 100]
    for _, numbers in pieces:
        lengths = [mentions[number][2] - mentions[number][1] for number in numbers]
        assert lengths == sorted(lengths)


def test_calibration_is_by_tenths():
    scores, rights = np.array([0.05, 0.92, 0.98, 1.0]), np.array([False, True, True, False])
    curve, error = calibration(scores, rights)
    assert curve == [(0.05, 0.0, 1), (pytest.approx(2.9 / 3), pytest.approx(2 / 3), 3)]
    assert error == pytest.approx((0.05 + 0.9) / 4)
    assert calibration(np.array([3.5]), np.array([True])) == ([], None)
    assert calibration(np.array([]), np.array([], bool)) == ([], None)


@pytest.mark.parametrize(
    ("rank", "first_ranks", "reranked", "expected"),
    [
        (0, [0, 1], True, RIGHT),
        (0, [1, 0], True, REPAIRED),
        (1, [1, 0], True, SPOILT),
        (1, [0, 1], True, BOTH),
        (None, [0, 1], True, LOST),
        (None, [], True, UNLINKED),
        (None, None, True, ABSENT),
        (0, [0, 1], False, FIRST),
        (1, [0, 1], False, BEHIND),
    ],
)
def test_outcomes(rank, first_ranks, reranked, expected):
    row = None if first_ranks is None else {"ranking": [{"first_rank": first} for first in first_ranks]}
    assert outcome(rank, row, reranked) == expected


def test_reasons_that_differ_in_numbers_are_alike():
    assert alike("line 12: 'abc' is 3 long\nmore") == alike("line 7: 'x' is 99 long") == "line N: … is N long"
