from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tiny_crossencoder import candidates

from raybel.ontology import Concept, Ontology
from raybel.rerank.details import NO_DETAILS
from raybel.rerank.examples import Described, Describer, Example, contexts, document_examples, mention_text
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import PriorFeatures

ONTOLOGY = Ontology.from_concepts([Concept("D1", "Anemia"), Concept("D2", "Asthma"), Concept("D3", "")])
PASSAGES = [
    {"offset": 10, "text": "Anemia. Gout", "sentences": [{"start": 10, "end": 17}, {"start": 18, "end": 22}]},
    {"offset": 50, "text": "Asthma again", "sentences": []},
]


def mention(start, end, passage=0, sentence=0, text="x"):
    return {"passage": passage, "sentence": sentence, "start": start, "end": end, "text": text, "surface": text.lower()}


def places_of(context, *mentions):
    return contexts(PASSAGES, mentions, context)


def test_the_context_of_a_mention():
    one, two = mention(18, 22, sentence=1), mention(50, 56, 1, -1)
    assert [text for text, _, _ in places_of("sentence", one, two)] == ["Gout", "Asthma again"]
    assert [text for text, _, _ in places_of("passage", one, two)] == ["Anemia. Gout", "Asthma again"]
    assert {text for text, _, _ in places_of("document", one, two)} == {"Anemia. Gout\nAsthma again"}
    for context in ("sentence", "passage", "document"):
        for (text, start, _), word in zip(places_of(context, one, two), ("Gout", "Asthma"), strict=True):
            assert text[start:].startswith(word)


def test_a_mention_over_two_sentences_has_both():
    ((text, start, _),) = places_of("sentence", mention(10, 20))
    assert (text, start) == ("Anemia. Gout", 0)


def test_mentions_of_a_context_share_a_group():
    groups = [
        group for _, _, group in places_of("sentence", mention(10, 16), mention(12, 14), mention(18, 22, sentence=1))
    ]
    assert groups[0] == groups[1] != groups[2]
    assert len({group for _, _, group in places_of("document", mention(10, 16), mention(50, 56, 1, -1))}) == 1


@pytest.mark.parametrize(
    ("text", "surface", "shown"),
    [("Anemia", "anemia", "Anemia"), ("A  T", "a t", "A  T"), ("AT", "ataxia telangiectasia", "ataxia telangiectasia")],
)
def test_an_expanded_abbreviation_is_shown_in_full(text, surface, shown):
    assert mention_text({"text": text, "surface": surface}) == shown


def test_names_and_aliases():
    found = candidates(["a", "b", "c"])
    found["alias"] = [0, 1, -1]
    aliases = pa.table({"alias": ["anemia", "bronchial asthma"]})
    describer = Describer(ONTOLOGY, aliases, CrossEncoderParameters(prior=False))
    ((names, shown, details, known),) = describer.describe([found], ["a"])
    assert known is None
    assert names == ["Anemia", "Asthma", ""]
    assert shown == [None, "bronchial asthma", None]  # one that is the name, in lower case, isn't shown twice
    assert details == [NO_DETAILS] * 3
    assert Describer(ONTOLOGY, None, CrossEncoderParameters()).describe([found], ["a"])[0].aliases == [None] * 3
    assert describer.describe([], []) == []
    assert describer.describe([found[:0]], ["a"]) == [([], [], [], None)]


def test_some_of_the_candidates():
    every = Example(
        *("text", 0, (0,), "x", candidates(["a", "b", "c"]), ["a", "b", "c"], ["d", None, "e"], 2),
        details=[NO_DETAILS._replace(definition=name) for name in "abc"],
        siblings=[True, False, False],
        known=PriorFeatures(np.zeros((3, 1), np.float32), [()] * 3),
    )
    some = every.of_candidates(np.array([0, 2]))
    assert (some.names, some.aliases, some.gold, some.siblings) == (["a", "c"], ["d", "e"], 1, [True, False])
    assert some.known is None
    assert some.candidates["concept"].tolist() == [0, 2]
    assert [each.definition for each in some.details] == ["a", "c"]
    assert every.of_candidates(np.array([0, 1])).gold == -1
    assert every.of_candidates(np.arange(3)) is every
    assert replace(every, details=[], siblings=[]).of_candidates(np.array([1])).details == []


def test_a_mention_without_candidates_is_an_example():
    document = {"passages": PASSAGES, "mentions": [mention(18, 22, sentence=1, text="Gout")]}
    (example,) = document_examples(document, [candidates([])], [Described([], [], [])], "sentence", 7)
    assert (example.mention, example.context, example.gold, example.group[0]) == ("Gout", "Gout", -1, 7)
    assert np.array_equal(example.candidates, candidates([]))
