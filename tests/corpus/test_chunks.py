import gzip
import json

import bioc as model
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from samples import chunks, collection, document, linked, parts, passage, read_error, save, simple_document

from raybel.corpus import chunks as chunks_module
from raybel.corpus.chunks import Finished, FinishedChunk, read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows, write_corpus
from raybel.corpus.sources import Source, corpus_bytes, corpus_files

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
XML_WORDS = WORDS.map(lambda text: text.replace("\r", " "))


@st.composite
def documents(draw, most=6):
    generated = []
    for number in range(draw(st.integers(0, most))):
        document, offset = model.BioCDocument(), 0
        document.id = draw(st.sampled_from(["1", "é", "a b", f"n{number}"]))
        for _ in range(draw(st.integers(0, 3))):
            passage = model.BioCPassage()
            passage.offset, passage.text = offset, draw(XML_WORDS)
            offset += len(passage.text) + draw(st.integers(0, 3))
            for name in range(draw(st.integers(0, 3))):
                start = draw(st.integers(0, len(passage.text)))
                end = draw(st.integers(start, len(passage.text)))
                mention = model.BioCAnnotation()
                mention.id, mention.text = f"T{name}", passage.text[start:end]
                mention.locations.append(model.BioCLocation(passage.offset + start, end - start))
                mention.infons = draw(st.dictionaries(st.sampled_from(["type", "concept_id", "x"]), st.just("D1")))
                passage.annotations.append(mention)
            document.passages.append(passage)
        generated.append(document)
    return generated


def as_json(documents) -> bytes:
    def to_mention(annotation):
        places = [{"offset": location.offset, "length": location.length} for location in annotation.locations]
        return {"id": annotation.id, "infons": annotation.infons, "text": annotation.text, "locations": places}

    def to_passage(passage):
        mentions = list(map(to_mention, passage.annotations))
        return {"offset": passage.offset, "text": passage.text, "annotations": mentions}

    values = [
        {"id": document.id, "passages": [to_passage(passage) for passage in document.passages]}
        for document in documents
    ]
    return json.dumps({"source": "s", "documents": values, "date": "d"}, ensure_ascii=False).encode()


def write(path, generated):
    if path.name.endswith(".json"):
        save(path, as_json(generated))
    else:
        write_corpus(str(path), generated, "generated")
    return str(path)


def flat(path, size):
    return [row for chunk in chunks(path, chunk_documents=size) for row in chunk["docs"][0].as_py()]


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz", "a.json"])
@given(generated=documents())
@settings(max_examples=40)
def test_what_is_written_is_read_back(tmp_path, name, generated):
    path = write(tmp_path / name, generated)
    rows = list(read_rows([path], ReadOptions(), SetAside()))
    assert [row.doc_id for row in rows] == [original.id for original in generated]
    for row, original in zip(rows, generated, strict=True):
        assert [p["text"] for p in row.passages] == [p.text for p in original.passages]
        expected = [
            (a.id, a.locations[0].offset, a.locations[0].offset + len(a.text), a.text, a.infons.get("type") or "")
            for p in original.passages
            for a in p.annotations
        ]
        assert [(m["mention_id"], m["start"], m["end"], m["text"], m["type"]) for m in row.mentions] == expected
        assert row.repairs == 0


