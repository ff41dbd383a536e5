"""Branches of an ontology as an ontology."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology
from raybel.prepare.select import SelectConfig, select_concepts

CONCEPTS = [
    Concept("D1", "Fevers", ["Agues"], "Hot.", ["descriptor"], tree_numbers=["C01"]),
    Concept("D2", "Fen Fever", types=["descriptor"], tree_numbers=["C01.5", "D05"], parents=["D1"]),
    Concept("D3", "Marsh Tonic", types=["descriptor"], tree_numbers=["D05.1"], parents=["D2"]),
    Concept("C1", "bogwortine", types=["supplementary"]),
]


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Ontology.from_concepts(CONCEPTS).save("mesh.arrow")


def select(**options):
    summary = select_concepts(SelectConfig(ontology="mesh.arrow", out="o.arrow", **options))
    ontology = Ontology.open("o.arrow")
    assert summary.concepts == len(ontology)
    return summary, [ontology.concept(row) for row in range(len(ontology))]


def test_branches_and_a_type(source):
    summary, concepts = select(branches="D,supplementary", type="Chemical")
    assert concepts == [
        Concept("D2", "Fen Fever", types=["Chemical"], tree_numbers=["C01.5", "D05"]),
        Concept("D3", "Marsh Tonic", types=["Chemical"], tree_numbers=["D05.1"], parents=["D2"]),
        Concept("C1", "bogwortine", types=["Chemical"]),
    ]
    assert summary.counts == {"in D": 2, "in supplementary": 1, "left out": 1}
    assert summary.notes == []


def test_what_is_in_no_hierarchy_is_told(source):
    summary, concepts = select(branches="D1")
    assert concepts == CONCEPTS[:3]
    assert summary.notes == [
        "left out, since they are in no hierarchy: 1 concept (1 supplementary); --branches takes types, too"
    ]


def test_a_type_alone(source):
    summary, concepts = select(type="Thing")
    assert [concept.types for concept in concepts] == [["Thing"]] * 4
    assert [concept.parents for concept in concepts] == [concept.parents for concept in CONCEPTS]
    assert summary.counts == {"left out": 0}


@given(st.sets(st.sampled_from(["D1", "D2", "D3", "C1", "C", "D", "supplementary"]), min_size=1))
def test_the_order_and_the_fingerprint_are_those_of_the_concepts_alone(tmp_path_factory, branches):
    folder = str(tmp_path_factory.mktemp("select"))
    Ontology.from_concepts(CONCEPTS).save(f"{folder}/mesh.arrow")
    config = SelectConfig(ontology=f"{folder}/mesh.arrow", out=f"{folder}/o.arrow", branches=tuple(sorted(branches)))
    select_concepts(config)
    read = Ontology.open(f"{folder}/o.arrow")
    concepts = [read.concept(row) for row in range(len(read))]
    places = [[each.concept_id for each in CONCEPTS].index(concept.concept_id) for concept in concepts]
    assert places == sorted(set(places)) != []
    assert read.fingerprint == Ontology.from_concepts(concepts).fingerprint


def test_mistakes(source):
    for options, part in (
        ({}, "--branches"),
        ({"branches": "Q"}, "no branch Q"),
        ({"type": " "}, "type is empty"),
    ):
        with pytest.raises(ConfigError, match=part):
            select(**options)
    with pytest.raises(ConfigError, match=r"must end in \.arrow"):
        SelectConfig(ontology="mesh.arrow", out="o.txt", type="x")
