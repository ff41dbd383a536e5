"""OBO and OBO Graphs: what becomes a concept, what is left out, and errors that name the line."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from raybel.errors import ConfigError, InputError, RaybelError
from raybel.ontology import Concept, Ontology
from raybel.prepare.obo import OboConfig, prepare_obo
from raybel.prepare.obo_files import read_terms

HEADER = b"""format-version: 1.2
ontology: bog
import: http://127.0.0.1:9/never.obo
import: /etc/passwd

"""
TERMS = rb"""[Term]
id: BOG:1
name: bog fever ! the worst
alt_id: BOG:11
def: "Fever \"of\" bogs." [PMID:1, "a [book]"]
synonym: "ague" EXACT layperson [PMID:1]
synonym: "swamp thing" RELATED []
synonym: "mild bog fever" NARROW []
synonym: "illness" BROAD []
synonym: "ague" RELATED []
xref: KEGG COMPOUND:C1
! a comment between clauses
creation_date: yesterday
is_a: BOG:2 {source="x"} ! disease
property_value: foo "bar" xsd:string

[Typedef]
id: part_of
name: part of

[Term]
id: BOG:2
name: disease

[Term]
id: BOG:3
name: obsolete marsh fever
synonym: "marsh fever" EXACT []
alt_id: BOG:33
is_obsolete: true
replaced_by: BOG:4

[Term]
id: BOG:4
name:
is_obsolete: true
replaced_by: BOG:1

[Term]
id: BOG:5
name: obsolete split
is_obsolete: true
replaced_by: BOG:1
replaced_by: BOG:2

[Term]
id: EEL:1
name: eel
is_a: BOG:2

