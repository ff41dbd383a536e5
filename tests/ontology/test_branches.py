"""Branches: by concept, by tree number, by type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology
from raybel.ontology.branches import Hierarchy, branch_names, branches_of_concepts

CONCEPTS = [
    Concept("D1", "Bog Fevers", tree_numbers=["C01"], types=["descriptor"], alt_ids=["OLD:1"]),
    Concept("D2", "Fen Fever", tree_numbers=["C01.5", "F03.1"], parents=["D1"], types=["descriptor"]),
    Concept("D3", "Late Fen Fever", tree_numbers=["C01.5.7.2"], types=["descriptor"]),
    Concept("D4", "Eel Pox", tree_numbers=["C010"], types=["descriptor"]),
    Concept("D5", "Fen Fever of Children", parents=["D2"], types=["descriptor"]),
    Concept("D6", "Marsh Tonic", tree_numbers=["D03.1/X1"], types=["descriptor"]),
    Concept("D7", "Purple Tonic", tree_numbers=["D03.1/X1/X2"], types=["descriptor"]),
    Concept("C1", "bogwortine", types=["supplementary"]),
]


def members(branch, concepts=CONCEPTS):
    found = Hierarchy(Ontology.from_concepts(concepts)).members(branch)
    return {concept.concept_id for concept, inside in zip(concepts, found, strict=True) if inside}


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("D1", {"D1", "D2", "D3", "D5"}),  # by numbers over a gap, and by parents
        ("OLD:1", {"D1", "D2", "D3", "D5"}),
        ("D2", {"D2", "D3", "D5"}),
        ("D5", {"D5"}),
        ("D6", {"D6", "D7"}),
        ("C", {"D1", "D2", "D3", "D4"}),
        ("C01", {"D1", "D2", "D3"}),
        ("C01.5", {"D2", "D3"}),
        ("C01.5.7", {"D3"}),
        ("F03", {"D2"}),
        ("D", {"D6", "D7"}),
        ("D03.1", {"D6", "D7"}),
        ("supplementary", {"C1"}),
    ],
)
def test_members(branch, expected):
    assert members(branch) == expected


@pytest.mark.parametrize("branch", ["Q", "C0", "c01", "C01.", ".*", "", "Fen Fever"])
def test_no_such_branch(branch):
    with pytest.raises(ConfigError) as caught:
        members(branch)
    for part in (f"no branch {branch}", "tree numbers begin with C, D, F", "types are descriptor, supplementary"):
        assert part in str(caught.value)


def test_unplaced():
    ontology = Ontology.from_concepts(CONCEPTS)
    assert Hierarchy(ontology).unplaced().tolist() == [False] * 7 + [True]
    only_a_root = [Concept("R", "Root"), Concept("L", "Leaf", parents=["R"]), Concept("X", "Alone")]
    assert Hierarchy(Ontology.from_concepts(only_a_root)).unplaced().tolist() == [False, False, True]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20), st.integers(0, 11))
def test_a_concept_and_all_below_it(pairs, top):
    """Also where parents go round in a cycle."""
    concepts = [Concept(f"X:{n}", f"name {n}", parents=[f"X:{p}" for c, p in pairs if c == n]) for n in range(12)]
    expected, waiting = set(), [top]
    while waiting:
        if (one := waiting.pop()) not in expected:
            expected.add(one)
            waiting += [child for child, parent in pairs if parent == one]
    assert members(f"X:{top}", concepts) == {f"X:{number}" for number in expected}


@given(st.lists(st.lists(st.sampled_from("123"), min_size=1, max_size=4).map(".".join), min_size=1, max_size=12))
def test_tree_numbers_and_concepts_say_the_same(numbers):
    concepts = [Concept(f"X:{n}", f"name {n}", tree_numbers=["C" + number]) for n, number in enumerate(numbers)]
    for number, concept in zip(numbers, concepts, strict=True):
        below = {
            c.concept_id for other, c in zip(numbers, concepts, strict=True) if f"{other}.".startswith(number + ".")
        }
        assert members("C" + number, concepts) == below
        same = {c.concept_id for c in concepts if c.tree_numbers == concept.tree_numbers}
        assert members(concept.concept_id, concepts) == (below - same) | {concept.concept_id}


def test_names_of_branches_and_numbers_as_ctd_writes_them():
    ontology = Ontology.from_concepts(
        [
            Concept("A", "Neoplasms", tree_numbers=["C04"]),
            Concept("B", "a tumour", tree_numbers=["C04.588", "C05.1"]),
            Concept("C", "a syndrome", tree_numbers=["C04/C538614"]),
            Concept("D", "", tree_numbers=["C05"]),
        ]
    )
    assert branch_names(ontology) == {"C04": "Neoplasms"}
    assert branches_of_concepts(ontology) == [("C04",), ("C04", "C05"), ("C04",), ("C05",)]


def test_branches_of_concepts():
    assert branches_of_concepts(Ontology.from_concepts(CONCEPTS)) == [
        ("C01",),
        ("C01", "F03"),
        ("C01",),
        ("C010",),
        ("C01", "F03"),
        ("D03",),
        ("D03",),
        ("supplementary",),
    ]
    assert branches_of_concepts(Ontology.from_concepts([Concept("A", "a")])) == [("",)]
