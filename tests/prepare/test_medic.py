"""MEDIC: CTD's table as an ontology."""

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept, Ontology
from raybel.prepare import medic

HEADER = "# A comment\n# Fields:\n# " + "\t".join(medic.COLUMNS) + "\n#\n"


def row(name: str, key: str, alternative: str = "", definition: str = "", synonyms: str = "", columns: int = 9) -> str:
    cells = [name, key, alternative, definition, "", "", "C", synonyms, "Cancer"]
    return "\t".join(cells[:columns]) + "\n"


def read(tmp_path: Path, content: str | bytes) -> Ontology:
    path = tmp_path / "CTD_diseases.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return medic.read_ontology(str(path))


def concepts(tmp_path: Path, content: str | bytes) -> list[Concept]:
    ontology = read(tmp_path, content)
    return [ontology.concept(row) for row in range(len(ontology))]


def test_ids_names_and_definition(tmp_path: Path) -> None:
    text = HEADER + row(
        "Bog Fever ", "MESH:D01", "OMIM:1|MESH:D02| MESH:D03|MESH:D01", " Ill. ", "Fever, Bog|Ague||Ague"
    )
    text += row("Eel Pox", "OMIM:600000", "DO:DOID:7")
    assert concepts(tmp_path, text) == [
        Concept("D01", "Bog Fever", ["Fever, Bog", "Ague"], "Ill.", [], ["OMIM:1", "D02", "D03"]),
        Concept("OMIM:600000", "Eel Pox", [], "", [], ["DO:DOID:7"]),
    ]


def test_parents_and_tree_numbers(tmp_path: Path) -> None:
    cells = ("Bog Fever", "MESH:D01", "", "", "MESH:D00|OMIM:1| ", "C01.5|C02.1/D00", "C01|C02", "", "")
    (concept,) = concepts(tmp_path, HEADER + "\t".join(cells) + "\n")
    assert (concept.parents, concept.tree_numbers) == (["D00", "OMIM:1"], ["C01.5", "C02.1/D00"])


@pytest.mark.parametrize(
    "content",
    [
        HEADER + row("Bog Fever", "MESH:D01", synonyms="Ague"),
        row("Bog Fever", "MESH:D01", synonyms="Ague"),
        row("Bog Fever", "MESH:D01", synonyms="Ague", columns=8),
        HEADER.replace("\tSlimMappings", "") + row("Bog Fever", "MESH:D01", synonyms="Ague", columns=8),
        "\t".join(medic.COLUMNS) + "\n" + row("Bog Fever", "MESH:D01", synonyms="Ague"),
        "# Fields:\n# Synonyms\tDiseaseID\tDiseaseName\tAltDiseaseIDs\tDefinition\nAgue\tMESH:D01\tBog Fever\t\t\n",
        "\ufeff" + (HEADER + row("Bog Fever", "MESH:D01", synonyms="Ague")).replace("\n", "\r\n"),
        gzip.compress(row("Bog Fever", "MESH:D01", synonyms="Ague").encode(), mtime=0),
        (HEADER + row("Bog Fever", "MESH:D01", synonyms="Ague")).replace("\t", ","),
        row("Bog Fever", '"MESH:D01"', synonyms='"Ague"').replace("\t", ","),
    ],
    ids=["9 named", "9", "8", "8 named", "bare header", "other order", "BOM, CRLF", "gzip", "CSV", "bare CSV, quoted"],
)
def test_layouts(tmp_path: Path, content: str | bytes) -> None:
    assert concepts(tmp_path, content) == [Concept("D01", "Bog Fever", ["Ague"])]


def test_names_that_need_care(tmp_path: Path) -> None:
    text = HEADER + row("# Hash Disease", "MESH:D01") + row("", "MESH:D02", synonyms="|Nameless") + row("", "MESH:D03")
    text += row("Shared", "MESH:D04", synonyms="Ague") + row("Other", "MESH:D05", synonyms="ague|Shared")
    read_concepts = concepts(tmp_path, text)
    assert [concept.name for concept in read_concepts] == ["# Hash Disease", "Nameless", "", "Shared", "Other"]
    assert read(tmp_path, text).stats()["shared by several concepts"] == 2


