import numpy as np
import pytest
from tiny_crossencoder import example

from raybel.candidates.aliases import AliasTable
from raybel.candidates.base import ExcludedMentions
from raybel.ontology import Concept, Ontology
from raybel.rerank.details import NO_DETAILS, DetailFinder, Details, detail_notes, first_sentence
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D0", "Anemia", ["low blood count"], "Too few red cells. There are many kinds.", ["disease", "sign"]),
        Concept("D1", "Blood disease", alt_ids=["OLD1"]),
        Concept("D2", "Aplastic anemia", ["bone marrow failure"], parents=["gone", "D0", "OLD1", "D3", "D1"]),
        Concept("D3", ""),
    ]
)
ALIASES = AliasTable.build(ONTOLOGY).table


def found(concepts, aliases=None, surfaces=None, ontology=ONTOLOGY, **parameters):
    names = [ontology.concept(row).name for row in concepts]
    finder = DetailFinder(ontology, ALIASES, CrossEncoderParameters(**parameters))
    of_each = (names, aliases or [None] * len(names), surfaces or ["x"] * len(names))
    return finder.find(np.array(concepts, np.int32), *of_each)


def test_nothing_unless_asked_for():
    assert found([0, 2]) == [NO_DETAILS] * 2
    assert found([], definition=9, further_names=1) == []


def test_each_by_its_own_hyperparameter():
    assert found([0, 2, 0], definition=1) == [
        Details(definition="Too few red cells."), NO_DETAILS, Details(definition="Too few red cells.")
    ]  # fmt: skip
    assert found([0, 1], concept_type=True) == [Details(types=("disease", "sign")), NO_DETAILS]
    assert found([2, 1], further_names=3) == [Details(names=("bone marrow failure",)), NO_DETAILS]


def test_the_first_branch_stands_for_types_where_there_are_tree_numbers():
    ontology = Ontology.from_concepts(
        [
            Concept("D0", "Neoplasms", types=["descriptor"], tree_numbers=["C04"]),
            Concept("D1", "Gout", types=["descriptor"], tree_numbers=["C04.1.2", "C05.9"]),
            Concept("D2", "Joints", types=["descriptor"], tree_numbers=["C05.1"]),
            Concept("D3", "a drug", types=["supplementary"]),
        ]
    )
    shown = found([0, 1, 2, 3], ontology=ontology, concept_type=True)
    assert [each.types for each in shown] == [("Neoplasms",), ("Neoplasms",), ("descriptor",), ("supplementary",)]
    untyped = Ontology.from_concepts([Concept("D0", "Neoplasms", tree_numbers=["C04"])])
    assert detail_notes(untyped, ALIASES, CrossEncoderParameters(concept_type=True)) == []


def test_parents_that_are_known_and_have_a_name():
    assert found([2], parents=1) == [Details(parents=("Anemia",))]
    assert found([2], parents=9) == [Details(parents=("Anemia", "Blood disease", "Blood disease"))]


def test_the_alias_that_matched_is_a_further_name_only_where_it_isnt_shown():
    shown = {"concepts": [2], "aliases": ["bone marrow failure"], "further_names": 2}
    assert found(**shown) == [NO_DETAILS]
    assert found(**shown, alias=False) == [Details(names=("bone marrow failure",))]


def test_how_many_training_mentions_a_concept_has():
    aliases = AliasTable.build(ONTOLOGY, [("pancytopenia", 2), ("low counts", 0), ("low counts", 0)]).table
    finder = DetailFinder(ONTOLOGY, aliases, CrossEncoderParameters(frequency_token=True))
    given = (np.array([2, 0, 1], np.int32), ["x"] * 3, [None] * 3, ["x"] * 3)
    assert [each.mentions for each in finder.find(*given)] == [1, 2, 0]
    own = ExcludedMentions([{("pancytopenia", 2): 1}, {("low counts", 0): 1}, {}])
    assert [each.mentions for each in finder.find(*given, ExcludedMentions(), own)] == [0, 1, 0]


