"""Ontologies joined: side by side, united by id or by mapping, never two concepts of one file."""

from pathlib import Path

import pytest

from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology
from raybel.prepare.merge import MAPPED, SAME_ID, SEVERAL, MergeConfig, merge_ontologies


def save(folder: Path, name: str, concepts: list[Concept]) -> str:
    path = str(folder / f"{name}.arrow")
    Ontology.from_concepts(concepts).save(path)
    return path


def merged(folder: Path, paths: list[str], **options: tuple[str, ...]) -> tuple[dict[str, int], list[Concept]]:
    out = str(folder / "out.arrow")
    summary = merge_ontologies(MergeConfig(tuple(paths), out, **options))
    ontology = Ontology.open(out)
    assert summary.concepts == len(ontology)
    return summary.counts, [ontology.concept(row) for row in range(len(ontology))]


def test_side_by_side_and_united_by_id(tmp_path: Path) -> None:
    first = save(tmp_path, "a", [Concept("D1", "Bog", ["Fen"], types=["x"]), Concept("D2", "Eel")])
    second = save(
        tmp_path,
        "b",
        [
            Concept("HP:1", "Sign", parents=["MESH:D1"]),
            Concept("MESH:D1", "bog", ["Mire", "kin"], "Wet.", ["y"], ["OMIM:1"], ["", "related"], ["HP:1"]),
        ],
    )
    counts, concepts = merged(tmp_path, [first, second])
    assert concepts == [
        Concept(
            "D1",
            "Bog",
            ["Fen", "Mire", "kin"],
            "Wet.",
            ["x", "y"],
            ["MESH:D1", "OMIM:1"],
            ["", "b", "b:related"],
            ["HP:1"],
        ),
        Concept("D2", "Eel"),
        Concept("HP:1", "Sign", parents=["D1"]),
    ]
    assert (counts["in a.arrow"], counts["in b.arrow"], counts[SAME_ID]) == (2, 2, 1)


def test_mapped_concepts_become_one_where_they_are_one_to_one(tmp_path: Path) -> None:
    first = save(
        tmp_path, "a", [Concept("D1", "one", alt_ids=["OMIM:1"]), Concept("D2", "two"), Concept("D3", "three")]
    )
    second = save(tmp_path, "b", [Concept(f"B:{number}", f"b{number}") for number in range(1, 6)])
    third = save(tmp_path, "c", [Concept("C:1", "c1")])
    mapping = tmp_path / "m.tsv"
    pairs = [("B:1", "OMIM:1"), ("B:2", "D2"), ("B:2", "D3"), ("D3", "B:3"), ("B:4", "D3"), ("C:1", "B:1")]
    rows = "".join(f"{first}\tskos:exactMatch\t{second}\n" for first, second in pairs)
    mapping.write_text("subject_id\tpredicate_id\tobject_id\n" + rows)
    counts, concepts = merged(tmp_path, [first, second, third], mapping=(str(mapping),), label=("x", "y", "z"))
    assert [concept.concept_id for concept in concepts] == ["D1", "D2", "D3", "B:2", "B:3", "B:4", "B:5"]
    assert concepts[0] == Concept("D1", "one", ["b1", "c1"], "", [], ["OMIM:1", "B:1", "C:1"], ["y", "z"])
    assert (counts[MAPPED], counts[SEVERAL]) == (2, 3)


def test_a_file_with_two_spellings_of_an_id_keeps_them_apart(tmp_path: Path) -> None:
    first = save(tmp_path, "a", [Concept("D1", "one")])
    second = save(tmp_path, "b", [Concept("MESH:D1", "two"), Concept("mesh:D1", "three")])
    counts, concepts = merged(tmp_path, [first, second])
    assert [concept.concept_id for concept in concepts] == ["D1", "mesh:D1"]
    assert counts[SAME_ID] == 1


def test_of_two_concepts_of_a_file_only_one_is_united(tmp_path: Path) -> None:
    first = save(tmp_path, "a", [Concept("X:1", "one")])
    second = save(tmp_path, "b", [Concept("A:1", "two")])
    third = save(tmp_path, "c", [Concept("A:1", "other"), Concept("X:1", "uno")])
    mapping = tmp_path / "m.tsv"
    mapping.write_text("subject_id\tpredicate_id\tobject_id\nA:1\tskos:exactMatch\tX:1\n")
    counts, concepts = merged(tmp_path, [first, second, third], mapping=(str(mapping),))
    assert [(concept.concept_id, concept.aliases) for concept in concepts] == [("X:1", ["two", "uno"]), ("A:1", [])]
    assert concepts[1].name == "other"
    assert (counts[SAME_ID], counts[MAPPED], counts[SEVERAL]) == (1, 1, 1)


def test_mistakes_are_named(tmp_path: Path) -> None:
    first = save(tmp_path, "a", [Concept("D1", "one")])
    with pytest.raises(ConfigError, match="at least two"):
        MergeConfig((first,), "out.arrow")
    with pytest.raises(ConfigError, match="two ontologies would be called a"):
        MergeConfig((first, first), "out.arrow")
    with pytest.raises(ConfigError, match="must end in"):
        MergeConfig((first, "b.arrow"), "out.txt")
