import pytest
from click.testing import CliRunner

from raybel.cli import main
from raybel.ontology import Concept, Ontology
from raybel.ontology.check import EXAMPLES, check

SUSPICIOUS = [
    Concept(
        "A", "gout", ["None", "Gunther&apos;s Disease", "SCA1, INCLUDED", "a <i>b</i>", "ab\u200bc"], parents=["B"]
    ),
    Concept("B", "Gout ", ["x" * 201, "12-3", "IV", "SjÃ¶gren"], alt_ids=["A", "Z"], parents=["C"]),
    Concept("C D", "", alt_ids=["Z"], parents=["C D", "NOWHERE"]),
    Concept("E|F", "fine"),
]


def found(*concepts):
    return {finding.what: (finding.count, finding.examples) for finding in check(Ontology.from_concepts(concepts))}


def test_each_suspicion_is_counted_with_an_example():
    findings = found(*SUSPICIOUS)
    assert findings == {
        "concepts without a name": (1, ["C D"]),
        "names that stand for none": (1, ["'None' of A"]),
        "names of more than 200 characters": (1, [f"'{'x' * 60}'... of B"]),
        "names with character references": (1, ['"Gunther&apos;s Disease" of A'.replace('"', "'")]),
        "names with markup": (1, ["'a <i>b</i>' of A"]),
        "names that end in INCLUDED or the like": (1, ["'SCA1, INCLUDED' of A"]),
        "names in a wrong encoding": (1, ["'SjÃ¶gren' of B"]),
        "names without a letter": (1, ["'12-3' of B"]),
        "names of one or two letters": (1, ["'IV' of B"]),
        "names with invisible characters": (1, ["'ab\\u200bc' of A"]),
        "names that several concepts have": (1, ["'gout' of A, B"]),
        "ids with white space": (1, ["'C D'"]),
        "ids with a character that separates ids (| + ; ,)": (1, ["'E|F'"]),
        "alternative ids that are another concept's own id": (1, ["A of B"]),
        "alternative ids that several concepts have": (1, ["Z"]),
        "parents that aren't in the ontology": (2, ["C of B", "NOWHERE of C D"]),
        "concepts that are their own ancestors": (1, ["C D"]),
    }


def test_longer_cycles_are_found_and_a_tree_is_none():
    ring = [Concept(str(i), f"name {i}", parents=[str((i + 1) % 3)]) for i in range(3)]
    below = Concept("3", "below", parents=["0"])
    assert found(*ring, below) == {"concepts that are their own ancestors": (3, ["0", "1", "2"])}
    tree = [Concept("0", "root"), Concept("1", "one", parents=["0"]), Concept("2", "two", parents=["0", "1"])]
    assert found(*tree) == {}


def test_examples_are_few():
    count, examples = found(*(Concept(str(i), "gout") for i in range(9)), Concept("n", "nan"))[
        "names that stand for none"
    ]
    assert (count, len(examples)) == (1, 1)
    count, examples = found(*(Concept(str(i), f"&amp; {i} a") for i in range(9)))["names with character references"]
    assert (count, len(examples)) == (9, EXAMPLES)


@pytest.mark.parametrize(("concepts", "said"), [(SUSPICIOUS, "names with markup"), (SUSPICIOUS[3:], "E|F")])
def test_the_command_shows_it(tmp_path, concepts, said):
    path = str(tmp_path / "o.arrow")
    Ontology.from_concepts(concepts).save(path)
    result = CliRunner().invoke(main, ["ontology", "check", path])
    assert result.exit_code == 0
    assert said in result.output


def test_nothing_suspicious_is_said(tmp_path):
    path = str(tmp_path / "o.arrow")
    Ontology.from_concepts([Concept("A", "gout")]).save(path)
    assert "1 concept, nothing suspicious" in CliRunner().invoke(main, ["ontology", "check", path]).output