def test_without_an_alias_table_there_are_no_further_names():
    parameters = CrossEncoderParameters(further_names=2)
    finder = DetailFinder(ONTOLOGY, None, parameters)
    assert finder.find(np.array([2]), ["Aplastic anemia"], [None], ["x"]) == [NO_DETAILS]
    assert "which names it was made with" in detail_notes(ONTOLOGY, None, parameters)[0]
    parameters = CrossEncoderParameters(frequency_token=True)
    assert DetailFinder(ONTOLOGY, None, parameters).find(np.array([2]), ["x"], [None], ["x"]) == [NO_DETAILS]
    assert "without training mentions" in detail_notes(ONTOLOGY, None, parameters)[0]


def test_what_an_ontology_lacks_is_said():
    everything = CrossEncoderParameters(further_names=1, concept_type=True, parents=2, definition=8)
    assert detail_notes(ONTOLOGY, ALIASES, everything) == []
    bare = Ontology.from_concepts([Concept("D0", "Anemia")], "bare.arrow")
    assert [note.split(":")[0] for note in detail_notes(bare, ALIASES, everything)] == [
        "bare.arrow has no types", "bare.arrow has no parents", "bare.arrow has no definition"
    ]  # fmt: skip
    (of_prior,) = detail_notes(bare, None, CrossEncoderParameters())
    assert "the prior knows of no training mentions" in of_prior
    assert detail_notes(bare, None, CrossEncoderParameters(prior=False)) == []


@pytest.mark.parametrize(
    ("definition", "first"),
    [("", ""), (" \n", ""), ("Of the heart, e.g. its valves. More.", "Of the heart, e.g. its valves."), ("One", "One")],
)
def test_first_sentences(definition, first):
    assert first_sentence(definition) == first


def shown(kit, details, alias=None, window=512, **parameters):
    """The tokens of a candidate's block, and how many of mention and candidate were cut."""
    mention = example("anemia", ["gout"], aliases=[alias])
    mention.details = [details]
    tokens = Tokens(kit.tokenizer, window, CrossEncoderParameters(score_token=False, **parameters))
    (tokenised,) = tokens([mention])
    return kit.tokenizer.convert_ids_to_tokens(tokenised.candidates[0]), tokenised.truncated


def words(kit, text):
    return kit.tokenizer.tokenize(text)


DETAILS = Details(("asthma", "lupus"), ("anemia",), ("gout",), "cystic fibrosis")


TEXTS = ("gout", "; asthma", "; asthma", "; lupus", "| anemia", "< gout")
DEFINITION = ": cystic fibrosis"


def test_what_a_block_shows_and_in_which_order(kit):
    tokens, cut = shown(kit, DETAILS, "asthma", definition=99)
    assert (tokens, cut) == (words(kit, " ".join([*TEXTS, DEFINITION])), 0)
    assert shown(kit, NO_DETAILS)[0] == words(kit, "gout")


@pytest.mark.parametrize(
    ("mentions", "number"), [(0, 10), (1, 11), (2, 12), (3, 12), (4, 13), (31, 15), (32, 16), (10**9, 16)]
)
def test_training_mentions_come_first_as_a_token(kit, mentions, number):
    tokens, cut = shown(kit, DETAILS._replace(mentions=mentions), "asthma", frequency_token=True)
    assert (tokens[0], cut) == (f"[unused{number}]", 0)
    assert tokens[1:] == shown(kit, DETAILS, "asthma")[0]


def test_a_definition_is_cut_to_its_budget(kit):
    long = Details(definition="cystic fibrosis " * 9)
    for budget in (1, 3, 9):
        tokens, cut = shown(kit, long, definition=budget)
        assert (len(tokens), cut) == (len(words(kit, "gout :")) + budget, 0)


@pytest.mark.parametrize("window", range(40, 300, 4))
def test_the_last_goes_first_where_there_is_no_room(kit, window):
    """Name and alias are cut, other texts there whole or not at all; a definition has what room remains."""
    most = (window - 3) // 4 - 2
    whole = words(kit, " ".join([*TEXTS, DEFINITION]))
    ends = [len(words(kit, " ".join(TEXTS[: count + 1]))) for count in range(len(TEXTS))]
    tokens, cut = shown(kit, DETAILS, "asthma", window, definition=99)
    fits = max([end for end in ends if end <= most], default=0)
    if most <= ends[1]:
        fits = most
    elif fits == ends[-1]:
        fits = min(most, len(whole)) if most > ends[-1] + 1 else ends[-1]
    assert tokens == whole[:fits]
    assert cut == (most < ends[-1]) + (len(words(kit, "anemia")) > (window - 3) // 8)
