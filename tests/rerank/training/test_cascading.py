"""The rule of what is sure, fitted with a generator and a re-ranker that are right where it is known."""

import numpy as np
import pyarrow as pa
import pytest
from samples import annotation, collection, document, passage, save

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, Generator
from raybel.config import MentionOptions
from raybel.ontology import Concept, Ontology
from raybel.rerank.calibration import Calibration
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.cascading import fit_cascade, read_annotated

NAMES = ["anemia", "asthma", "gout"]
ONTOLOGY = Ontology.from_concepts([Concept(f"D{number}", name) for number, name in enumerate(NAMES)])


class ByName(Generator):
    """Puts the concept of that name first, or for another surface the last concept; `nothing` has no candidates."""

    name, fingerprint, ontology_fingerprint, expands_abbreviations = "names", "f", "o", None
    alias_table = pa.table(
        {"alias": NAMES, "concept": pa.array([0, 1, 2], pa.int32()), "frequency": pa.array([2, 2, 2])}
    )

    def search(self, surfaces, top_k, excluded=None):
        orders = [[NAMES.index(each), *({0, 1, 2} - {NAMES.index(each)})] if each in NAMES else [2, 0, 1]
                  for each in surfaces]  # fmt: skip
        return [
            NO_CANDIDATES if each == "nothing" else
            np.array([(row, 1 / (1 + place), row) for place, row in enumerate(order)], CANDIDATE_DTYPE)[:top_k]
            for each, order in zip(surfaces, orders, strict=True)
        ]  # fmt: skip


class Knowing:
    """Knows that `disease` is anemia, and `strange` and `odd` nothing; if it is bad at names, takes their second."""

    parameters, calibration, layout = CrossEncoderParameters(top_k=3), Calibration(), LAYOUTS["tree"]

    def __init__(self, bad_at_names=False):
        self.bad, self.scored = bad_at_names, []

    def logits(self, examples):
        self.scored += [each.mention for each in examples]
        return [self._of(each) for each in examples]

    def priors(self, examples):
        return [None] * len(examples)

    def token_count(self, examples):
        return sum(10 if each.mention == "disease" else 5 for each in examples)

    def _of(self, example):
        if example.mention in ("strange", "odd"):
            return np.full(3, -4.0, np.float32)
        logits = np.array([4.0, -4.0, -4.0], np.float32)
        wrong = example.mention == "disease" or self.bad
        return np.roll(logits, 1) if wrong else logits


def corpus(tmp_path, *mentions):
    """A document for each (text, gold)."""
    documents = [
        document(str(number), passage(f"A {text} here.", annotation(text, (2, len(text)), **gold)))
        for number, (text, gold) in enumerate(mentions)
    ]
    return (save(tmp_path / "val.xml", collection(*documents)),)


def gold(concept_id):
    return {"concept_id": concept_id}


def fitted(tmp_path, reranker, *mentions):
    return fit_cascade(reranker, ByName(), ONTOLOGY, read_annotated(corpus(tmp_path, *mentions), MentionOptions()))


USUAL = [("anemia", gold("D0"))] * 60 + [("gout", gold("D2"))] * 60 + [("disease", gold("D0"))] * 30


def test_names_are_sure_and_what_the_reranker_knows_better_is_not(tmp_path):
    reranker = Knowing()
    rule = fitted(tmp_path, reranker, *USUAL)
    assert (rule.generator, rule.ontology) == ("names f", "o")
    assert rule.settled is None
    assert rule.sure_from is not None
    assert rule.figures["sure"] == rule.figures["pairs_saved"] == 120 / 150
    assert rule.figures["tokens_saved"] == pytest.approx(600 / 900)
    assert rule.figures["first_stage_right_of_sure"] == rule.figures["reranked_right_of_sure"] == 1
    assert rule.figures["first_stage_right_of_unsure"] == 0
    assert rule.figures["reranked_right_of_unsure"] == rule.figures["right"] == 1
    assert rule.figures["ECE"] < 0.1
    assert rule.threshold is None
    assert len(reranker.scored) == 150