@pytest.mark.parametrize("name", ["a.xml", "a.json"])
@given(generated=documents(), size=st.integers(1, 7))
@settings(max_examples=40)
def test_chunks_of_any_size_hold_the_same_documents_and_link_to_the_same(tmp_path, name, generated, size):
    path = write(tmp_path / name, generated)
    whole = flat(path, 1000)
    assert flat(path, size) == whole
    numbers = [chunk["chunk"][0].as_py() for chunk in chunks(path, chunk_documents=size)]
    assert numbers == list(range(max(1, -(-len(generated) // size))))
    first, second = parts(path, chunk_documents=size), parts(path, chunk_documents=size)
    assert [part.data for part in first] == [part.data for part in second]
    assert all(part.mentions.equals(other.mentions) for part, other in zip(first, second, strict=True))
    joined = gzip.decompress(b"".join(part.data for part in first))
    assert joined == linked(path, chunk_documents=1000)
    if name.endswith("json"):
        ids = [document["id"] for document in json.loads(joined)["documents"]]
    else:
        ids = [document.findtext("id") for document in etree.fromstring(joined).iterfind("document")]
    assert ids == [document.id for document in generated]


def test_chunks_that_are_done_come_without_documents(tmp_path):
    path = save(tmp_path / "a.xml", collection(*(simple_document(str(i)) for i in range(5))))
    options = ReadOptions(chunk_documents=2)
    finished = Finished(chunks={("a.xml", 1): FinishedChunk((0, 4))})
    read = list(read_chunks(Source(path, "a.xml"), "a.xml", options, finished))
    assert [len(chunk["docs"][0].as_py()) for chunk in read] == [2, 0, 1]
    assert [chunk["last"][0].as_py() for chunk in read] == [False, False, True]
    assert [bool(chunk["header"][0].as_py()) for chunk in read] == [True, False, False]
    assert [bool(chunk["footer"][0].as_py()) for chunk in read] == [False, False, True]


def test_a_chunk_ends_early_at_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "CHUNK_BYTES", 500)
    path = save(tmp_path / "a.xml", collection(*(simple_document(str(i)) for i in range(8))))
    sizes = [len(chunk["docs"][0].as_py()) for chunk in chunks(path)]
    assert sum(sizes) == 8
    assert max(sizes) <= 3


def test_a_corpus_is_as_large_as_its_files(tmp_path):
    save(tmp_path / "a.xml", b"x" * 7)
    save(tmp_path / "b/c.xml", b"x" * 5)
    assert corpus_bytes(corpus_files([str(tmp_path)])) == 12
    assert corpus_bytes([(str(tmp_path / "gone.xml"), "gone.xml")]) == 0


def test_a_file_that_is_not_there_or_a_directory(tmp_path):
    assert "no such file" in read_error(str(tmp_path / "a.xml"))[0]
    assert read_error(str(tmp_path))[0].startswith(str(tmp_path))


def test_what_cannot_be_used_is_left_out_counted_and_named(tmp_path):
    misplaced = simple_document("1").replace('offset="0"', 'offset="900"')
    damaged = document("2", passage("Anemia", offset=-2))
    path = save(tmp_path / "a.xml", collection(misplaced, damaged, simple_document("3")))
    set_aside = SetAside()
    read = list(read_rows([path], ReadOptions(), set_aside))
    assert [(row.doc_id, len(row.mentions)) for row in read] == [("1", 0), ("3", 1)]
    assert (set_aside.documents, set_aside.bad_documents, set_aside.annotations) == (3, 1, 1)
    sentence = set_aside.sentence()
    assert "1 of 3 documents and 1 annotation" in sentence
    assert "a.xml: document 1, offset 900: annotation" in sentence
    assert 'passage 1: offset="-2" is negative' in sentence
    assert SetAside(5).sentence() is None


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz"])
def test_a_gzipped_file_is_known_by_its_bytes(tmp_path, name):
    data = gzip.compress(collection(simple_document("1")).encode())
    save(tmp_path / name, data)
    assert read_error(str(tmp_path / name)) == (None, ["1"])


def test_several_gzip_members_are_one_file(tmp_path):
    text = collection(simple_document("1"), simple_document("2")).encode()
    path = save(tmp_path / "a.xml.gz", gzip.compress(text[:100]) + gzip.compress(text[100:]))
    assert read_error(path) == (None, ["1", "2"])


def test_an_empty_collection_is_written_and_read(tmp_path):
    path = str(tmp_path / "a.xml.gz")
    write_corpus(path, [], "nothing & <none>")
    assert read_error(path) == (None, [])
    assert etree.fromstring(linked(path)).findtext("source") == "nothing & <none>"