[Instance]
id: BOG:9
name: an instance
"""
EXPECTED = Concept(
    "BOG:1",
    "bog fever",
    ["ague"],
    'Fever "of" bogs.',
    alt_ids=["BOG:11", "BOG:3", "BOG:33", "BOG:4"],
    parents=["BOG:2"],
)
IRI = "http://purl.obolibrary.org/obo/BOG_"


def graph() -> dict:
    def synonym(scope: str, text: str) -> dict:
        return {"pred": f"has{scope}Synonym", "val": text, "xrefs": []}

    def node(number: int, name: str, **meta: object) -> dict:
        return {"id": f"{IRI}{number}", "lbl": name, "type": "CLASS", "meta": meta}

    oio = "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId"
    replaced = "http://purl.obolibrary.org/obo/IAO_0100001"
    nodes = [
        node(
            1,
            "bog fever",
            definition={"val": 'Fever "of" bogs.', "xrefs": ["PMID:1"]},
            synonyms=[
                synonym("Exact", "ague"),
                synonym("Related", "swamp thing"),
                synonym("Narrow", "mild bog fever"),
                synonym("Broad", "illness"),
            ],
            basicPropertyValues=[{"pred": oio, "val": "BOG:11"}],
        ),
        node(2, "disease"),
        node(
            3,
            "obsolete marsh fever",
            deprecated=True,
            basicPropertyValues=[{"pred": replaced, "val": f"{IRI}4"}, {"pred": oio, "val": "BOG:33"}],
        ),
        {
            "id": f"{IRI}4",
            "meta": {"deprecated": True, "basicPropertyValues": [{"pred": replaced, "val": f"{IRI}1"}]},
        },
        {"id": f"{IRI}7", "lbl": "part of", "type": "PROPERTY"},
    ]
    edges = [
        {"sub": f"{IRI}1", "pred": "is_a", "obj": f"{IRI}2"},
        {"sub": f"{IRI}1", "pred": "http://x/part_of", "obj": f"{IRI}3"},
    ]
    return {"graphs": [{"id": "http://purl.obolibrary.org/obo/bog.json", "nodes": nodes, "edges": edges}]}


def prepared(folder: Path, data: bytes, **options: object) -> Ontology:
    (folder / "in.obo").write_bytes(data)
    prepare_obo(OboConfig(str(folder / "in.obo"), str(folder / "out.arrow"), **options))  # type: ignore[arg-type]
    return Ontology.open(str(folder / "out.arrow"))


def concepts(ontology: Ontology) -> list[Concept]:
    return [ontology.concept(row) for row in range(len(ontology))]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_terms_become_concepts(tmp_path: Path, compressed: bool, newline: bytes) -> None:
    data = (HEADER + TERMS).replace(b"\n", newline)
    ontology = prepared(tmp_path, gzip.compress(data) if compressed else data)
    assert concepts(ontology) == [EXPECTED, Concept("BOG:2", "disease"), Concept("EEL:1", "eel", parents=["BOG:2"])]
    assert ontology.index("BOG:33") == ontology.index("BOG:4") == 0
    assert ontology.index("BOG:5") is None


def test_summary_counts_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "in.obo").write_bytes(HEADER + TERMS)
    config = OboConfig(str(tmp_path / "in.obo"), str(tmp_path / "out.arrow"), prefixes=("bog",))
    summary = prepare_obo(config)
    assert {name: count for name, count in summary.counts.items() if count} == {
        "terms": 6,
        "of other prefixes, left out": 1,
        "obsolete, left out": 3,
        "replaced, whose ids are kept": 2,
        "[Instance] frames, not read": 1,
        "[Typedef] frames, not read": 1,
        "clauses without a value, not read": 1,
        "exact synonyms, as aliases": 1,
        "narrow synonyms, left out": 1,
        "broad synonyms, left out": 1,
        "related synonyms, left out": 2,
    }
    assert summary.notes == ["1 obsolete term replaced by several, unknown or obsolete ones: BOG:5"]
    assert summary.ontology["concepts"] == 2


def test_other_scopes_are_sources(tmp_path: Path) -> None:
    ontology = prepared(tmp_path, HEADER + TERMS, scopes=("related,exact,narrow",))
    first = ontology.concept(0)
    assert dict(zip(first.aliases, first.alias_sources, strict=True)) == {
        "ague": "",  # exact and related: exact
        "swamp thing": "related",
        "mild bog fever": "narrow",
    }


def test_a_replacement_chain_that_is_a_circle_ends(tmp_path: Path) -> None:
    circle = b"[Term]\nid: B:%d\nis_obsolete: true\nreplaced_by: B:%d\n\n"
    ontology = prepared(tmp_path, HEADER + circle % (1, 2) + circle % (2, 1) + b"[Term]\nid: B:3\nname: c\n")
    assert concepts(ontology) == [Concept("B:3", "c")]


def test_a_replacement_may_be_an_alternative_id(tmp_path: Path) -> None:
    terms = b"[Term]\nid: B:1\nis_obsolete: true\nreplaced_by: B:22\n\n[Term]\nid: B:2\nname: two\nalt_id: B:22\n"
    assert concepts(prepared(tmp_path, HEADER + terms)) == [Concept("B:2", "two", alt_ids=["B:22", "B:1"])]


def test_graphs_give_the_same_as_obo(tmp_path: Path) -> None:
    options = {"scopes": ("exact", "related", "narrow", "broad"), "prefixes": ("BOG",)}
    from_obo = prepared(tmp_path, HEADER + TERMS, **options)
    for text in (json.dumps(graph()), "\ufeff" + json.dumps(graph(), indent=1)):
        assert concepts(prepared(tmp_path, text.encode(), **options)) == concepts(from_obo)


TERM = HEADER + b"[Term]\nid: X:1\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TERM + b'synonym: "s" EXCT []\n', "line 8: isn't OBO"),
        (TERM + b'def: "open\nname: x\n', "line 8: isn't OBO"),
        (TERM + b"name: \xff\n", "line 8: isn't UTF-8"),
        (TERM + b"is_obsolete: maybe\n", "line 8: isn't OBO"),
        (TERM + b"name: a\n\n[Term]\nid: X:1\n", "line 10: the id X:1 is already at line 6"),
        (TERM + b"hello\n", "line 8: 'hello' is neither"),
        (TERM + b"name: " + b"a" * (1 << 20), "line 8: is longer than"),
        (TERM + (b'synonym: "' + b"a" * (1 << 19) + b'" EXACT []\n') * 33, "the term has more than"),
        (HEADER + b"[Term]\nname: x\n", "line 7: isn't OBO"),
        (gzip.compress(TERM * 9000)[:-20], "is cut off or damaged"),
        (b"", "holds no concepts"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><rdf:RDF/>', "robot convert"),
        (b"Prefix(:=<http://x>)", "robot convert"),
        (json.dumps(graph()).encode()[:-5], "isn't readable JSON"),
        (b'{"graphs": 1}', "isn't OBO Graphs JSON"),
        (b'{"graphs": [{"nodes": ["x"]}]}', "isn't an object"),
        (b'{"graphs": [{"nodes": [{"lbl": "x"}]}]}', "node 1: has no id"),
        (b'{"graphs": ' + b"[" * 100_000, "nested more than"),
        (b'{"graphs": [{"nodes": [{"id": "' + b"a" * (17 << 20), "more than 16,777,216 bytes"),
    ],
)
def test_bad_files_are_refused_with_their_place(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=r"in\.obo") as caught:
        prepared(tmp_path, data)
    assert message in str(caught.value)
    assert not (tmp_path / "out.arrow").exists()


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exact, narrow, broad, related, not close"):
        OboConfig("a.obo", "b.arrow", scopes=("close",))
    with pytest.raises(ConfigError, match="must end in"):
        OboConfig("a.obo", "b.obo")
    with pytest.raises(RaybelError, match="no such file"):
        prepare_obo(OboConfig(str(tmp_path / "no.obo"), str(tmp_path / "b.arrow")))


def test_clauses_that_are_a_little_loose_are_read(tmp_path: Path) -> None:
    path = tmp_path / "loose.obo"
    path.write_text(
        """[Term]
id: X:1
name: N-{4-[(x)]phenyl}acetamide
synonym: "no brackets" EXACT
synonym: "small scope" exact layperson [PMID:1]

[Term]
id: X:2
name: gone {source="X:3"}
is_obsolete: True
"""
    )
    first, second = read_terms(str(path), Counter())
    assert first.name == "N-{4-[(x)]phenyl}acetamide"
    assert first.synonyms == [("no brackets", "exact"), ("small scope", "exact")]
    assert (second.name, second.obsolete) == ("gone", True)


def test_synonyms_as_earlier_versions_of_obo_write_them(tmp_path: Path) -> None:
    term = b"""[Term]
id: B:1
name: bog fever
exact_synonym: "fen fever" [PMID:1]
related_synonym: "marsh \\"ague\\"" []
synonym: "quag" [PMID:2]
synonym: "mire" EXACT [PMID:3]
"""
    concept = prepared(tmp_path, HEADER + term, scopes=("exact", "related")).concept(0)
    assert concept.aliases == ["fen fever", "mire", 'marsh "ague"', "quag"]
    assert concept.alias_sources == ["", "", "related", "related"]
