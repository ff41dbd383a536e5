"""Annotations added to serialisations, and serialisations taken out of their files, in every format of shards."""

import json

import bioc as model
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from samples import annotation, collection, document, passage, save

from raybel.corpus.documents import ReadOptions, mentions_in
from raybel.corpus.formats.bioc_json import BIOC_JSON, BIOC_JSON_LINES
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.reading import read_documents

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=9
)


def new(name, offset, text):
    made = model.BioCAnnotation()
    made.id, made.text, made.infons = name, text, {"type": "Disease", "é": "<&>"}
    made.locations = [model.BioCLocation(offset, len(text))]
    return made


def plain(document):
    return [
        (index, each.id, each.text, dict(each.infons), [(place.offset, place.length) for place in each.locations])
        for index, each in mentions_in(document)
    ]


def as_json(texts):
    own = {"id": "T1", "infons": {"type": "x"}, "text": "", "locations": [{"offset": 0, "length": 0}]}
    passages = [{"offset": 0, "text": text, "annotations": [own]} for text in texts]
    return {"documents": [{"id": "1", "passages": passages, "relations": [{"id": "R"}]}]}


def sources(home, known, texts):
    if known is BIOC_XML:
        own = annotation("", (0, 0), type="x")
        path = save(home / "a.xml", collection(document("1", *(passage(text, own) for text in texts))))
    else:
        path = save(home / "a.json", as_json(texts))
    (source,) = [piece[1] for piece in read_documents(path, ReadOptions()) if not isinstance(piece, bytes)]
    return source


@pytest.mark.parametrize("known", [BIOC_XML, BIOC_JSON])
@given(texts=st.lists(TEXT, max_size=3), replace=st.booleans(), data=st.data())
def test_added_annotations_are_read_back_behind_those_that_were_there(tmp_path_factory, known, texts, replace, data):
    source = sources(tmp_path_factory.mktemp("made"), known, texts)
    added = [[new(f"D{n}", n, text) for n in range(data.draw(st.integers(0, 2)))] for text in texts]
    before = plain(known.parse(source))
    after = plain(known.parse(known.annotate(source, added, replace)))
    expected = []
    for index, annotations in enumerate(added):
        kept = [] if replace else [each for each in before if each[0] == index]
        made = [(index, each.id, each.text, each.infons, [(each.locations[0].offset, each.locations[0].length)])
                for each in annotations]  # fmt: skip
        expected += kept + made
    assert after == expected


def test_xml_passages_that_have_sentences_and_relations():
    sentences = "".join(
        f"<sentence><offset>{o}</offset><text>{t}</text></sentence>" for o, t in ((0, "One."), (5, "Two."))
    )
    relation = '<relation id="R1"><node refid="T1" role="x"/></relation>'
    source = f"<document><id>1</id><passage><offset>0</offset>{sentences}{relation}</passage></document>".encode()
    added = BIOC_XML.annotate(source, [[new("D1", 5, "Two"), new("D2", 0, "One")]])
    root = etree.fromstring(added)
    assert [[each.get("id") for each in s.findall("annotation")] for s in root.iter("sentence")] == [["D2"], ["D1"]]
    assert [child.tag for child in root.find("passage")] == ["offset", "sentence", "sentence", "relation"]
    plain_source = f"<document><id>1</id>{passage('One')[:-10]}{relation}</passage></document>".encode()
    root = etree.fromstring(BIOC_XML.annotate(plain_source, [[new("D1", 0, "One")]]))
    assert [child.tag for child in root.find("passage")] == ["offset", "text", "annotation", "relation"]


def test_a_document_by_itself(tmp_path):
    noted = collection(document("1"), "<!-- between -->", document("2", passage("é")))
    path = save(tmp_path / "a.xml", noted)
    _, first, second, _ = read_documents(path, ReadOptions())
    assert second[1].startswith(b"<!--")
    assert BIOC_XML.in_bundle(second[1], first=False) == document("2", passage("é")).encode()
    assert BIOC_XML.in_bundle(first[1], first=True) == first[1]
    path = save(
        tmp_path / "a.json", {"source": "s", "documents": [{"id": "1", "passages": []}, {"id": "é", "passages": []}]}
    )
    _, first, second, _ = read_documents(path, ReadOptions())
    lines = BIOC_JSON_LINES.in_bundle(first[1], True) + BIOC_JSON_LINES.in_bundle(second[1], False)
    assert [json.loads(line)["id"] for line in lines.decode().splitlines()] == ["1", "é"]
    assert BIOC_JSON.bundle_format is BIOC_JSON_LINES
    assert BIOC_XML.bundle_format is BIOC_XML
