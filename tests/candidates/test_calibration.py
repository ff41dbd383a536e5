"""Probabilities of a generator's candidates: what they are made of, how they are fitted, where they are kept."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import two_concepts

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, Generator
from raybel.candidates.calibrating import JudgedMentions, calibrate, store, stored
from raybel.candidates.calibration import FEATURES, CandidateCalibration, FittedCalibration, fit
from raybel.candidates.evidence import Evidence, Probabilities, places_of
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.errors import InputError

ALIASES = pa.table(
    {
        "alias": pa.array(["anemia", "as", "as", "asthma"]),
        "concept": pa.array([0, 1, 2, 3], pa.int32()),
        "frequency": pa.array([0, 3, 1, 0], pa.int32()),
    }
)
WEIGHTS = st.builds(CandidateCalibration, *[st.floats(0, 20)] * len(FEATURES), st.floats(-20, 20))


def candidates(*rows):
    """Candidates of (score, alias)."""
    return np.array([(alias, score, alias) for score, alias in rows], CANDIDATE_DTYPE)


#: A surface and its candidates, by falling scores.
FOUND = st.tuples(
    st.sampled_from(["anemia", "as", "asthma", "other"]),
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(-1, 3)), max_size=6).map(
        lambda rows: candidates(*sorted(rows, key=lambda row: -row[0]))
    ),
)


def test_what_is_known_of_candidates():
    found = candidates((1.0, 1), (1.0, 2), (0.5, 3))
    (ambiguous, other, nothing, unknown) = Evidence(ALIASES).of(
        ["as", "asthmatic", "x", "as"], [found, candidates((0.8, 3)), NO_CANDIDATES, candidates((0.4, -1))]
    )
    assert ambiguous.tolist() == [
        [1, 1, 1, np.log(4), 1],
        [1, 1, 0.5, 0, 0],
        [0.5, 0, 1 / 3, 0, 0],
    ]
    assert other[0, [1, 3]].tolist() == [0, 0]
    assert other[0, 4] == 12 / 17  # 10 and 7 trigrams, of which 6 are the same
    assert nothing.shape == (0, len(FEATURES))
    assert unknown[0, 1:].tolist() == [0, 1, 0, 0]


def test_without_an_alias_table_names_tell_nothing():
    (found,) = Evidence(None).of(["as"], [candidates((1.0, 1), (0.5, 3))])
    assert found[:, [1, 3, 4]].tolist() == [[0, 0, 0], [0, 0, 0]]


@given(WEIGHTS, st.lists(FOUND, max_size=5))
def test_probabilities_keep_the_order_and_are_each_mention_s_own(calibration, mentions):
    surfaces, by_mention = [surface for surface, _ in mentions], [found for _, found in mentions]
    together = list(map(calibration.probabilities, Evidence(ALIASES).of(surfaces, by_mention)))
    for surface, found, probabilities in zip(surfaces, by_mention, together, strict=True):
        assert (np.diff(probabilities) <= 0).all()
        assert probabilities.sum() <= 1 + 1e-4
        assert probabilities.dtype == np.float32
        (alone,) = Evidence(ALIASES).of([surface], [found])
        assert calibration.probabilities(alone).tolist() == probabilities.tolist()


def test_candidates_of_an_ambiguous_name_share():
    weights = CandidateCalibration(score=10.0, exact=5.0, none=5.0)
    found = [candidates((1.0, 1), (1.0, 2)), candidates((1.0, 0), (0.2, 3))]
    ambiguous, clear = Probabilities(weights, ALIASES).of(["as", "anemia"], found)
    assert ambiguous[0] == ambiguous[1] < 0.5 < clear[0]


def test_a_document_that_failed_leaves_no_mark_on_others():
    """Its mentions have no candidates, though their surfaces do."""
    probabilities = Probabilities(CandidateCalibration(score=1.0), ALIASES)
    found = candidates((1.0, 1))
    assert [len(each) for each in probabilities.of(["as", "as"], [NO_CANDIDATES, found])] == [0, 1]
    assert [len(each) for each in probabilities.of(["as", "as"], [found, NO_CANDIDATES])] == [1, 0]


def test_there_is_nothing_to_fit_without_a_wrong_or_without_a_right_candidate():
    features = Evidence(ALIASES).of(["as", "x"], [candidates((1.0, 1)), NO_CANDIDATES])
    assert fit(features, [0, -1]) is None
    assert fit(features, [-1, -1]) is None
    assert fit([], []) is None
    both = Evidence(ALIASES).of(["as"], [candidates((1.0, 1), (1.0, 2))])
    assert fit(both, [0]) is not None


def test_the_places_of_concepts():
    found = [candidates((1.0, 1), (0.5, 0)), candidates((1.0, 1)), candidates((1.0, 1)), NO_CANDIDATES]
    assert places_of(found, [0, 0, -1, 1]) == [1, -1, -1, -1]


class Overconfident(Generator):
    """Scores everything 0.99; right where the surface is a name, in three of ten other mentions."""

    name, fingerprint, ontology_fingerprint, expands_abbreviations = "sure", "f", "o", None

    @property
    def alias_table(self):
        return ALIASES

    def search(self, surfaces, top_k, excluded=None):
        return [candidates((0.99, 0), (0.99, 3)) for _ in surfaces]


def judged():
    rng = np.random.default_rng(0)
    mentions = JudgedMentions([], [], [])
    for number in range(600):
        name = bool(rng.random() < 0.6)
        mentions.surfaces.append("anemia" if name else f"other {number}")
        mentions.concepts.append(0 if name or rng.random() < 0.3 else -1)
        mentions.documents.append(number // 3)
    return mentions


def test_calibration_makes_probabilities_of_scores():
    fitted = calibrate(Overconfident(), judged())
    assert fitted.figures["mentions"] == 600
    assert fitted.figures["ECE"] < 0.06 < 0.25 < fitted.figures["ECE_of_scores"]
    surfaces = ["anemia", "other 1"]
    found = Overconfident().search(surfaces, 10)
    sure, unsure = Probabilities(fitted.calibration, ALIASES).of(surfaces, found)
    assert sure[0] > 0.9
    assert unsure[0] == pytest.approx(0.3, abs=0.1)
    # A link of `other` is right in three of ten: leaving these out is better.
    assert unsure[0] < fitted.threshold <= sure[0]
    assert fitted.figures["F1"] > fitted.figures["F1_without_threshold"]


def test_no_threshold_is_recommended_where_every_mention_has_a_concept():
    mentions = judged()
    fitted = calibrate(Overconfident(), JudgedMentions(mentions.surfaces, [0, 3] * 300, mentions.documents))
    assert fitted.threshold is None
    assert fitted.figures["without_concept"] == 0


def test_no_mentions_fit_nothing():
    assert calibrate(Overconfident(), JudgedMentions([], [], [])) is None


def test_a_model_keeps_its_calibration(tmp_path):
    ontology = two_concepts()
    path, home = str(tmp_path / "o.arrow"), str(tmp_path / "m")
    ontology.save(path)
    fingerprint = NgramGenerator.build(ontology, NgramParameters()).save(home, facts={"scores": {"val": 1}})
    fitted = calibrate(Overconfident(), judged())
    assert open_generator(ontology, GeneratorPaths(ngrams_model=home)).calibration is None
    store(home, "another generator", fitted)
    assert open_generator(ontology, GeneratorPaths(ngrams_model=home)).calibration is None
    store(home, fingerprint, fitted)
    opened = open_generator(ontology, GeneratorPaths(ngrams_model=home))
    assert opened.calibration == fitted
    assert opened.fingerprint == fingerprint
    assert set(stored(home)) == {"another generator", fingerprint}
    assert json.loads((tmp_path / "m" / "config.json").read_text())["scores"] == {"val": 1}


@pytest.mark.parametrize("damage", [{"weights": {}, "threshold": None}, [], {"weights": 1}, None])
def test_a_damaged_calibration_is_refused(damage):
    with pytest.raises(InputError, match="calibration is damaged"):
        FittedCalibration.from_dict(damage, "m")
    good = calibrate(Overconfident(), judged())
    assert FittedCalibration.from_dict(json.loads(json.dumps(good.to_dict())), "m") == good
    with pytest.raises(InputError, match="calibration is damaged"):
        FittedCalibration.from_dict({**good.to_dict(), "weights": {"unheard of": 1}}, "m")
