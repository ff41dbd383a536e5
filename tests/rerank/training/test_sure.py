"""From which first-stage probability on a training mention is sure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.calibrating import JudgedMentions
from raybel.candidates.evidence import Evidence
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.ontology import Concept, Ontology
from raybel.rerank.training import sure
from raybel.rerank.training.sure import are_sure, fit_sure, lowest_limit

ONTOLOGY = Ontology.from_concepts([Concept("D0", "anemia"), Concept("D1", "asthma"), Concept("D2", "gouty arthritis")])
MENTIONS = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=20)


@given(MENTIONS, st.sampled_from([0.0, 0.2, 0.5]))
def test_the_lowest_probability_with_few_errors(mentions, errors):
    first = np.array([tenths / 10 for tenths, _ in mentions], np.float32)
    right = np.array([each for _, each in mentions], bool)

    def fits(limit):
        return np.sum(~right[first >= limit]) <= errors * np.sum(first >= limit)

    before, sure.ERRORS = sure.ERRORS, errors
    try:
        found = lowest_limit(first, right)
    finally:
        sure.ERRORS = before
    wanted = [float(limit) for limit in np.unique(first) if fits(limit)]
    assert found == min(wanted, default=None)


def judged(*pairs):
    return JudgedMentions([surface for surface, _ in pairs], [concept for _, concept in pairs], [0] * len(pairs))


def test_names_are_sure_and_what_is_often_wrong_is_not():
    generator = NgramGenerator.build(ONTOLOGY, NgramParameters())
    usual = [("anemia", 0), ("asthma", 1)] * 20 + [("gouty asthma", 2)] * 5 + [("gouty asthma", 1)] * 5
    rule = fit_sure(generator, judged(*usual, ("unheard", -1)), 3)
    surfaces = ["anemia", "gouty asthma", "unheard", "asthma"]
    found = generator.search(surfaces, 3)
    assert are_sure(rule, Evidence(generator.alias_table), surfaces, found, None) == [True, False, False, True]


def test_nothing_is_sure_where_the_first_stage_errs_everywhere():
    generator = NgramGenerator.build(ONTOLOGY, NgramParameters())
    rule = fit_sure(generator, judged(*[("anemia", 1), ("anemia", 0)] * 9), 3)
    assert rule.sure_from is None
    assert are_sure(rule, Evidence(generator.alias_table), ["anemia"], generator.search(["anemia"], 3), None) == [False]


def test_nothing_to_fit():
    generator = NgramGenerator.build(ONTOLOGY, NgramParameters())
    assert fit_sure(generator, judged(), 3) is None
    assert fit_sure(generator, judged(("anemia", 1)), 1) is None
