from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus import text


@pytest.mark.parametrize(
    ("given_text", "surface"), [("", ""), (" \n\t", ""), ("  Β-Thal \u00a0 x\n", "beta thal x"), ("😀 A", "😀 a")]
)
def test_surface(given_text, surface):
    assert text.surface(given_text) == surface


@given(st.text())
def test_a_surface_of_a_surface_has_single_spaces(value):
    surface = text.surface(value)
    assert surface == " ".join(surface.split())


@given(st.text(st.sampled_from("ab .?!\n()A1😀é\u00a0"), max_size=60))
def test_sentences_are_in_order_and_cover_all_but_white_space(value):
    spans = text.sentences(value)
    assert all(0 <= start < end <= len(value) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    inside = set().union(*(range(start, end) for start, end in spans))
    assert all(value[i].isspace() for i in range(len(value)) if i not in inside)


def test_two_sentences():
    value = "  Anemia is common.  Asthma, e.g. atopic, is too. "
    assert [value[a:b] for a, b in text.sentences(value)] == ["Anemia is common.", "Asthma, e.g. atopic, is too."]
    assert text.sentences(" \n") == []


@pytest.mark.parametrize(
    ("passage", "start", "end", "most", "around"),
    [
        ("gout", 0, 4, 60, ("", "")),
        ("a  gout\nand", 3, 7, 60, ("a ", " and")),
        ("one two gout three four", 8, 12, 6, ("... two ", " three ...")),
        ("onetwothree gout", 12, 16, 6, ("... three ", "")),
        (" gout ", 1, 5, 60, (" ", " ")),
        ("abcdefghij", 4, 5, 2, ("... cd", "fg ...")),
    ],
)
def test_what_stands_around_a_span(passage, start, end, most, around):
    assert text.surroundings(passage, start, end, most) == around


@given(st.text(), st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_what_stands_around_a_span_is_short_and_of_the_text(passage, start, length, most):
    start = min(start, len(passage))
    before, after = text.surroundings(passage, start, start + length, most)
    assert max(len(before), len(after)) <= most + len("... ")
    assert before.removeprefix("... ").strip() in " ".join(passage.split())
    assert after.removesuffix(" ...").strip() in " ".join(passage.split())
