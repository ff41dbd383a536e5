import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.overlap import overlaps

TEXTS = st.lists(st.text(max_size=9) | st.text("ab ", max_size=5), min_size=1, max_size=6)


def by_hand(one, other):
    """Dice's coefficient of two sets of trigrams."""
    sets = [{f"  {text} "[start : start + 3] for start in range(len(text) + 1)} for text in (one, other)]
    return 2 * len(sets[0] & sets[1]) / (len(sets[0]) + len(sets[1]))


@given(TEXTS)
def test_every_pair_is_as_by_hand(texts):
    one, other = (each.ravel() for each in np.indices((len(texts), len(texts))))
    found = overlaps(texts, one, other)
    assert found.tolist() == [by_hand(texts[a], texts[b]) for a, b in zip(one, other, strict=True)]
    assert (found[one == other] == 1).all()


def test_nothing_in_common_and_no_pairs():
    assert overlaps(["abc", "xyz", ""], np.array([0, 0]), np.array([1, 2])).tolist() == [0, 0]
    assert overlaps([], np.zeros(0, int), np.zeros(0, int)).tolist() == []
