import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.detection.base import Detection, Detector
from raybel.detection.combined import Combined, Rule, TypeRule, combine, fit


class Fake(Detector):
    """Finds what it is told, in every passage."""

    name = "fake"

    def __init__(self, found, types=("Disease",), fingerprint="f"):
        self.found, self.types, self.fingerprint = found, types, fingerprint

    def detect(self, documents):
        return [[list(self.found) for _ in passages] for passages in documents]


def own(start, end, score=0.9, kind="Disease"):
    return Detection(start, end, kind, score, "token-classifier")


def listed(start, end, score=0.9, kind="Disease"):
    return Detection(start, end, kind, score, "dictionary")


def test_by_default_the_dictionary_fills_the_gaps():
    classifier = Fake([own(0, 6), own(20, 30, 0.1)])
    dictionary = Fake([listed(0, 4), listed(8, 12), listed(12, 14, 0.01), listed(19, 21)])
    found = Combined(classifier, dictionary).detect([["x" * 40, "y" * 40], []])
    wanted = [own(0, 6), listed(8, 12), listed(12, 14, 0.01), own(20, 30, 0.1)]
    assert found == [[wanted, wanted], []]


def test_a_rule_for_each_type():
    rule = Rule({"Disease": TypeRule(0.5, 0.6), "Gene": TypeRule(math.inf)})
    found = combine(
        [own(0, 4, 0.5), own(10, 14, 0.5), own(20, 24, 0.7)],
        [
            listed(0, 4),
            listed(11, 14, 0.5),
            listed(30, 34, 0.4),
            listed(40, 44, 1.0, "Gene"),
            listed(50, 54, 0.1, "Cell"),
        ],
        rule,
    )
    # Kept by the dictionary's consent; dropped, which makes room; sure enough; of a type without a rule.
    assert found == [own(0, 4, 0.5), listed(11, 14, 0.5), own(20, 24, 0.7), listed(50, 54, 0.1, "Cell")]


def test_a_dictionary_without_types():
    combined = Combined(Fake([]), Fake([listed(0, 4, kind="")], ("",)))
    assert combined.types == ("Disease",)
    assert combined.detect([["anemia"]]) == [[[listed(0, 4)]]]
    several = Combined(Fake([], ("Chemical", "Disease")), Fake([listed(0, 4, kind="")], ("",)))
    assert several.types == ("", "Chemical", "Disease")
    assert several.detect([["anemia"]]) == [[[listed(0, 4, kind="")]]]


def test_the_fitted_rule_is_used_with_its_dictionary_only():
    classifier = Fake([own(0, 6)])
    classifier.rules = {"known": Rule({"Disease": TypeRule(math.inf)}).to_dict()}
    known, other = (Fake([listed(8, 12)], fingerprint=name) for name in ("known", "other"))
    assert Combined(classifier, known).detect([["x" * 20]]) == [[[own(0, 6)]]]
    assert Combined(classifier, other).detect([["x" * 20]]) == [[[own(0, 6), listed(8, 12)]]]
    assert Combined(classifier, known, Rule()).detect([["x" * 20]]) == [[[own(0, 6), listed(8, 12)]]]
    prints = {Combined(classifier, known).fingerprint, Combined(classifier, other).fingerprint}
    prints |= {Combined(classifier, known, Rule()).fingerprint, Combined(Fake([], (), "g"), known).fingerprint}
    assert len(prints) == 4


def spans(of):
    """Spans without overlap, in order."""
    pairs = st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from("AB"))

    def laid_out(gaps):
        made, at = [], 0
        for gap, length, score, kind in gaps:
            made.append(of(at + gap, at + gap + length, score, kind))
            at += gap + length
        return made

    return st.lists(pairs, max_size=6).map(laid_out)


rules = st.builds(
    TypeRule,
    st.sampled_from([0.0, 0.5, math.inf]),
    st.sampled_from([0.0, 0.5, math.inf]),
    st.sampled_from([None, 0.0, 0.3]),
)


@given(spans(own), spans(listed), rules, rules)
def test_nothing_overlaps_and_nothing_is_invented(mine, others, one, other):
    rule = Rule({"A": one}, other)
    found = combine(mine, others, rule)
    assert all(left.end <= right.start for left, right in pairwise(found))
    assert set(found) <= set(mine) | set(others)
    assert {each for each in mine if each.score >= rule.of(each.type).keep} <= set(found)
    assert Rule.from_dict(rule.to_dict()) == rule


def test_fitting_prefers_the_simpler_rule():
    never, always = TypeRule(math.inf), TypeRule(0.0)
    assert fit(["A"], lambda rule: {"all": 0.5}) == Rule({"A": never})

    def better(rule):
        return {"all": 0.5 + 0.1 * (rule.of("A").add <= 0.5) + 0.0001 * (rule.of("A").keep > 0)}

    assert fit(["A", "B"], better) == Rule({"A": always, "B": never})


def test_fitting_finds_both_thresholds():
    def best(rule):
        each = rule.of("A")
        return {"all": 0.5 + 0.1 * (each.add == 0.7) + 0.1 * (each.keep == 0.3)}

    assert fit(["A"], best) == Rule({"A": TypeRule(0.7, 0.3)})


def test_what_the_classifier_is_unsure_of_counts_where_the_dictionary_agrees():
    mine, others = (
        [own(0, 4, 0.4), own(10, 14, 0.4), own(20, 24, 0.1), own(30, 34, 0.6)],
        [listed(0, 4), listed(20, 24)],
    )
    least = {"Disease": 0.5}
    assert combine(mine, others, Rule(other=TypeRule(math.inf)), least) == [mine[3]]
    assert combine(mine, others, Rule(other=TypeRule(math.inf, agree=0.3)), least) == [mine[0], mine[3]]
    assert combine(mine, others, Rule(other=TypeRule(math.inf, agree=0.0)), least) == [mine[0], mine[2], mine[3]]
    assert combine(mine, others, Rule(other=TypeRule(math.inf, 0.7, 0.3)), least) == [mine[0]]


def test_possible_mentions_of_a_classifier_are_combined():
    classifier = Fake([own(0, 6)])
    classifier.least_scores = {"Disease": 0.5}
    classifier.possible = lambda documents: [[[own(0, 6), own(8, 12, 0.2)] for _ in each] for each in documents]
    dictionary = Fake([listed(8, 12)])
    assert Combined(classifier, dictionary).detect([["x"]]) == [[[own(0, 6), listed(8, 12)]]]
    rule = Rule(other=TypeRule(math.inf, agree=0.0))
    assert Combined(classifier, dictionary, rule).detect([["x"]]) == [[[own(0, 6), own(8, 12, 0.2)]]]


def test_fitting_finds_where_both_agree():
    def best(rule):
        return {"all": 0.5 + 0.1 * (rule.of("A").agree == 0.3)}

    assert fit(["A"], best) == Rule({"A": TypeRule(math.inf, 0.0, 0.3)})


def test_a_rule_survives_json():
    rule = Rule({"A": TypeRule(math.inf, 0.3)}, TypeRule(0.7, agree=0.0))
    assert rule.to_dict()["types"]["A"] == {"add": None, "keep": 0.3, "agree": None}
    assert Rule.from_dict(rule.to_dict()) == rule
    with pytest.raises(KeyError):
        Rule.from_dict({"types": {}})