def test_csv_quotes_what_has_commas(tmp_path: Path) -> None:
    text = (
        HEADER.replace("\t", ",")
        + '"Pox, Eel",MESH:D01,,"Ill, ""very"".",,,,"Pox, Bog|Ague",\n# Hash,MESH:D02,,,,,,,\n'
    )
    assert concepts(tmp_path, text) == [
        Concept("D01", "Pox, Eel", ["Pox, Bog", "Ague"], 'Ill, "very".'),
        Concept("D02", "# Hash"),
    ]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), max_size=8), min_size=9, max_size=9
        ),
        max_size=4,
    )
)
def test_tabs_and_commas_say_the_same(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    """With tabs, cells are as they are; CSV quotes them."""
    folder = tmp_path_factory.mktemp("medic")
    rows = [[f"Name {n}{cells[0]}", f"X:{n}", *cells[2:]] for n, cells in enumerate([[""] * 9, *rows])]
    with (folder / "m.csv").open("w", newline="") as file:
        file.write(HEADER.replace("\t", ","))
        csv.writer(file).writerows(rows)
    (folder / "m.tsv").write_text(HEADER + "".join("\t".join(cells) + "\n" for cells in rows), newline="")
    tables = [medic.read_ontology(str(folder / name)).table for name in ("m.csv", "m.tsv")]
    assert tables[0].equals(tables[1])


def test_the_command_s_function(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text(HEADER + row("Bog Fever", "MESH:D01", synonyms="Ague"))
    config = medic.MedicConfig(ctd_medic_diseases=str(tmp_path / "m.tsv"), out=str(tmp_path / "o.arrow"))
    counts = medic.prepare_medic(config)
    assert (counts["concepts"], counts["names and aliases"]) == (1, 2)
    assert Ontology.open(config.out).fingerprint == medic.read_ontology(config.ctd_medic_diseases).fingerprint
    with pytest.raises(ConfigError, match=r"must end in \.arrow"):
        medic.MedicConfig(ctd_medic_diseases="m.tsv", out="o.txt")


def test_ids_with_marks_stay_whole(tmp_path: Path) -> None:
    assert [concept.concept_id for concept in concepts(tmp_path, row("A", "X:1=2&3|4+5"))] == ["X:1=2&3|4+5"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["holds no concepts"]),
        ("<?xml?><DescriptorRecordSet>", ["isn't MEDIC", "looks like MeSH XML"]),
        ("1|t|Ague\n1|a|\n", ["isn't MEDIC", "looks like PubTator", "--in-corpus"]),
        (HEADER, ["holds no concepts"]),
        ("a\tb\tc\n", ["line 1", "expected 9", "found 3: 'a', 'b', 'c'", "DiseaseName"]),
        ("a\t" * 9 + "\n", ["line 1", "found 10"]),
        (
            HEADER + row("A", "MESH:D01") + row("B", "MESH:D02", columns=8),
            ["line 6", "expected 9", "line 3", "found 8"],
        ),
        ("# Fields:\n# Name\tID\nA\tB\n", ["line 2", "DiseaseID", "found 'Name', 'ID'"]),
        (HEADER + row("A", "MESH:D01") + row("B", "D01"), ["line 6", "D01", "line 5"]),
        (HEADER + row("A", " "), ["line 5", "'A'", "no id"]),
        (HEADER.replace("\t", ",") + '"A,MESH:D01,,,,,,,\n', ["line 5", "isn't CSV", "A,MESH:D01"]),
        (HEADER.replace("\t", ",") + "A, B,MESH:D01,,,,,,,\n", ["line 5", "expected 9", "found 10"]),
        (row("Caf\xe9", "MESH:D01").encode("latin-1"), ["line 1", "UTF-8"]),
        (gzip.compress(row("A", "MESH:D01").encode(), mtime=0)[:-3], ["cut off"]),
    ],
)
def test_complaints_say_where(tmp_path: Path, content: str | bytes, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert [part for part in ["CTD_diseases.tsv", *parts] if part not in message] == [], message
