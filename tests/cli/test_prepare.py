"""`raybel prepare` as a person meets it."""

from pathlib import Path

import pytest

from raybel.cli import main
from raybel.ontology import Ontology

CTD = "Bog Fever\tMESH:D01\tOMIM:1\tIll.\t\t\t\tAgue\t\n"
CORPUS = (
    "1|t|Bog fever\n1|a|Ague [bold]kills[/bold].\n1\t0\t9\tBog fever\tDisease\tD01\n1\t10\t14\tEels\tDisease\tD01\n"
)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "CTD_diseases.tsv").write_text(CTD)
    (tmp_path / "NCBItrainset_corpus.txt").write_text(CORPUS)
    return tmp_path


def run(*arguments: str) -> int:
    try:
        main(["prepare", *arguments])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


NCBI = ("ncbi-disease", "--ncbidisease-dir", ".", "--ctd-medic-diseases", "CTD_diseases.tsv")


def test_summary_reasons_and_files(sources: Path, capfd: pytest.CaptureFixture) -> None:
    assert run(*NCBI, "--out_dir", "data", "--out-ontology", "medic.parquet") == 0
    shown = capfd.readouterr().out
    for part in (
        "NCBI Disease",
        "one known id",
        "text not at its offsets",
        "line 4, document 1: says 'Eels', the text there is 'Ague', dropped",
        "val: skipped",
        "data/train.bioc.xml.gz: 1 document, 1 mention",
        "medic.parquet: 1 concept",
    ):
        assert part in shown
    assert [path.name for path in (sources / "data").iterdir()] == ["train.bioc.xml.gz"]
    assert Ontology.open("medic.parquet").index("OMIM:1") == 0


def test_vocabularies_without_a_corpus(sources: Path, capfd: pytest.CaptureFixture) -> None:
    assert run("medic", "--ctd-medic-diseases", "CTD_diseases.tsv", "--out", "medic.arrow") == 0
    fixtures = str(Path(__file__).parents[1] / "fixtures" / "prepare")
    for option in ("--mesh-dir", "--mesh2015-dir"):
        assert run("mesh", option, fixtures, "--out", "mesh.arrow") == 0
    shown = capfd.readouterr().out
    assert "medic.arrow: 1 concept" in shown
    assert "mesh.arrow: 3 concepts" in shown
    Path("CTD_diseases.csv").write_text("# Fields:\n# DiseaseName,DiseaseID,Synonyms\nBog Fever,MESH:D01,\n")
    assert run("table", "--table", "CTD_diseases.csv", "--out", "o.arrow") == 1
    assert "`raybel prepare medic --ctd-medic-diseases" in capfd.readouterr().err


def test_nothing_asked_for_nothing_written(sources: Path, capfd: pytest.CaptureFixture) -> None:
    before = sorted(sources.iterdir())
    assert run(*NCBI) == 0
    assert "nothing: no --out-... option" in capfd.readouterr().out
    assert sorted(sources.iterdir()) == before


def test_long_lists_are_cut(sources: Path, capfd: pytest.CaptureFixture) -> None:
    line = CORPUS.splitlines()[-1] + "\n"
    (sources / "NCBItrainset_corpus.txt").write_text(CORPUS + line * 24)
    assert run(*NCBI) == 0
    shown = capfd.readouterr().out
    assert "and 15 more" in shown
    assert shown.count("says 'Eels'") == 10


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((*NCBI[:2], "nowhere", *NCBI[3:]), "no such directory"),
        ((*NCBI[:4], "nothing.tsv"), "nothing.tsv"),
        ((*NCBI, "--out-train", "x.txt"), "must end in .xml"),
        (("bc5cdr", "--bc5cdr-dir", ".", "--mesh2015-dir", "."), "CDR_TrainingSet.PubTator.txt(.gz)"),
    ],
)
def test_errors_are_sentences(sources: Path, capfd: pytest.CaptureFixture, arguments: tuple, part: str) -> None:
    assert run(*arguments) == 1
    printed = capfd.readouterr().err
    assert part in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["ncbi-disease", "bc5cdr", "medic", "mesh"])
def test_help_has_an_example(command: str, capfd: pytest.CaptureFixture) -> None:
    assert run(command, "--help") == 0
    assert f"raybel prepare {command} --" in capfd.readouterr().out
