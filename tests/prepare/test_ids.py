"""Id columns become ids of the ontology."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.corpus.documents import parse_gold
from raybel.ontology import Concept, Ontology
from raybel.prepare.common import plain_id
from raybel.prepare.ids import (
    COMPOSITE,
    COMPOSITE_PLUS,
    ID_KINDS,
    LINKABLE,
    NO_CONCEPT,
    UNKNOWN,
    IdResolver,
    UncheckedIdResolver,
)

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D01", "a", alt_ids=["OMIM:1", "D09", "OMIM:5"]),
        Concept("D02", "b", alt_ids=["D01", "D09"]),
        Concept("OMIM:2", "c", alt_ids=["DO:DOID:3", "OMIM:5"]),
        Concept("DO:7", "d"),
        Concept("OMIM:7", "e"),
        Concept("X:1|2=3&4", "f"),
    ]
)
MAP = IdResolver(ONTOLOGY, "|+")


@pytest.mark.parametrize(
    ("column", "kind", "concept_id", "alternatives", "repaired"),
    [
        ("D01", LINKABLE, "D01", 0, False),
        ("MESH:D01", LINKABLE, "D01", 0, False),
        ("D01 ", LINKABLE, "D01", 0, True),
        ("OMIM:1", LINKABLE, "D01", 1, False),
        ("1", LINKABLE, "D01", 1, False),
        ("2", LINKABLE, "OMIM:2", 0, False),
        ("DOID:3", LINKABLE, "OMIM:2", 1, False),
        ("MESH:D09", LINKABLE, "D01", 1, False),
        ("OMIM:5", LINKABLE, "D01", 1, False),
        ("7", UNKNOWN, "7", 0, False),
        ("D77", UNKNOWN, "D77", 0, False),
        ("", NO_CONCEPT, "-1", 0, False),
        (" ", NO_CONCEPT, "-1", 0, False),
        ("-1", NO_CONCEPT, "-1", 0, False),
        ("-1|-1", NO_CONCEPT, "-1", 0, False),
        ("MESH:-1", NO_CONCEPT, "-1", 0, False),
        ("D01|MESH:-1", COMPOSITE, "D01|-1", 0, False),
        ("D01|D02", COMPOSITE, "D01|D02", 0, False),
        ("D01|D01", COMPOSITE, "D01|D01", 0, False),
        ("D1 | OMIM:1", COMPOSITE, "D1|D01", 1, True),
        (" D01+D02", COMPOSITE_PLUS, "D01|D02", 0, True),
        ("D01+D02|D77", COMPOSITE, "D01|D02|D77", 0, False),
        ("D01|-1", COMPOSITE, "D01|-1", 0, False),
        ("D01|", LINKABLE, "D01", 0, True),
        ("X:1|2=3&4", LINKABLE, "X:1%7C2%3D3&4", 0, False),
        ("D%7=8", UNKNOWN, "D%257%3D8", 0, False),
    ],
)
def test_resolve(column: str, kind: str, concept_id: str, alternatives: int, repaired: bool) -> None:
    resolved = MAP.resolve(column)
    assert (resolved.kind, resolved.concept_id, resolved.alternatives, resolved.repaired) == (
        kind,
        concept_id,
        alternatives,
        repaired,
    )


def test_plus_belongs_to_the_id_where_it_separates_nothing() -> None:
    assert IdResolver(ONTOLOGY, "|").resolve("D01+D02").kind == UNKNOWN


def test_unknown_ids_are_named() -> None:
    assert MAP.resolve("D01|D77+MESH:D78").unknown == ("D77", "D78")


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_column_is_one_kind_and_reads_back(column: str) -> None:
    resolved = MAP.resolve(column)
    assert resolved.kind in ID_KINDS
    assert parse_gold(resolved.concept_id) == [concept_id for concept_id in resolved.ids if concept_id != "-1"]


@settings(deadline=None)
@given(st.text(max_size=12))
def test_plain_id_is_stable(text: str) -> None:
    once = plain_id(text)
    assert once == once.strip()


@pytest.mark.parametrize(
    ("column", "kind", "concept_id"),
    [
        ("UMLS:C01", LINKABLE, "C01"),
        ("UMLS:C01|UMLS:C02", COMPOSITE, "C01|C02"),
        ("C01|", LINKABLE, "C01"),
        ("UMLS:-1", NO_CONCEPT, "-1"),
        (" ", NO_CONCEPT, "-1"),
    ],
)
def test_without_an_ontology_every_id_is_known(column: str, kind: str, concept_id: str) -> None:
    resolved = UncheckedIdResolver().resolve(column)
    assert (resolved.kind, resolved.concept_id) == (kind, concept_id)
