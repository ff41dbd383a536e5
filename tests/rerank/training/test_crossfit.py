"""No training mention is handed its own label by its own document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates import pruning
from raybel.candidates.base import ExcludedMentions
from raybel.candidates.calibration import CandidateCalibration
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.ontology import Concept, Ontology
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import FEATURES
from raybel.rerank.training.crossfit import gold_rows, labelled_examples

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D1", "anemia", alt_ids=["OMIM:1"]),
        Concept("D2", "asthma", ["bronchial asthma"]),
        Concept("D3", "gout"),
    ]
)


def mention(surface, *gold):
    held = {"mention_id": "1", "passage": 0, "sentence": -1, "start": 0, "end": len(surface), "text": surface}
    return {**held, "surface": surface, "type": "", "gold": list(gold)}


def document(*mentions):
    return {"passages": [{"offset": 0, "text": "a text", "sentences": []}], "mentions": list(mentions)}


# "zzq" and "rare word" stand in the training corpus alone. Document 0 alone has "zzq"; both have "rare word".
DOCUMENTS = [
    document(mention("zzq", "D1"), mention("rare word", "D2"), mention("gout", "D3"), mention("gout", "D1")),
    document(mention("rare word", "D2"), mention("asthma", "D3"), mention("nothing")),
]


def make_generator(documents=DOCUMENTS):
    pairs = [
        (each["surface"], row)
        for held in documents
        for each, row in zip(held["mentions"], gold_rows(held["mentions"], ONTOLOGY), strict=True)
        if row >= 0
    ]
    return NgramGenerator.build(ONTOLOGY, NgramParameters(), pairs)


def by_mention(alias_scope, documents=DOCUMENTS, rule=None):
    generator = make_generator(documents)
    describer = Describer(ONTOLOGY, generator.alias_table, CrossEncoderParameters(further_names=9))
    found = labelled_examples(documents, generator, ONTOLOGY, describer, "sentence", 3, alias_scope, rule=rule)
    return {(number, each.mention): each for number, some in enumerate(found) for each in some}


def test_a_string_of_one_document_is_unknown_there():
    all_, cross_fitted = by_mention("all"), by_mention("cross_fitted")
    assert all_[0, "zzq"].candidates["score"].tolist() == pytest.approx([1.0])
    assert (all_[0, "zzq"].gold, len(cross_fitted[0, "zzq"].candidates)) == (0, 0)


def test_a_string_of_two_documents_is_known_from_the_other():
    for number in (0, 1):
        assert by_mention("cross_fitted")[number, "rare word"].gold == 0
        assert by_mention("cross_fitted")[number, "rare word"].aliases[0] == "rare word"
        assert len(by_mention("dictionary")[number, "rare word"].candidates) == 0


def test_training_mentions_of_a_concept_are_those_of_other_documents():
    documents = [document(mention("anemias", "D1"), mention("zzq", "D1")), document(mention("anemic", "D1"))]

    def counts(alias_scope):
        generator = make_generator(documents)
        describer = Describer(ONTOLOGY, generator.alias_table, CrossEncoderParameters(frequency_token=True))
        found = labelled_examples(documents, generator, ONTOLOGY, describer, "sentence", 3, alias_scope)
        rows = [example for of_document in found for example in of_document]
        shown = [dict(zip(e.candidates["concept"].tolist(), e.details, strict=True)) for e in rows]
        return [of_mention[0].mentions if 0 in of_mention else None for of_mention in shown]

    assert counts("all") == [3, 3, 3]
    assert counts("cross_fitted") == [1, None, 2]
    # Found by the ontology's own names alone, as a mention is that training doesn't know; others wrote about its
    # concept all the same.
    assert counts("dictionary") == [1, None, 2]


def known_of(example):
    named = zip(example.candidates["concept"].tolist(), example.known.values, strict=True)
    return {concept: dict(zip(FEATURES, values.tolist(), strict=True)) for concept, values in named}


def test_the_prior_knows_no_more_than_other_documents_tell():
    """Document 0 has three of the four mentions of D1, two of them `anemias`; of itself it knows nothing."""
    documents = [
        document(mention("anemias", "D1"), mention("anemias", "D1"), mention("anemic", "D1")),
        document(mention("anemias", "D1"), mention("gout", "D3")),
    ]
    everything = known_of(by_mention("all", documents)[0, "anemias"])[0]
    cross_fitted = known_of(by_mention("cross_fitted", documents)[0, "anemias"])[0]
    dictionary = known_of(by_mention("dictionary", documents)[0, "anemias"])[0]
    assert [each["mentions"] for each in (everything, cross_fitted, dictionary)] == pytest.approx(
        np.log1p([4, 1, 1]).tolist()
    )
    assert [each["alias_mentions"] for each in (everything, cross_fitted, dictionary)] == pytest.approx(
        np.log1p([3, 1, 0]).tolist()
    )


def test_mentions_without_a_single_id_tell_of_the_others_as_they_do_in_linking():
    documents = [document(mention("gout", "D3"), mention("gouts"), mention("gout types", "D1", "D3"))]
    (example,) = [e for (_, name), e in by_mention("all", documents).items() if name == "gout"]
    assert known_of(example)[2]["linked_beside"] == pytest.approx(np.log1p(2))


def test_the_ontologys_own_names_stay_and_lose_what_the_document_counted():
    """Document 0 says that gout is D1: in itself that counts for nothing, so that the name's own concept is first."""
    documents = [document(mention("gout", "D1"), mention("gout", "D1")), document(mention("asthma", "D2"))]
    assert by_mention("all", documents)[0, "gout"].candidates["concept"].tolist() == [0, 2]
    assert by_mention("cross_fitted", documents)[0, "gout"].candidates["concept"].tolist() == [2]
    assert by_mention("dictionary", documents)[0, "gout"].candidates["concept"].tolist() == [2]


