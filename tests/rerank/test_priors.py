"""What is known of candidates, what it is worth, and how that is fitted."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_crossencoder import candidates

from raybel.candidates.aliases import AliasTable
from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, ExcludedMentions
from raybel.ontology import Concept, Ontology
from raybel.rerank.examples import Describer, document_examples
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import FEATURES, OF_CANDIDATES, PriorFeatures
from raybel.rerank.priors import Prior, prior_for
from raybel.rerank.training.priors import RANGES, fit_prior

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D0", "Breast cancer", ["cancer of breast"], types=["disease"], tree_numbers=["C04.588", "C17.1.2"]),
        Concept("D1", "Breast cancer type 2"),
        Concept("D2", "Gout"),
    ]
)
TRAINED = [("cancer of breast", 0), ("cancer of breast", 0), ("brca", 0), ("gout", 2)]
ALIASES = AliasTable.build(ONTOLOGY, TRAINED).table


def row_of(alias, concept):
    rows = zip(ALIASES["alias"].to_pylist(), ALIASES["concept"].to_pylist(), strict=True)
    return list(rows).index((alias, concept))


def found(*pairs):
    """Candidates by their aliases and concepts, with falling scores."""
    rows = [(concept, 1 - place / 4, row_of(alias, concept)) for place, (alias, concept) in enumerate(pairs)]
    return np.array(rows, CANDIDATE_DTYPE)


def known(surface, *pairs, excluded=None, own=None):
    """Each candidate's features by name, and its categories."""
    describer = Describer(ONTOLOGY, ALIASES, CrossEncoderParameters())
    ((*_, features),) = describer.describe([found(*pairs)], [surface], excluded, own)
    named = [dict(zip(OF_CANDIDATES, map(float, each), strict=True)) for each in features.values]
    return named, features.categories


def test_what_is_known_of_candidates_by_themselves():
    (first, second), categories = known("brca type 3", ("cancer of breast", 0), ("breast cancer type 2", 1))
    assert categories == [("branch C", "branch C04", "branch C17", "type disease"), ()]
    assert [each["score"] for each in (first, second)] == [1, 0.75]
    assert [each["margin"] for each in (first, second)] == [0.25, -0.25]
    assert [each["first"] for each in (first, second)] == [1, 0]
    assert [each["preferred"] for each in (first, second)] == [0, 1]
    assert [each["added"] for each in (first, second)] == [3, 3]
    assert [each["missing"] for each in (first, second)] == [3, 2]
    assert [each["numbers"] for each in (first, second)] == [0, 1]
    assert [each["mentions"] for each in (first, second)] == pytest.approx([math.log(4), 0])
    assert first["inexact_mentions"] == first["mentions"]
    assert [each["mentions_ahead"] for each in (first, second)] == pytest.approx([0, -math.log(4)])
    assert [each["alias_mentions"] for each in (first, second)] == pytest.approx([math.log(3), 0])
    assert [each["names"] for each in (first, second)] == pytest.approx([math.log(2), 0])
    assert [each["depth"] for each in (first, second)] == [2, 0]


def test_likeness_and_equal_names():
    (first,), _ = known("cancer of breast", ("cancer of breast", 0))
    assert (first["exact"], first["alias_likeness"], first["margin"]) == (1, 1, 1)
    assert first["mentions"] > first["inexact_mentions"] == 0
    assert 0 < first["name_likeness"] < 1
    (other,), _ = known("xyz", ("gout", 2))
    assert (other["exact"], other["alias_likeness"], other["name_likeness"]) == (0, 0, 0)


def test_training_mentions_of_the_own_document_count_for_nothing():
    own = ExcludedMentions([{("cancer of breast", 0): 1}])
    (cross_fitted,), _ = known("x", ("cancer of breast", 0), excluded=own, own=own)
    assert cross_fitted["mentions"] == pytest.approx(math.log(3))
    assert cross_fitted["alias_mentions"] == pytest.approx(math.log(2))
    (dictionary,), _ = known("x", ("cancer of breast", 0), excluded=ExcludedMentions(), own=own)
    assert dictionary["mentions"] == pytest.approx(math.log(3))
    assert dictionary["alias_mentions"] == 0


