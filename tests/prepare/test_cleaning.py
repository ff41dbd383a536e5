"""Names of vocabularies cleaned, and what that counts."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.ontology import Concept, Ontology
from raybel.ontology.concept import NULLS
from raybel.prepare.cleaning import KINDS, NameCleaner, decoded
from raybel.prepare.common import build_ontology
from raybel.prepare.joined_names import parts_of, without_qualifiers


def clean(*concepts, **settings):
    cleaner = NameCleaner(**settings)
    ontology = cleaner.finished(Ontology.from_concepts(cleaner.cleaned(concepts)))
    counts = {name.removeprefix("names: "): count for name, count in ontology.cleaned.items() if count}
    return [ontology.concept(row) for row in range(len(ontology))], counts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lyell&apos;s Syndrome", "Lyell's Syndrome"),
        ("M&#233;ni&#xE8;re", "Ménière"),
        ("hand &amp; foot", "hand & foot"),
        ("a &amp;lt; b &amp;amp;apos;", "a < b '"),
        ("AT&T", "AT&T"),
        ("R&D;", "R&D;"),
        ("A&B;C &notathing; x&copyright B&notch a&lt", "A&B;C &notathing; x&copyright B&notch a&lt"),
        ("&#99999999; &#9999999; &#xD800; &#1;", "&#99999999; &#9999999; &#xD800; &#1;"),
    ],
)
def test_entities(name, expected):
    assert decoded(name) == expected
    (concept,), counts = clean(Concept("1", "x", [name], definition=name))
    assert (concept.aliases, concept.definition) == ([expected], expected)
    assert counts == ({"HTML entities decoded": 1} if name != expected else {})


@given(st.text())
def test_decoding_undoes_encoding_and_ends(text):
    assert decoded(html.escape(text)) == decoded(text)
    assert decoded(decoded(text)) == decoded(text) or "&amp;" in decoded(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zero\u200bwidth", "zerowidth"),
        ("\ufeffmark", "mark"),
        ("soft\xadhyphen\u2060", "softhyphen"),
        ("bell\x07", "bell"),
        ("ASCII\u200d", "ASCII"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
    ],
)
def test_invisible_characters(name, expected):
    (concept,), counts = clean(Concept("1", name))
    assert concept.name == expected
    assert counts == ({"invisible characters taken out": 1} if name != expected else {})


def test_names_that_cannot_be_seen_or_stand_for_nothing_are_none():
    (concept,), counts = clean(Concept("1", "nan", ["\u200b", "None", "NA", "none", "Null", "&nbsp;", "-", "a  b\tc"]))
    assert (concept.name, concept.aliases) == ("NA", ["none", "Null", "a b c"])
    assert counts == {
        "stand for nothing, left out": 3,
        "invisible characters taken out": 1,
        "HTML entities decoded": 1,
        "white space folded": 1,
    }
    assert clean(Concept("1", "None"), nulls=False) == ([Concept("1", "None")], {})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RIEGER ANOMALY, INCLUDED", ("RIEGER ANOMALY", True)),
        ("LI5, FORMERLY", ("LI5", False)),
        ("BPES3, FORMERLY, INCLUDED", ("BPES3", True)),
        ("RIEGER ANOMALY; INCLUDED", ("RIEGER ANOMALY", True)),
        ("Happy puppet syndrome (formerly)", ("Happy puppet syndrome", False)),
        ("PARTIAL, WITH HETEROTAXY SYNDROME,", ("PARTIAL, WITH HETEROTAXY SYNDROME", False)),
        ("INCLUDED", ("", True)),
        ("all others included", ("all others included", False)),
        ("UNINCLUDED", ("UNINCLUDED", False)),
    ],
)
def test_qualifiers(name, expected):
    assert without_qualifiers(name) == expected


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("BOG AGUE; BA2;;MARSH POX;;MP", ["BOG AGUE", "BA2", "MARSH POX", "MP"]),
        ("BOG AGUE;BA", ["BOG AGUE", "BA"]),
        ("Bog Ague, Type 1; BA1", ["Bog Ague, Type 1", "BA1"]),
        ("BOG AGUE;BA MARSH POX, INCLUDED", ["BOG AGUE", "BA", "MARSH POX"]),
        ("BOG AGUE, FORMERLY;XQ, FORMERLY MARSH POX, INCLUDED", ["BOG AGUE", "XQ", "MARSH POX"]),
        ("BOG AGUE, INCLUDED;BA2, FORMERLY, INCLUDED", ["BOG AGUE", "BA2"]),
        ("BOG AGUE II;WILD EEL DEFICIENCY", ["BOG AGUE II", "WILD EEL DEFICIENCY"]),
        ("BA1 BOGLAND AGUE I", ["BA1", "BOGLAND AGUE I"]),
        ("MP1 MARSH AGUE, FAMILIAL, INCLUDED", ["MP1", "MARSH AGUE, FAMILIAL"]),
        ("MX1 MARSH AGUE, FAMILIAL", []),
        ("XQ1 MARSH AGUE, FAMILIAL, INCLUDED", []),
        ("GLUT1 DEFICIENCY SYNDROME 1, INCLUDED", []),
        ("P53 PROTEIN DEFICIENCY", []),
        ("BA1 BOGLAND Ague I", []),
        ("BA1 Bogland Ague Proteins", []),
        ("BA1 BOGWORT", []),
        ("Sclerosis; Brain", []),
        ("ague caused by variants of HBA1;HBA2", []),
        ("AGUE, DUE TO 5q DELETION;MAR MARSH POX, INCLUDED", ["AGUE, DUE TO 5q DELETION", "MAR", "MARSH POX"]),
        ("der(22)t(11;22) syndrome", []),
        ("2-(1;3)-BOGWORTINE", []),
        ("MARSH AGUE", []),
    ],
)
def test_joined_names(name, parts):
    assert list(parts_of(*without_qualifiers(name))) == parts


def test_joined_names_stay_beside_their_parts():
    concepts, counts = clean(Concept("1", "Ague", ["BA1 BOGLAND AGUE I", "x"], alias_sources=["omim", ""]))
    assert concepts == [
        Concept(
            "1",
            "Ague",
            ["BA1 BOGLAND AGUE I", "BA1", "BOGLAND AGUE I", "x"],
            alias_sources=["omim", "omim", "omim", ""],
        )
    ]
    assert counts == {"joined, and their parts added": 1, "parts added": 2}
    assert clean(Concept("1", "BA1 BOGLAND AGUE I"), joined=False) == ([Concept("1", "BA1 BOGLAND AGUE I")], {})


def test_a_name_that_another_concept_has_is_left():
    concepts, counts = clean(
        Concept("1", "Gut Pox", ["CROW AGUE, INCLUDED", "POX OF EELS, INCLUDED", "BA1 BOGLAND AGUE I", "INCLUDED"]),
        Concept("2", "Crow Ague", ["Bogland ague I", "LI5, FORMERLY"]),
        Concept("3", "HIDDEN AGUE, INCLUDED", ["Hidden ague"]),
        Concept("4", ""),
    )
    assert concepts == [
        Concept("1", "Gut Pox", ["CROW AGUE, INCLUDED", "POX OF EELS", "BA1 BOGLAND AGUE I", "BA1"]),
        Concept("2", "Crow Ague", ["Bogland ague I", "LI5"]),
        Concept("3", "HIDDEN AGUE", ["Hidden ague"]),
        Concept("4", ""),
    ]
    assert counts == {
        "`, INCLUDED` and the like cut": 4,
        "joined, and their parts added": 1,
        "parts added": 1,
        "left, since another concept has the name": 1,
    }


WORDS = st.sampled_from(
    ["BOGLAND ", "AGUE", "BA1", ";", ";;", ", INCLUDED", "&amp;", "\u200b", "nan", " ", "é", "(formerly)"]
)
NAMES = st.lists(WORDS, max_size=5).map("".join)
CONCEPTS = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3), st.booleans()), max_size=5)


@given(CONCEPTS)
def test_cleaning_keeps_concepts_and_is_done_once(rows):
    concepts = [
        Concept(str(row), name, aliases, alias_sources=["x"] * len(aliases) if sourced else [], parents=["0"])
        for row, (name, aliases, sourced) in enumerate(rows)
    ]
    cleaned, counts = clean(*concepts)
    assert [concept.concept_id for concept in cleaned] == [concept.concept_id for concept in concepts]
    assert all(concept.parents == ["0"] for concept in cleaned)
    names = [name for concept in cleaned for name in (concept.name, *concept.aliases)]
    assert not [name for name in names if name in NULLS or "\u200b" in name or "&amp;" in name]
    assert set(counts) <= set(KINDS)
    if not counts:
        assert cleaned == [Ontology.from_concepts([concept]).concept(0) for concept in concepts]


def test_every_prepared_ontology_says_what_was_cleaned():
    ontology = build_ontology([("line 1", Concept("1", "a&amp;b"))], "x")
    assert ontology.concept(0).name == "a&b"
    assert list(ontology.cleaned) == [f"names: {kind}" for kind in KINDS]
    assert ontology.cleaned["names: HTML entities decoded"] == 1
    assert Ontology.from_concepts([Concept("1", "a")]).cleaned == {}


@given(CONCEPTS)
def test_a_look_at_all_names_at_once_misses_nothing(rows):
    concepts = [Concept(str(row), name, aliases) for row, (name, aliases, _) in enumerate(rows)]
    quick, counts = clean(*concepts, joined=False, nulls=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("raybel.prepare.cleaning._are_plain", lambda names: False)
        assert clean(*concepts, joined=False, nulls=False) == (quick, counts)