class KnowingBefore(Knowing):
    """Has a prior that knows as much; nothing is left that only the model knows but of `strange` and `odd`."""

    def priors(self, examples):
        return [np.full(3, -4.0, np.float32) if each.mention in ("strange", "odd") else self._told(each)
                for each in examples]  # fmt: skip

    def _told(self, example):
        return np.roll(np.array([8.0, -4.0, -4.0], np.float32), 1 if example.mention == "disease" else 0)


def test_what_the_prior_knows_is_sure_in_its_order(tmp_path):
    rule = fitted(tmp_path, KnowingBefore(), *USUAL, *[("strange", gold("D0"))] * 30)
    assert rule.settled.prior > 0
    assert rule.settled.logit == 0
    assert rule.unsure == rule.every
    assert rule.figures["sure"] == 150 / 180
    assert rule.figures["first_stage_right_of_sure"] == 120 / 150
    assert rule.figures["settled_right_of_sure"] == rule.figures["reranked_right_of_sure"] == 1
    assert rule.figures["right"] == 150 / 180


class RulingOut(Knowing):
    """Has a prior that can't tell the first two candidates apart, and rules the third one out."""

    def priors(self, examples):
        return [np.array([2.0, 2.0, -6.0], np.float32) for _ in examples]


def test_what_the_prior_rules_out_is_not_scored(tmp_path):
    rule = fitted(tmp_path, RulingOut(), *USUAL)
    assert rule.sure_from is None
    assert 0 < rule.pruned_below <= 0.1
    assert rule.figures["pairs_saved"] == pytest.approx(1 / 3)
    assert rule.figures["right"] == 1
    assert rule.unsure != rule.every  # it is fitted to the candidates that are left
    seen_together = RulingOut()
    seen_together.layout = LAYOUTS["parallel"]  # its scores would be others without the third candidate
    assert fitted(tmp_path, seen_together, *USUAL).pruned_below is None


class KnowingTogether(Knowing):
    """Scores a mention in another way where there is a name beside it."""

    layout = LAYOUTS["multi"]

    def _of(self, example):
        alone = not {"anemia", "gout"} & set(self.scored[self.begun :])
        return np.roll(super()._of(example), 0 if alone else 1)

    def logits(self, examples):
        self.begun = len(self.scored)
        return super().logits(examples)


def test_mentions_that_see_each_other_are_scored_as_linking_does(tmp_path):
    """The unsure ones without the sure ones, which aren't in their sequences then."""
    reranker = KnowingTogether()
    rule = fitted(tmp_path, reranker, *USUAL)
    assert rule.figures["sure"] == 120 / 150
    assert reranker.scored[150:] == ["disease"] * 30
    assert rule.figures["reranked_right_of_unsure"] == 1


def test_a_reranker_that_is_bad_at_names_loses_nothing_on_them(tmp_path):
    rule = fitted(tmp_path, Knowing(bad_at_names=True), *USUAL)
    assert rule.figures["right_if_all_are_reranked"] == 120 / 150  # the first stage's ranks count more for all of them
    assert rule.unsure.rank < rule.every.rank
    assert rule.figures["right"] == 1


def test_mentions_without_a_concept_give_a_threshold(tmp_path):
    nil = [("strange", gold("-1")), ("odd", gold("unheard of"))] * 15
    rule = fitted(tmp_path, Knowing(), *USUAL, *nil)
    assert rule.figures["without_concept"] == 30
    assert rule.threshold > 0
    assert rule.figures["F1"] > rule.figures["F1_without_threshold"]


def test_what_tells_nothing_is_left_out(tmp_path):
    more = [("anemia", {}), ("gout", gold("D1|D2")), ("nothing", gold("D0"))]
    rule = fitted(tmp_path, Knowing(), *USUAL, *more)
    assert rule.figures["mentions"] == 151
    assert rule.figures["sure"] == 120 / 150


@pytest.mark.parametrize("mentions", [[], [("anemia", gold("-1"))], [("nothing", gold("D0"))], [("anemia", {})]])
def test_nothing_to_fit(tmp_path, mentions):
    assert fitted(tmp_path, Knowing(), *mentions) is None