def test_without_an_alias_table_nothing_has_training_mentions():
    describer = Describer(ONTOLOGY, None, CrossEncoderParameters())
    ((*_, features),) = describer.describe([candidates(["a", "b"])], ["gout"])
    named = dict(zip(OF_CANDIDATES, features.values.T.tolist(), strict=True))
    assert named["mentions"] == named["alias_mentions"] == [0, 0]


def document_of(text, *surfaces):
    mentions = [
        {"mention_id": str(n), "passage": 0, "sentence": -1, "start": 0, "end": 1, "text": each, "surface": each}
        for n, each in enumerate(surfaces)
    ]
    return {"passages": [{"offset": 0, "text": text, "sentences": []}], "mentions": mentions}


def test_what_the_document_tells():
    """Another name of the document is gout's, and so is this mention's; the same name again tells nothing new."""
    document = document_of("Some Gout is here", "gout", "gout", "podagra", "other")
    of_each = [found(("gout", 2)), found(("gout", 2)), found(("gout", 2), ("cancer of breast", 0)), NO_CANDIDATES]
    describer = Describer(ONTOLOGY, ALIASES, CrossEncoderParameters())
    described = describer.describe(of_each, [each["surface"] for each in document["mentions"]])
    examples = document_examples(document, of_each, described, "sentence")
    tell = [each.known.values[:, [FEATURES.index("in_text"), FEATURES.index("linked_beside")]] for each in examples]
    assert tell[0] == pytest.approx(np.array([[1, math.log(2)]]))
    assert tell[2] == pytest.approx(np.array([[1, math.log(3)], [0, 0]]))
    assert examples[3].known.values.shape == (0, len(FEATURES))


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("A BREAST  cancer, here", True),
        ("breast-cancer", True),
        ("breast cancers", False),
        ("cancer of the breast", False),
        ("abreast cancer", False),
        ("", False),
    ],
)
def test_a_name_stands_in_a_text_as_whole_words_in_a_row(text, stands):
    of_each = [found(("breast cancer", 0))]
    described = Describer(ONTOLOGY, ALIASES, CrossEncoderParameters()).describe(of_each, ["x"])
    (example,) = document_examples(document_of(text, "x"), of_each, described, "sentence")
    assert example.known.values[0, FEATURES.index("in_text")] == stands


def test_tree_numbers_of_both_spellings_have_their_depth():
    concepts = [Concept("D0", "a", tree_numbers=["C04/C538614"]), Concept("D1", "b", tree_numbers=["C04.5.6", ""])]
    describer = Describer(Ontology.from_concepts(concepts), None, CrossEncoderParameters())
    ((*_, known_of),) = describer.describe([candidates(["a", "b"])], ["x"])
    assert known_of.values[:, OF_CANDIDATES.index("depth")].tolist() == [2, 3]


def test_mentions_that_are_not_described_still_tell_of_others():
    """As those that a cascade takes as sure: linking describes the others alone."""
    document = document_of("x", "gout", "podagra")
    of_each = [found(("gout", 2)), found(("gout", 2))]
    describer = Describer(ONTOLOGY, ALIASES, CrossEncoderParameters())
    described = describer.describe([NO_CANDIDATES, of_each[1]], ["gout", "podagra"])
    _, example = document_examples(document, of_each, described, "sentence")
    assert example.known.values[0, FEATURES.index("linked_beside")] == pytest.approx(math.log(2))


def features_of(rows, categories=None):
    values = np.zeros((len(rows), len(FEATURES)), np.float32)
    for place, row in enumerate(rows):
        for name, value in row.items():
            values[place, FEATURES.index(name)] = value
    return PriorFeatures(values, categories or [()] * len(rows))


