"""Things that are given to an option which takes something other, as a person meets the message."""

import json
from pathlib import Path

import pytest

from raybel.cli import main
from raybel.ontology import Concept, Ontology

MODELS = {"ngrams": "ngrams", "dense": "dense", "dictionary": "dictionary"}
STATES = {"detector": "detector", "crossencoder": "crossencoder"}


@pytest.fixture(autouse=True)
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, kind in (MODELS | STATES).items():
        Path(name).mkdir()
        file = "config.json" if name in MODELS else "raybel.json"
        Path(name, file).write_text(json.dumps({"kind": kind, "finished": True}))
    Path("run").mkdir()
    Path("run", "manifest.json").write_text(json.dumps({"identity": {}, "config": {}}))
    Path("data").mkdir()
    Ontology.from_concepts([Concept("D1", "Bog Fever")]).save("data/ontology.arrow")
    Path("data", "val.bioc.xml").write_text('<?xml version="1.0"?><collection><source>x</source></collection>')


LINK = ("link", "--in-corpus", "data/val.bioc.xml", "--ontology", "data/ontology.arrow", "--out-corpus", "runs/x")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--dictionary", "detector"), ["detector is a token classifier, not a dictionary", "as --detector"]),
        (("--detector", "dictionary"), ["dictionary is a dictionary, not a token classifier", "as --dictionary"]),
        (("--detector", "crossencoder"), ["crossencoder is a cross-encoder, not", "as --reranker-model"]),
        (("--detector", "run"), ["run is a run directory, not a token classifier", "raybel show run"]),
        (("--dictionary", "data"), ["is a directory of prepared data, not a dictionary", "data/ontology.arrow"]),
        (("--dictionary", "run"), ["is a run directory, not a dictionary"]),
        (("--dense-index", "ngrams"), ["ngrams is an n-gram model, not a dense index", "as --ngrams-model"]),
        (("--ngrams-model", "dense"), ["dense is a dense index, not an n-gram model", "as --dense-index"]),
        (("--ngrams-model", "data/ontology.arrow"), ["is an ontology, not an n-gram model", "as --ontology"]),
        (("--ontology", "data"), ["is a directory of prepared data, not an ontology"]),
        (("--ontology", "ngrams"), ["is an n-gram model, not an ontology"]),
        (("--ontology", "."), ["is a directory, not an ontology's file"]),
        (("--in-corpus", "data/ontology.arrow"), ["is an ontology, not a corpus", "as --ontology"]),
        (("--in-corpus", "ngrams"), ["is an n-gram model, not a corpus"]),
    ],
)
def test_link(arguments: tuple[str, str], parts: list[str], capfd: pytest.CaptureFixture) -> None:
    generator = () if arguments[0] in ("--ngrams-model", "--dense-index") else ("--ngrams-model", "ngrams")
    if arguments[0] in ("--detector", "--dictionary", "--in-corpus"):
        generator = ("--ngrams-model", _trained())
    with pytest.raises(SystemExit) as ended:
        main([*LINK, *generator, *arguments])
    printed = capfd.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 1
    assert [part for part in parts if part not in printed] == [], printed
    assert not Path("runs").exists()


def _trained() -> str:
    """A generator that can be opened: detectors and corpora are looked at after it."""
    from raybel.candidates.ngrams import NgramGenerator
    from raybel.candidates.parameters import NgramParameters

    generator = NgramGenerator.build(Ontology.open("data/ontology.arrow"), NgramParameters())
    generator.save("trained")
    return "trained"