def test_further_names_have_the_scope_of_the_candidates():
    """Document 0 calls D2 `rare word` and D3 `gout`; document 1 calls D2 `rare word` too, and D3 `asthma`."""

    def shown(alias_scope, number, name):
        example = by_mention(alias_scope)[number, name]
        named = zip(example.candidates["concept"].tolist(), example.details, strict=True)
        return {concept: details.names for concept, details in named}

    assert shown("all", 0, "gout")[2] == ("asthma",)
    assert shown("all", 1, "asthma") == {1: ("bronchial asthma", "rare word"), 2: ()}
    assert shown("cross_fitted", 0, "gout")[2] == ("asthma",)
    assert shown("cross_fitted", 1, "asthma") == {1: ("bronchial asthma", "rare word")}
    assert shown("dictionary", 1, "asthma") == {1: ("bronchial asthma",)}
    only_here = [document(mention("gouty pain", "D3"), mention("gout", "D3")), document(mention("asthma", "D2"))]
    assert by_mention("all", only_here)[0, "gout"].details[0].names == ("gouty pain",)
    assert by_mention("cross_fitted", only_here)[0, "gout"].details[0].names == ()


def test_what_is_sure_is_judged_without_the_documents_own_mentions():
    """Sure is what training mentions of other documents had; the rule looks at nothing but their number here."""
    rule = Cascade(CandidateCalibration(frequency=9.0, none=1.0), 0.9, Calibration(), "ngrams")
    documents = [document(mention("gout", "D3")), document(mention("gout", "D3")), document(mention("asthma", "D2"))]
    found = {scope: by_mention(scope, documents, rule) for scope in ("all", "cross_fitted", "dictionary")}
    sure = {scope: {key for key, each in of_scope.items() if each.sure} for scope, of_scope in found.items()}
    assert sure["all"] == {(0, "gout"), (1, "gout"), (2, "asthma")}
    assert sure["cross_fitted"] == {(0, "gout"), (1, "gout")}
    assert sure["dictionary"] == set()
    assert not any(each.sure for each in by_mention("all", documents).values())


def test_what_is_linkable():
    mentions = [mention("a", "D2"), mention("a", "OMIM:1"), mention("a", "X"), mention("a"), mention("a", "D1", "D2")]
    assert gold_rows([*mentions, {**mention("a"), "gold": None}], ONTOLOGY) == [1, 0, -1, -1, -1, -1]
    describer = Describer(ONTOLOGY, None, CrossEncoderParameters())
    found = labelled_examples(DOCUMENTS, make_generator(), ONTOLOGY, describer, "sentence", 2)
    assert [each.mention for each in found[1]] == ["rare word", "asthma"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=12), st.integers(0, 12), st.booleans())
def test_without_is_as_if_they_had_never_been(pairs, cut, prune):
    """Leaving mentions out of a search gives what a generator without them gives (their strings' scores too)."""
    names = {"a": "anemia", "b": "bronchial", "c": "gouty"}
    training = [(names[letter], concept) for letter, concept in pairs]
    out, kept = training[:cut], training[cut:]
    surfaces = ["anemia", "bronchial asthma", "gouty"]
    counts = {pair: out.count(pair) for pair in out}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "PRUNE_FROM", 1 if prune else 1000)
        generator = NgramGenerator.build(ONTOLOGY, NgramParameters(min_df=1), training)
        fresh = NgramGenerator.build(ONTOLOGY, NgramParameters(min_df=1), kept)
    one = generator.search(surfaces, 3, ExcludedMentions([counts] * 3))
    other = fresh.search(surfaces, 3)
    generator.pruned = None
    every = generator.search(surfaces, 3, ExcludedMentions([counts] * 3))
    assert [each.tolist() for each in one] == [each.tolist() for each in every]
    for a, b in zip(one, other, strict=True):
        exact = [each["concept"][each["score"] >= 1 - 1e-6].tolist() for each in (a, b)]
        assert exact[0] == exact[1]


@pytest.mark.parametrize("without", [None, ExcludedMentions()])
def test_without_any_is_the_ontology(without):
    found = make_generator().search(["rare word", "gout"], 3, without)
    assert [len(each) for each in found] == ([1, 2] if without is None else [0, 1])
    assert np.all(found[1]["score"][:1] == 1)
