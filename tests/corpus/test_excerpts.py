import gzip
import json

import pytest
from samples import annotation, collection, document, json_annotation, json_document, passage, rows, save

from raybel.corpus.documents import ReadOptions
from raybel.corpus.excerpts import excerpt_shards
from raybel.corpus.sources import Source
from raybel.errors import MismatchError

TEXT = "Anemia, asthma and anemia again."


def one(name):
    return document(
        name,
        passage("Title", annotation("Title", (0, 5), name="T0"), offset=0),
        passage(
            TEXT,
            annotation("Anemia", (6, 6), name="T1", type="Disease", concept_id="D1", link_id="D9"),
            annotation("Anemia again", (25, 6), (32, 5), name="T2", type="Disease"),
            offset=6,
        ),
    )


def excerpt(path, wanted, remove=(), **options):
    source = Source(path, path.rpartition("/")[2])
    shards = excerpt_shards(source, source.name, ReadOptions(source_only=True, **options), wanted, remove)
    return {name: gzip.decompress(b"".join(content)) for name, content in shards}


def test_only_the_wanted_annotations_of_the_wanted_documents(tmp_path):
    path = save(tmp_path / "a.xml", collection(*map(one, "abcd")))
    found = excerpt(path, {1: {1: {"label": "predicted"}}, 3: {0: {}, 2: {}}}, remove=("link_id",), chunk_documents=1)
    (name,) = found
    saved = save(tmp_path / "out" / name, gzip.compress(found[name]))
    b, d = rows(saved)
    assert name == "a.xml.gz"
    assert (b["doc_id"], [each["mention_id"] for each in b["mentions"]]) == ("b", ["T1"])
    assert b["mentions"][0]["gold"] == ["D1"]
    assert [each["mention_id"] for each in d["mentions"]] == ["T0", "T2"]
    assert (d["mentions"][1]["start"], d["mentions"][1]["end"]) == (25, 37)  # both pieces are there
    assert b"link_id" not in found[name]
    assert found[name].count(b'<infon key="label">predicted</infon>') == 1


def test_json_becomes_json_lines(tmp_path):
    documents = [json_document(name, "Anemia.", json_annotation("Anemia", (0, 6), type="D")) for name in "abc"]
    path = save(tmp_path / "a.json", {"source": "s", "date": "", "key": "", "infons": {}, "documents": documents})
    ((name, content),) = excerpt(path, {0: {0: {}}, 2: {0: {"x": "y"}}}).items()
    assert name == "a.json.jsonl.gz"
    first, second = map(json.loads, content.splitlines())
    assert (first["id"], second["id"]) == ("a", "c")
    assert second["passages"][0]["annotations"][0]["infons"] == {"type": "D", "x": "y"}
    assert [row["doc_id"] for row in rows(save(tmp_path / "out" / name, gzip.compress(content)))] == ["a", "c"]


def test_what_is_gone_is_an_error(tmp_path):
    path = save(tmp_path / "a.xml", collection(*map(one, "ab")))
    with pytest.raises(MismatchError, match="1 of 2 wanted documents"):
        excerpt(path, {0: {0: {}}, 5: {0: {}}})
    with pytest.raises(MismatchError, match="document a: an annotation"):
        excerpt(path, {0: {7: {}}})
    assert excerpt(path, {}) == {}
