import gzip
import json

import bioc as model
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from samples import chunks, collection, failure, linked, parts, put, simple

from raybel.corpus import chunks as chunks_module
from raybel.corpus.chunks import read_chunks, read_rows, write_corpus
from raybel.corpus.documents import ReadOptions
from raybel.errors import InputError

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
XML_WORDS = WORDS.map(lambda text: text.replace("\r", " "))


@st.composite
def documents(draw, most=6):
    found = []
    for number in range(draw(st.integers(0, most))):
        document, offset = model.BioCDocument(), 0
        document.id = draw(st.sampled_from(["1", "é", "a b", f"n{number}"]))
        for _ in range(draw(st.integers(0, 3))):
            part = model.BioCPassage()
            part.offset, part.text = offset, draw(XML_WORDS)
            offset += len(part.text) + draw(st.integers(0, 3))
            for name in range(draw(st.integers(0, 3))):
                start = draw(st.integers(0, len(part.text)))
                end = draw(st.integers(start, len(part.text)))
                found_one = model.BioCAnnotation()
                found_one.id, found_one.text = f"T{name}", part.text[start:end]
                found_one.locations.append(model.BioCLocation(part.offset + start, end - start))
                found_one.infons = draw(st.dictionaries(st.sampled_from(["type", "concept_id", "x"]), st.just("D1")))
                part.annotations.append(found_one)
            document.passages.append(part)
        found.append(document)
    return found


def as_json(found) -> bytes:
    def mention(each):
        places = [{"offset": p.offset, "length": p.length} for p in each.locations]
        return {"id": each.id, "infons": each.infons, "text": each.text, "locations": places}

    def part(each):
        return {"offset": each.offset, "text": each.text, "annotations": [mention(a) for a in each.annotations]}

    value = [{"id": each.id, "passages": [part(p) for p in each.passages]} for each in found]
    return json.dumps({"source": "s", "documents": value, "date": "d"}, ensure_ascii=False).encode()


def write(path, found):
    if path.name.endswith(".json"):
        put(path, as_json(found))
    else:
        write_corpus(str(path), found, "generated")
    return str(path)


def flat(path, size):
    return [row for chunk in chunks(path, chunk_documents=size) for row in chunk["docs"][0].as_py()]


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz", "a.json"])
@given(found=documents())
@settings(max_examples=40)
def test_what_is_written_is_read_back(tmp_path, name, found):
    path = write(tmp_path / name, found)
    rows = list(read_rows([path], ReadOptions()))
    assert [row.doc_id for row in rows] == [each.id for each in found]
    for row, each in zip(rows, found, strict=True):
        assert [p["text"] for p in row.passages] == [p.text for p in each.passages]
        expected = [
            (a.id, a.locations[0].offset, a.locations[0].offset + len(a.text), a.text, a.infons.get("type") or "")
            for p in each.passages
            for a in p.annotations
        ]
        assert [(m["mention_id"], m["start"], m["end"], m["text"], m["type"]) for m in row.mentions] == expected
        assert row.repairs == 0


@pytest.mark.parametrize("name", ["a.xml", "a.json"])
@given(found=documents(), size=st.integers(1, 7))
@settings(max_examples=40)
def test_chunks_of_any_size_hold_the_same_documents_and_link_to_the_same(tmp_path, name, found, size):
    path = write(tmp_path / name, found)
    whole = flat(path, 1000)
    assert flat(path, size) == whole
    numbers = [chunk["chunk"][0].as_py() for chunk in chunks(path, chunk_documents=size)]
    assert numbers == list(range(max(1, -(-len(found) // size))))
    first, second = parts(path, chunk_documents=size), parts(path, chunk_documents=size)
    assert [each.data for each in first] == [each.data for each in second]
    assert all(one.mentions.equals(two.mentions) for one, two in zip(first, second, strict=True))
    joined = gzip.decompress(b"".join(each.data for each in first))
    assert joined == linked(path, chunk_documents=1000)
    if name.endswith("json"):
        ids = [each["id"] for each in json.loads(joined)["documents"]]
    else:
        ids = [each.findtext("id") for each in etree.fromstring(joined).iterfind("document")]
    assert ids == [each.id for each in found]


def test_chunks_that_are_done_come_without_documents(tmp_path):
    path = put(tmp_path / "a.xml", collection(*(simple(str(i)) for i in range(5))))
    options = ReadOptions(chunk_documents=2)
    read = list(read_chunks(path, "a.xml", options, frozenset([1])))
    assert [len(chunk["docs"][0].as_py()) for chunk in read] == [2, 0, 1]
    assert [chunk["last"][0].as_py() for chunk in read] == [False, False, True]
    assert [bool(chunk["header"][0].as_py()) for chunk in read] == [True, False, False]
    assert [bool(chunk["footer"][0].as_py()) for chunk in read] == [False, False, True]


def test_a_chunk_ends_early_at_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "CHUNK_BYTES", 500)
    path = put(tmp_path / "a.xml", collection(*(simple(str(i)) for i in range(8))))
    sizes = [len(chunk["docs"][0].as_py()) for chunk in chunks(path)]
    assert sum(sizes) == 8
    assert max(sizes) <= 3


def test_a_file_that_is_not_there_or_a_directory(tmp_path):
    assert "no such file" in failure(str(tmp_path / "a.xml"))[0]
    assert failure(str(tmp_path))[0].startswith(str(tmp_path))


def test_iterate_raises_for_a_document_that_cannot_be_located(tmp_path):
    path = put(tmp_path / "a.xml", collection(simple("1").replace('offset="0"', 'offset="900"')))
    with pytest.raises(InputError, match=r"a\.xml.*document 1.*outside"):
        list(read_rows([path], ReadOptions()))


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz"])
def test_a_gzipped_file_is_known_by_its_bytes(tmp_path, name):
    data = gzip.compress(collection(simple("1")).encode())
    put(tmp_path / name, data)
    assert failure(str(tmp_path / name)) == (None, ["1"])


def test_several_gzip_members_are_one_file(tmp_path):
    text = collection(simple("1"), simple("2")).encode()
    path = put(tmp_path / "a.xml.gz", gzip.compress(text[:100]) + gzip.compress(text[100:]))
    assert failure(path) == (None, ["1", "2"])


def test_an_empty_collection_is_written_and_read(tmp_path):
    path = str(tmp_path / "a.xml.gz")
    write_corpus(path, [], "nothing & <none>")
    assert failure(path) == (None, [])
    assert etree.fromstring(linked(path)).findtext("source") == "nothing & <none>"
