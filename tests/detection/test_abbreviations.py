from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from raybel.detection.abbreviations import judged_by_long_forms
from raybel.detection.base import Detection

TITLE = "AT in children"
ABSTRACT = "We saw ataxia telangiectasia (AT) in 12. AT-like cells, AT cells and ATM were seen."


def mention(text, words, kind="Disease", score=0.8, nth=0):
    at = -1
    for _ in range(nth + 1):
        at = text.index(words, at + 1)
    return Detection(at, at + len(words), kind, score, "d")


def plain(text, found):
    return [(text[each.start : each.end], each.type) for each in found]


def test_a_short_form_is_what_its_long_form_is():
    long = mention(ABSTRACT, "ataxia telangiectasia")
    title, abstract = judged_by_long_forms([TITLE, ABSTRACT], [[], [long]])
    assert plain(TITLE, title) == [("AT", "Disease")]
    assert plain(ABSTRACT, abstract) == [("ataxia telangiectasia", "Disease"), *[("AT", "Disease")] * 3]
    assert {each.score for each in title + abstract} == {0.8}


def test_another_type_gives_way():
    found = [mention(ABSTRACT, "ataxia telangiectasia"), mention(ABSTRACT, "AT", "Chemical", 0.99)]
    _, abstract = judged_by_long_forms([TITLE, ABSTRACT], [[], found])
    assert [kind for _, kind in plain(ABSTRACT, abstract)] == ["Disease"] * 4


def test_a_surer_short_form_keeps_its_score():
    short = mention(ABSTRACT, "AT", score=0.95)
    _, abstract = judged_by_long_forms([TITLE, ABSTRACT], [[], [mention(ABSTRACT, "ataxia telangiectasia"), short]])
    assert short in abstract


def test_a_part_of_a_longer_mention_stays():
    longer = mention(ABSTRACT, "AT-like cells", "Cell")
    _, abstract = judged_by_long_forms([TITLE, ABSTRACT], [[], [mention(ABSTRACT, "ataxia telangiectasia"), longer]])
    assert plain(ABSTRACT, abstract)[2] == ("AT-like cells", "Cell")


def test_a_short_form_whose_long_form_is_no_mention():
    short = mention(ABSTRACT, "AT cells")
    alone = mention(ABSTRACT, "AT", nth=2)
    assert judged_by_long_forms([TITLE, ABSTRACT], [[mention(TITLE, "AT")], [short]]) == [[], [short]]
    assert judged_by_long_forms([TITLE, ABSTRACT], [[], [alone]]) == [[], []]


def test_a_long_form_that_is_touched_says_nothing():
    found = [mention(ABSTRACT, "telangiectasia"), mention(ABSTRACT, "AT")]
    assert judged_by_long_forms([TITLE, ABSTRACT], [[], found]) == [[], found]  # it ends there, but lacks a word
    part = [mention(ABSTRACT, "ataxia"), mention(ABSTRACT, "AT")]
    assert judged_by_long_forms([TITLE, ABSTRACT], [[], part]) == [[], part]


def test_a_short_form_that_stands_for_more():
    text = "The human alkaptonuria gene (AKU) is mapped. AKU is large."
    found = [mention(text, "alkaptonuria")]
    assert judged_by_long_forms([text], [found]) == [found]


def test_a_document_without_abbreviations():
    found = [mention("HD is bad.", "HD")]
    assert judged_by_long_forms(["HD is bad.", ""], [found, []]) == [found, []]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30), st.sampled_from(["A", "B"])), max_size=6))
def test_mentions_stay_in_order_without_overlap(gaps):
    found, at = [], 0
    for gap, length, kind in gaps:
        if at + gap + length <= len(ABSTRACT):
            found.append(Detection(at + gap, at + gap + length, kind, 0.5, "d"))
            at += gap + length
    _, abstract = judged_by_long_forms([TITLE, ABSTRACT], [[], found])
    assert all(one.end <= other.start for one, other in pairwise(abstract))
    lone = {(each.start, each.end) for each in found if ABSTRACT[each.start : each.end] == "AT"}
    assert {each for each in found if (each.start, each.end) not in lone} <= set(abstract)
