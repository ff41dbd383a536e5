"""What lies under a path, and which option takes it."""

import gzip
import json

import pytest

from raybel.errors import InputError, MismatchError
from raybel.files import artefacts, things
from raybel.ontology import Concept, Ontology

DIRECTORIES = {
    "ngrams": {"config.json": {"kind": "ngrams"}},
    "dense": {"config.json": {"kind": "dense"}, "raybel.json": {"kind": "dense"}},
    "lookup": {"config.json": {"kind": "lookup"}},
    "dictionary": {"config.json": {"kind": "dictionary"}},
    "detector": {"raybel.json": {"kind": "detector"}, "config.json": {"model_type": "bert"}},
    "crossencoder": {"raybel.json": {"kind": "crossencoder"}, "config.json": {"model_type": "bert"}},
    "sapbert": {"raybel.json": {"kind": "sapbert"}, "config.json": {"model_type": "bert"}},
    "encoder": {"config.json": {"model_type": "bert"}},
    "sweep": {"raybel.json": {"kind": "sweep"}},
    "link run": {"manifest.json": {"identity": {}, "config": {}}},
    "data": {"val.bioc.xml.gz": {}},
    None: {"config.json": {"kind": 3}, "notes.txt": {}},
}
CORPUS = '<?xml version="1.0"?><collection><source>x</source></collection>'


def make(home, files):
    home.mkdir()
    for name, value in files.items():
        (home / name).write_text(json.dumps(value))
    return str(home)


@pytest.mark.parametrize("kind", DIRECTORIES, ids=str)
def test_directories(tmp_path, kind):
    assert things.kind_at(make(tmp_path / "d", DIRECTORIES[kind])) == kind


@pytest.mark.parametrize("suffix", [".arrow", ".parquet", ".json", ".json.gz"])
def test_ontologies(tmp_path, suffix):
    path = str(tmp_path / f"o{suffix}")
    Ontology.from_concepts([Concept("X:1", "ague")]).save(path)
    assert things.kind_at(path) == "ontology"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CORPUS.encode(), "corpus"),
        (gzip.compress(CORPUS.encode(), mtime=0), "corpus"),
        (b"1|t|Ague\n1|a|\n", "corpus"),
        (b'[{"id": "1", "passages": []}]', "corpus"),
        (b'[{"id": "1", "infons": {"name": "x"}, ' + b" " * 9000 + b'"passages": []}]', None),
        (b'[{"id": "X:1", "aliases": ["ague"]}]', "ontology"),
        (b"ARROW1 cut off", None),
        (b"PAR1 cut off", None),
        (b"", None),
        (b"words", None),
    ],
)
def test_files(tmp_path, content, kind):
    (tmp_path / "f").write_bytes(content)
    assert things.kind_at(str(tmp_path / "f")) == kind


def test_nothing(tmp_path):
    assert things.kind_at(str(tmp_path / "nowhere")) is None
    things.expect(str(tmp_path / "nowhere"), "ngrams")
    things.expect(str(tmp_path), "ngrams")
    (tmp_path / "raybel.json").write_text("{")
    with pytest.raises(InputError, match=r"raybel\.json"):
        things.expect(str(tmp_path), "ngrams")


@pytest.mark.parametrize("kind", [kind for kind in DIRECTORIES if kind])
@pytest.mark.parametrize("expected", ["ngrams", "dictionary", "ontology", "corpus", "another"])
def test_a_sentence_says_what_it_is_and_what_takes_it(tmp_path, kind, expected):
    path = make(tmp_path / "d", DIRECTORIES[kind])
    if kind == expected:
        things.expect(path, expected)
        return
    with pytest.raises(MismatchError) as caught:
        things.expect(path, expected)
    wanted = things.THINGS[expected].name if expected in things.THINGS else "a another model"
    thing = things.THINGS[kind]
    assert str(caught.value) == f"{path} is {thing.name}, not {wanted}: {thing.advice.replace('PATH', path)}"
    assert "PATH" not in str(caught.value)


def test_models_that_are_described(tmp_path):
    path = make(tmp_path / "d", DIRECTORIES["dictionary"])
    with pytest.raises(MismatchError, match="is a dictionary, not an n-gram model: give it as --dictionary"):
        artefacts.describe(path, "ngrams", 1)
