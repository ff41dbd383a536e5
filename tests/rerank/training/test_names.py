"""Names as training mentions: none is found by itself, or by a variant of itself."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates import pruning
from raybel.candidates.base import ExcludedMentions
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.corpus.text import surface
from raybel.ontology import Concept, Ontology
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.names import drawn_names, name_examples, usable_names, variant_key

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("M:1", "Crohn disease", ["regional enteritis", "enteritis, regional", "Crohn's Diseases", "granuloma"]),
        Concept("M:2", "sarcoidosis", ["granuloma", "Boeck sarcoid"]),
        Concept("M:3", "gout", ["M:3", "X7", "uric arthritis"], alt_ids=["OMIM:X7"]),
        Concept("M:4", "obsolete arthritis", ["old arthritis"]),
        Concept("M:5", "asthma"),
        Concept("M:6", "", []),
    ]
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anemia, Sickle Cell", "sickle-cell anemia"),
        ("Crohn's disease", "crohn disease"),
        ("Cardiomyopathies", "cardiomyopathy"),
        ("kidney diseases", "Disease, Kidney"),
        ("Meningitides, Viral", "viral meningitis"),
        ("bone metastases", "bone metastasis"),
        ("neurofibromata", "neurofibroma"),
        ("ＡＢＣ  syndrome", "abc syndromes"),
    ],
)
def test_trivial_variants(one, other):
    assert variant_key(one) == variant_key(other)


@pytest.mark.parametrize(("one", "other"), [("lupus", "lupu"), ("type 1", "type 2"), ("sepsis", "sepse"), ("a", "")])
def test_what_is_no_variant(one, other):
    assert variant_key(one) != variant_key(other)


@given(st.lists(st.sampled_from(["crohn", "disease", "type", "2", "boss", "lupus"]), max_size=5), st.randoms())
def test_a_key_knows_no_order_and_is_its_own_key(words, random):
    shuffled = random.sample(words, len(words))
    assert variant_key(" ".join(words)) == variant_key(", ".join(shuffled))
    assert variant_key(variant_key(" ".join(words))) == variant_key(" ".join(words))


def test_which_names_can_be_mentions():
    found = usable_names(ONTOLOGY, 0)
    assert found.counts == {"names": 8, "obsolete": 1, "ids": 2, "shared": 2}
    assert found.concepts.tolist() == [0, 1, 2]
    assert found.names[0] in ("regional enteritis", "enteritis, regional")
    assert found.names[1:] == ["Boeck sarcoid", "uric arthritis"]
    taken = {usable_names(ONTOLOGY, seed).names[0] for seed in range(20)}
    assert taken == {"regional enteritis", "enteritis, regional"}


def test_an_ontology_without_aliases_has_none():
    for concepts in ([Concept("a", "gout"), Concept("b", "asthma", ["Asthmas"])], []):
        assert usable_names(Ontology.from_concepts(concepts), 0).names == []


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=3), st.integers(1, 30), st.integers(0, 3)
)
def test_names_are_drawn_by_concept(of_ontologies, most, seed):
    """No concept gives another name while one that has more has given fewer."""
    held = []
    for number, concepts in enumerate(of_ontologies):
        concepts = sorted(concepts)
        names = usable_names(ONTOLOGY, 0)
        names = type(names)(np.array(concepts, np.int32), [f"{number}-{place}" for place in range(len(concepts))], {})
        held.append(names)
    drawn = drawn_names(held, most, seed)
    assert [each.names for each in drawn] == [each.names for each in drawn_names(held, most, seed)]
    assert sum(len(each.names) for each in drawn) == min(most, sum(map(len, of_ontologies)))
    gave, left = [], []
    for before, after in zip(held, drawn, strict=True):
        assert [name for name in before.names if name in after.names] == after.names
        for concept in set(before.concepts.tolist()):
            count = after.concepts.tolist().count(concept)
            gave.append(count)
            left += [count] if count < before.concepts.tolist().count(concept) else []
    assert not left or max(gave) <= min(left) + 1


def examples(concepts, names, ontology=ONTOLOGY, top_k=5):
    generator = NgramGenerator.build(ontology, NgramParameters(add_training_data_to_ontology=False))
    describer = Describer(ontology, generator.alias_table, CrossEncoderParameters(further_names=9))
    return name_examples(np.array(concepts, np.int32), names, generator, ontology, describer, top_k)


def test_a_name_is_found_by_the_other_names_of_its_concept():
    found, other, shared = examples([0, 2, 1], ["regional enteritis", "uric arthritis", "granuloma"])
    for each, concept in ((found, 0), (other, 2)):
        key = variant_key(each.mention)
        for row, alias, name in zip(each.candidates, each.aliases, each.names, strict=True):
            if row["concept"] == concept:
                assert key not in (variant_key(alias or name), variant_key(name))
    assert (found.context, found.start) == ("", 0)
    assert other.candidates["concept"].tolist()[0] == 3  # "old arthritis"
    assert other.gold == -1  # "gout" has no letters in common
    assert shared.candidates["concept"][0] == 0  # another concept's name, which stays


def test_leaving_names_out_is_the_same_in_a_search_by_bounds(monkeypatch):
    monkeypatch.setattr(pruning, "PRUNE_FROM", 1)
    by_bounds = NgramGenerator.build(ONTOLOGY, NgramParameters(add_training_data_to_ontology=False))
    whole = copy.copy(by_bounds)
    whole.pruned = None
    surfaces = ["regional enteritis", "granuloma", "gout", "regional enteritis"]
    without = ExcludedMentions(names=[{("regional enteritis", 0)}, {("granuloma", 1), ("granuloma", 0)}, (), ()])
    found = by_bounds.search(surfaces, 3, without)
    assert [each.tolist() for each in found] == [each.tolist() for each in whole.search(surfaces, 3, without)]
    assert found[0]["score"][0] < 0.999 < found[3]["score"][0]  # what one query leaves out, another one keeps
    assert not set(found[1]["concept"].tolist()) & {0, 1}
    assert without.take([2, 1]).names == [(), {("granuloma", 1), ("granuloma", 0)}]


NAMES = ["red eye", "eye, red", "red eyes", "sore eye", "red ear", "ear", "sore ears", "pink eye"]


@given(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5), min_size=1, max_size=5))
def test_no_name_is_its_own_answer(names_of):
    ontology = Ontology.from_concepts([Concept(f"D{n}", names[0], names[1:]) for n, names in enumerate(names_of)])
    usable = usable_names(ontology, 1)
    for concept, each in zip(usable.concepts.tolist(), examples(usable.concepts, usable.names, ontology), strict=True):
        key = variant_key(each.mention)
        assert key != variant_key(ontology.concept(concept).name)
        assert each.gold == -1 or each.candidates["concept"][each.gold] == concept
        if each.gold >= 0:
            assert variant_key(each.aliases[each.gold] or each.names[each.gold]) != key
            assert each.candidates["score"][each.gold] < 1 or surface(each.mention) != each.aliases[each.gold]
            assert key not in map(variant_key, each.details[each.gold].names)
        others = [names for number, names in enumerate(names_of) if number != concept]
        assert key not in {variant_key(name) for names in others for name in names}
