"""`raybel prepare obo` and `raybel ontology enrich`, `strip`, `merge`, `select` as a person meets them."""

from pathlib import Path

import pytest

from raybel.cli import main
from raybel.ontology import Concept, Ontology

OBO = '[Term]\nid: MONDO:1\nname: bog fever\nsynonym: "fen fever" EXACT []\nsynonym: "kin" RELATED []\n'
SSSOM = "subject_id\tpredicate_id\tobject_id\nMONDO:1\tskos:exactMatch\tmesh:D1\n"


def run(*arguments: str) -> int:
    try:
        main([*arguments])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mondo.obo").write_text(OBO)
    Path("m.sssom.tsv").write_text(SSSOM)
    Ontology.from_concepts([Concept("D1", "Bog Fever", ["ague"])]).save("medic.arrow")


ENRICH = ("ontology", "enrich", "--ontology", "medic.arrow", "--mapping", "m.sssom.tsv", "--out", "plus.arrow")


def test_from_obo_to_stripped(capfd: pytest.CaptureFixture) -> None:
    assert run("prepare", "obo", "--obo", "mondo.obo", "--out", "mondo.arrow", "--scopes", "exact,related") == 0
    assert run(*ENRICH, "--with", "mondo.arrow") == 0
    shown = capfd.readouterr().out
    for part in ("exact synonyms, as aliases", "mondo.arrow: 1 concept", "taken over", "there already"):
        assert part in shown
    assert Ontology.open("plus.arrow").concept(0).aliases == ["ague", "fen fever", "kin"]
    assert Ontology.open("plus.arrow").concept(0).alias_sources == ["", "mondo", "mondo:related"]
    assert run("ontology", "show", "plus.arrow", "D1") == 0
    assert "aliases: ague\naliases from mondo: fen fever\naliases from mondo:related: kin" in capfd.readouterr().out
    assert run("ontology", "strip", "--ontology", "plus.arrow", "--sources", "mondo", "--out", "back.arrow") == 0
    assert Ontology.open("back.arrow").fingerprint == Ontology.open("medic.arrow").fingerprint
    shown = capfd.readouterr().out
    for part in ("Aliases left out", "mondo:related", "back.arrow: 1 concept"):
        assert part in shown


def test_merge(capfd: pytest.CaptureFixture) -> None:
    assert run("prepare", "obo", "--obo", "mondo.obo", "--out", "mondo.arrow") == 0
    merge = ("ontology", "merge", "medic.arrow", "mondo.arrow", "--out", "both.arrow")
    assert run(*merge) == 0
    assert len(Ontology.open("both.arrow")) == 2
    assert run(*merge, "--mapping", "m.sssom.tsv") == 0
    assert Ontology.open("both.arrow").concept(0).alt_ids == ["MONDO:1"]
    assert "united: mapped" in capfd.readouterr().out


def test_select(capfd: pytest.CaptureFixture) -> None:
    select = ("ontology", "select", "--ontology", "medic.arrow", "--out", "x.arrow")
    assert run(*select, "--branches", "D1", "--type", "Ill") == 0
    assert "x.arrow: 1 concept" in capfd.readouterr().out
    assert Ontology.open("x.arrow").concept(0).types == ["Ill"]
    assert run(*select, "--branches", "Q") == 1
    assert "medic.arrow has no branch Q" in capfd.readouterr().err


def test_mistakes_are_sentences(capfd: pytest.CaptureFixture) -> None:
    assert run(*ENRICH, "--with", "mondo.arrow") == 1
    assert "--with mondo.arrow: no such file or directory; `raybel prepare` makes one" in capfd.readouterr().err
    assert run(*ENRICH) == 2
    assert run("ontology", "merge", "medic.arrow", "--out", "both.arrow") == 1
    assert "at least two" in capfd.readouterr().err
