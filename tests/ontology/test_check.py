"""What is suspicious in an ontology."""

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from raybel.cli import main
from raybel.ontology import Concept, Ontology
from raybel.ontology.check import EXAMPLE_LENGTH, check


def found(*concepts):
    return {
        finding.what: (finding.count, list(finding.examples))
        for finding in check(Ontology.from_concepts(concepts))
        if finding.count
    }


@pytest.mark.parametrize(
    ("name", "what", "example"),
    [
        ("nan", "names that stand for nothing (nan, None)", "1 nan"),
        ("Lyell&apos;s", "names with HTML entities or markup", "1 Lyell&apos;s"),
        ("a <b>bold</b> name", "names with HTML entities or markup", "1 a <b>bold</b> name"),
        ("AGUE, INCLUDED", "names that end in INCLUDED or FORMERLY", "1 AGUE, INCLUDED"),
        ("ague (formerly)", "names that end in INCLUDED or FORMERLY", "1 ague (formerly)"),
        ("zero\u200bwidth", "names with invisible characters or line ends", r"1 zero\u200bwidth"),
        ("bell\x1b[31m", "names with invisible characters or line ends", r"1 bell\x1b[31m"),
        ("two\nlines", "names with invisible characters or line ends", r"1 two\nlines"),
        ("SjÃ¶gren", "names in a wrong encoding (Ã© for é)", "1 SjÃ¶gren"),
        ("it\ufffds", "names in a wrong encoding (Ã© for é)", "1 it\ufffds"),
        ("ague|fever", "names with a bar: lists that weren't split?", "1 ague|fever"),
        ("12-34 (+)", "names of digits and punctuation alone", "1 12-34 (+)"),
        ("ab", "names of one or two characters", "1 ab"),
        ("x" * 201, "names of more than 200 characters", "1 " + "x" * (EXAMPLE_LENGTH - 5) + "..."),
    ],
)
def test_names(name, what, example):
    assert found(Concept("1", "plain", [name])) == {what: (1, [example])}
    assert found(Concept("1", name))[what] == (1, [example])


@pytest.mark.parametrize(
    "name",
    ["Sjögren", "AT&T; R", "PULMÃO", "p < 0.05", "x" * 200, "vitamin B12", "Ménière's", "β-1", "included", "NA 5"],
)
def test_names_that_are_fine(name):
    assert found(Concept("1", name)) == {}


def test_shared_names_and_concepts_without_any():
    concepts = [Concept(str(n), "Ague", ["AGUE", "pox"][: n % 2 + 1]) for n in range(3)]
    assert found(*concepts, Concept("8", ""), Concept("9", "Pox")) == {
        "names shared by several concepts": (2, ["ague (3 concepts)", "pox (2 concepts)"]),
        "concepts without a name": (1, ["8"]),
    }


def test_ids():
    concepts = [Concept("a b", "one"), Concept("a|b", "two"), Concept("7.0", "three", alt_ids=["a b", "7.0", "x"])]
    assert found(*concepts, Concept("4", "four", alt_ids=["x", "y"])) == {
        "ids with white space": (1, ["a b"]),
        "ids with | , ; or +, which separate ids in corpora": (1, ["a|b"]),
        "ids that end in .0: numbers made floating-point?": (1, ["7.0"]),
        "alternative ids that are another concept's own id": (1, ["a b of 7.0"]),
        "alternative ids of several concepts": (1, ["x (2 concepts)"]),
    }


def test_parents():
    concepts = [
        Concept("A", "aaa", parents=["B"]),
        Concept("B", "bbb", parents=["C", "Z"]),
        Concept("C", "ccc", parents=["alias of A"]),
        Concept("D", "ddd", parents=["A"]),
        Concept("E", "eee", parents=["E"]),
    ]
    concepts[0].alt_ids = ["alias of A"]
    assert found(*concepts) == {
        "parents that aren't in the ontology": (1, ["Z of B"]),
        "cycles: concepts that are their own parents' parents": (2, ["A, B, C", "E"]),
    }


def test_definitions_that_say_nothing():
    concepts = [Concept("1", "Ague", definition=" AGUE"), Concept("2", ""), Concept("3", "Pox", definition="A pox.")]
    assert found(*concepts)["definitions that are the name"] == (1, ["1 ague"])


def test_an_empty_ontology():
    assert found() == {}


NAMES = st.text("aB|&;<>.0 \u200bÃ©\n", max_size=6)


@given(
    st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=2), st.lists(st.sampled_from("0123"), max_size=2)), max_size=4)
)
def test_any_ontology_is_checked(rows):
    concepts = [Concept(str(row), *names, alt_ids=ids, parents=ids) for row, (*names, ids) in enumerate(rows)]
    for finding in check(Ontology.from_concepts(concepts)):
        assert min(finding.count, 1) <= len(finding.examples) <= min(finding.count, 3)
        assert all(example.isprintable() for example in finding.examples)


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    concepts = [Concept("D0", "Fevers"), Concept("D1", "Ague", ["nan"], parents=["D0", "D9"], tree_numbers=["C1.2"])]
    Ontology.from_concepts(concepts).save("o.arrow")
    done = CliRunner().invoke(main, ["ontology", "check", "o.arrow"])
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "names that stand for nothing (nan, None) 1 D1 nan" in lines
    assert "parents that aren't in the ontology 1 D9 of D1" in lines
    shown = CliRunner().invoke(main, ["ontology", "show", "o.arrow", "D1"]).stdout
    assert "parents: D0 Fevers; D9\ntree numbers: C1.2\n" in shown
    stats = CliRunner().invoke(main, ["ontology", "stats", "o.arrow"]).stdout.split()
    assert stats[stats.index("parents") + 1] == "2"
    Ontology.from_concepts(concepts[:1]).save("clean.json")
    assert "nothing suspicious" in CliRunner().invoke(main, ["ontology", "check", "clean.json"]).stdout


def test_keys_that_were_not_read_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o.json").write_text('[{"id": "1", "name": "ague", "url": "u"}]')
    for command in ("stats", "check"):
        shown = CliRunner().invoke(main, ["ontology", command, "o.json"]).stdout
        assert "keys that aren't known, not read: `url` (1 concept)" in shown
