import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.calibration import CandidateCalibration
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import ACCURACY, LIMITS, LOSS, Cascade, cascade_for, fit_limit

#: Probability of a first candidate, whether it is right, whether the re-ranker's is.
MENTIONS = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=40)


def fits(limit, mentions):
    sure = [(first, reranked) for probability, first, reranked in mentions if probability >= np.float32(limit)]
    gained = sum(reranked for _, reranked in sure) - sum(first for first, _ in sure)
    accurate = sum(first for first, _ in sure) + 1 >= ACCURACY * (len(sure) + 2)
    return bool(sure) and gained <= LOSS * len(mentions) and accurate


def limit_of(mentions):
    columns = [np.array([mention[place] for mention in mentions]) for place in range(3)]
    return fit_limit(columns[0].astype(np.float32), columns[1].astype(bool), columns[2].astype(bool))


@given(MENTIONS, st.integers(1, 10))
def test_the_limit_is_the_lowest_that_loses_nothing(mentions, times):
    mentions = [(float(np.float32(probability)), *right) for probability, *right in mentions] * times
    found = limit_of(mentions)
    fitting = [float(limit) for limit in LIMITS if fits(limit, mentions)]
    assert found == (min(fitting) if fitting else None)


def test_what_is_sure():
    right, wrong = [(0.95, True, True)] * 98, [(0.6, False, True)] * 20
    assert limit_of(right + wrong) == pytest.approx(0.61)
    # The re-ranker would win one in a thousand mentions more, but not two.
    lost = [(0.99, False, True)]
    assert limit_of(right * 10 + wrong + lost) == pytest.approx(0.61)
    assert limit_of(right * 10 + wrong + lost * 2) is None
    # A re-ranker that is wrong everywhere makes no bad link sure.
    assert limit_of([(0.9, False, False)] * 200) is None
    # Few mentions tell too little.
    assert limit_of(right[:5]) is None
    assert limit_of([]) is None


def cascade(**changed):
    weights = CandidateCalibration(score=9.0, none=4.0), 0.9, Calibration(none=2.0), "ngrams f", "o", 0.4, {"sure": 0.7}
    return Cascade(*weights, **changed)


def test_a_rule_comes_back_out_of_json():
    assert Cascade.from_dict(json.loads(json.dumps(cascade().to_dict()))) == cascade()
    by_prior = cascade(settled=Calibration(logit=0.0, prior=0.5), every=Calibration())
    assert Cascade.from_dict(json.loads(json.dumps(by_prior.to_dict()))) == by_prior
    pruning = replace(by_prior, pruned_below=0.02)
    assert Cascade.from_dict(json.loads(json.dumps(pruning.to_dict()))) == pruning
    none = Cascade(CandidateCalibration(), None, Calibration(), "dense")
    assert Cascade.from_dict(json.loads(json.dumps(none.to_dict()))) == none


class Candidates:
    """A generator's name, and what it was made of."""

    def __init__(self, description, ontology):
        self.description, self.ontology_fingerprint, self.name = description, ontology, description.split()[0]


def test_which_rule_holds_for_a_generator():
    rules = [
        Cascade(CandidateCalibration(), None, Calibration(), generator, ontology)
        for generator, ontology in (
            ("dense a", "mesh"),
            ("ngrams b", "mesh"),
            ("dense c", "medic"),
            ("dense d", "mesh"),
        )
    ]

    def chosen(*generator):
        found = cascade_for(rules, Candidates(*generator))
        return found and found.generator

    assert chosen("dense d", "mesh") == "dense d"
    assert chosen("dense other", "medic") == "dense c"
    assert chosen("dense other", "mesh") == "dense a"
    assert chosen("dense c", "elsewhere") == "dense a"
    assert chosen("ngrams b", "mesh") == "ngrams b"
    assert chosen("hybrid b", "mesh") is None
    assert cascade_for([], Candidates("dense a", "mesh")) is None


def test_the_limit_itself_is_sure():
    rule = cascade()
    assert rule.is_sure(np.array([0.9, 0.1], np.float32))
    assert not rule.is_sure(np.array([0.89999], np.float32))
    assert not rule.is_sure(np.zeros(0, np.float32))
    assert not Cascade(rule.first_stage, None, rule.unsure, "ngrams").is_sure(np.ones(1, np.float32))