def test_what_is_right_in_training_is_likely():
    """Of two alike the more frequent is right; a category is wrong; without a name of its words none is right."""
    frequent = (features_of([{"mentions": 1}, {"mentions": 3}]), 1)
    of_kind = (features_of([{"score": 1}, {"score": 1}], [("drug",), ("disease",)]), 1)
    hopeless = (features_of([{"missing": 5}, {"missing": 5}]), -1)
    prior = fit_prior([frequent, of_kind, hopeless] * 40, "ngrams f", "o")
    of_frequent, of_kinds, of_hopeless = prior.evidence([frequent[0], of_kind[0], hopeless[0]])
    assert of_frequent[1] > of_frequent[0] + 1
    assert of_kinds[1] > of_kinds[0] + 1
    assert prior.categories["disease"] > prior.categories["drug"]
    assert (of_hopeless < -1).all()
    assert (prior.generator, prior.ontology) == ("ngrams f", "o")


def test_nothing_to_fit():
    one, two = features_of([{}]), features_of([{}, {}])
    assert fit_prior([], "g", "o") is None
    assert fit_prior([(one, 0)], "g", "o") is None
    assert fit_prior([(two, -1), (features_of([]), -1)], "g", "o") is None
    assert fit_prior([(two, 0)], "g", "o") is not None


def test_a_rare_value_has_a_range_of_its_own():
    """Quantiles of all candidates would all be 0."""
    mentions = [(features_of([{}, {}]), 0)] * 200
    rare = [(features_of([{}, {"linked_beside": value}]), 1) for value in (1, 2, 3, 4, 5)] * 2
    prior = fit_prior(mentions + rare, "g", "o")
    borders = prior.borders[FEATURES.index("linked_beside")]
    assert borders[0] == 1
    assert len(borders) == RANGES
    assert prior.weights[FEATURES.index("linked_beside")][0] > 0.3


values = st.lists(st.floats(-9, 9, width=32), min_size=len(FEATURES), max_size=len(FEATURES))
mentions = st.tuples(
    st.lists(st.tuples(values, st.sampled_from([(), ("a",), ("a", "b")])), max_size=4), st.integers(-1, 3)
)


@given(st.lists(mentions, min_size=1, max_size=8), st.data())
def test_evidence_depends_on_the_mention_alone_and_is_stored(drawn, data):
    told = [
        (PriorFeatures(np.array([row for row, _ in some], np.float32).reshape(-1, len(FEATURES)), [c for _, c in some]),
         gold if gold < len(some) else -1)
        for some, gold in drawn
    ]  # fmt: skip
    prior = fit_prior(told, "g x", "o")
    if prior is None:
        return
    assert prior == fit_prior(told, "g x", "o")
    stored = Prior.from_dict(json.loads(json.dumps(prior.to_dict())))
    features = [each for each, _ in told]
    together = prior.evidence(features)
    assert [len(each) for each in together] == [len(each.values) for each in features]
    assert all(np.isfinite(each).all() for each in together)
    which = data.draw(st.integers(0, len(features) - 1))
    alone = stored.evidence([features[which]])[0]
    assert alone.tolist() == together[which].tolist()
    place = data.draw(st.integers(0, len(alone)))
    part = PriorFeatures(features[which].values[:place], features[which].categories[:place])
    assert stored.evidence([part])[0].tolist() == alone[:place].tolist()


def test_a_damaged_prior_is_refused():
    held = fit_prior([(features_of([{}, {"score": 1}]), 1)] * 9, "g", "o").to_dict()
    short = held["features"] | {"score": {"from": [1.0], "weight": []}}
    unknown = held["features"] | {"weight": {"from": [], "weight": []}}
    falling = held["features"] | {"score": {"from": [1.0, 0.0], "weight": [1.0, 1.0]}}
    of_features = [{"features": each} for each in ({}, short, unknown, falling)]
    for damaged in ({}, *(held | each for each in (*of_features, {"none": "x"}, {"none": float("nan")}))):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Prior.from_dict(damaged)


def test_the_prior_that_is_nearest_to_a_generator():
    def prior(generator, ontology):
        return Prior([[]] * len(FEATURES), [[]] * len(FEATURES), {}, 0.0, generator, ontology)

    order = [prior(*each) for each in (("dense z", "p"), ("ngrams z", "p"), ("dense a", "o"), ("ngrams b", "o"))]
    order.append(prior("ngrams a", "o"))
    while order:
        assert prior_for(order, "ngrams a", "o") is (order[-1] if len(order) > 1 else order[0])
        order.pop()
    assert prior_for([], "ngrams a", "o") is None
