import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from samples import linked, read_error, rows, save

from raybel.corpus.documents import ReadOptions, to_row
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.pubtator import PUBTATOR
from raybel.errors import InputError
from raybel.prepare import pubtator as prepare

DATA = Path(__file__).parents[4] / "shared" / "data"
SIMPLE = "1|t|Gout.\n1|a|Anemia in gout.\n1\t0\t4\tGout\tDisease\tD6\n1\t6\t12\tAnemia\tDisease\tD1\n"


def read(content, limit=1 << 20):
    data = content.encode() if isinstance(content, str) else content
    _, *documents, _ = PUBTATOR.read(io.BytesIO(data), limit)
    return documents


def one(content):
    ((document, source),) = read(content)
    return document, etree.fromstring(source)


def texts(document):
    return [(p.infons["type"], p.offset, p.text) for p in document.passages]


def mentions(document):
    return [
        (each.id, each.infons, [(spot.offset, spot.length) for spot in each.locations], each.text)
        for passage in document.passages
        for each in passage.annotations
    ]


def problems(document):
    return [getattr(each, "problem", None) for passage in document.passages for each in passage.annotations]


def test_a_document_becomes_bioc():
    document, written = one(SIMPLE)
    assert texts(document) == [("title", 0, "Gout."), ("abstract", 6, "Anemia in gout.")]
    assert mentions(document) == [
        ("1", {"type": "Disease", "concept_id": "D6"}, [(0, 4)], "Gout"),
        ("2", {"type": "Disease", "concept_id": "D1"}, [(6, 6)], "Anemia"),
    ]
    assert not hasattr(document, "problem")
    assert written.findtext("id") == "1"
    assert [each.get("id") for each in written.iterfind("passage[2]/annotation")] == ["2"]


@pytest.mark.parametrize(
    "name",
    [
        "ncbi-disease/NCBItrainset_corpus.txt", "ncbi-disease/NCBIdevelopset_corpus.txt",
        "bc5cdr/CDR_DevelopmentSet.PubTator.txt", "biored/BioRED_TrainDev.PubTator",
    ],
)  # fmt: skip
def test_real_corpora_are_read_as_the_strict_reader_reads_them(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} isn't there")
    expected = list(prepare.read(str(path)))
    documents = [document for document, _ in read(path.read_bytes())]
    assert [document.id for document in documents] == [each.doc_id for each in expected]
    for document, other in zip(documents, expected, strict=True):
        assert texts(document) == list(other.passages)
        found = [(spots, text, i.get("type", ""), i.get("concept_id", "")) for _, i, spots, text in mentions(document)]
        start = other.passages[1][1]
        in_order = sorted(other.mentions, key=lambda mention: mention.locations[0][0] >= start)
        assert found == [(list(m.locations), m.text, m.type, m.ids.strip()) for m in in_order]
        assert len(document.relations) == other.relations
        assert not to_row(document, b"", ReadOptions()).set_aside


def test_relations_have_nodes_for_ids_that_are_there_and_infons_for_all():
    content = (
        SIMPLE + "1\t16\t20\tgout\tDisease\tD6|D9\tgout|something\n"
        "1\tCID\tD9\tD1\n1\tAssociation\tDisease|D6\tD404\tNovel\n"
    )
    document, written = one(content)
    assert document.passages[1].annotations[1].infons == {
        "type": "Disease", "concept_id": "D6|D9", "parts": "gout|something"
    }  # fmt: skip
    found = [
        (
            each.get("id"),
            {infon.get("key"): infon.text for infon in each.iterfind("infon")},
            [(node.get("refid"), node.get("role")) for node in each.iterfind("node")],
        )
        for each in written.iterfind("relation")
    ]
    assert found == [
        ("R1", {"type": "CID", "entity1": "D9", "entity2": "D1"}, [("3", "entity1"), ("2", "entity2")]),
        (
            "R2",
            {"type": "Association", "entity1": "Disease|D6", "entity2": "D404", "novel": "Novel"},
            [("1", "entity1")],
        ),
    ]


def test_relations_pass_through_linking(tmp_path):
    path = save(tmp_path / "a.pubtator", SIMPLE + "1\tCID\tD6\tD1\n")
    shard = etree.fromstring(linked(path))
    assert shard.findtext("document/relation/infon") == "CID"
    assert [each.text for each in shard.iterfind(".//annotation/infon[@key='link_id']")] == ["a|b=c", "a|b=c"]


@pytest.mark.parametrize(
    ("ids", "infon", "gold"),
    [
        ("D1|D2", "D1|D2", ["D1", "D2"]), ("MESH:D1;OMIM:2", "MESH:D1;OMIM:2", ["MESH:D1", "OMIM:2"]),
        ("3172,3651", "3172,3651", ["3172", "3651"]), ("-", "-", []), ("-1", "-1", []), (" D8 ", "D8", ["D8"]),
        ("", None, None), ("UMLS:C01", "UMLS:C01", ["UMLS:C01"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["UnknownType", "T116,T123", "SpecificDisease"])
def test_ids_and_types_stay_as_they_stand(tmp_path, ids, infon, gold, kind):
    path = save(tmp_path / "a.pubtator", f"1|t|Gout\n1|a|\n1\t0\t4\tGout\t{kind}\t{ids}\n")
    document, _ = one(Path(path).read_text())
    assert document.passages[0].annotations[0].infons.get("concept_id") == infon
    (mention,) = rows(path)[0]["mentions"]
    assert (mention["gold"], mention["type"]) == (gold, kind)


def test_no_id_column_and_no_type():
    document, _ = one("1|t|Gout\n1\t0\t4\tGout\tDisease\n1\t0\t4\tGout\n")
    assert [infons for _, infons, _, _ in mentions(document)] == [{"type": "Disease"}, {}]
    assert problems(document) == [None, None]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SIMPLE.replace("\n", "\r\n"), None),
        ("\ufeff" + SIMPLE, None),
        ("\n\n" + SIMPLE + "\n\n\n", None),
        (SIMPLE.replace("\n", "\n\n"), None),
        (SIMPLE.removesuffix("\n"), None),
        ("1|t|Title with |t| and 2|a|  \n1|a|1|t| is here", ["Title with |t| and 2|a|  ", "1|t| is here"]),
        ("1|t|A\u2028b\x0bc\u0085d\x0ce\n1|a|f\rg\n", ["A\u2028b c\u0085d e", "f\rg"]),
        ("1|t|\n1|a|Abstract.\n", ["", "Abstract."]),
        ("1|t|Title.\n", ["Title."]),
        ("1|t|\n", [""]),
        ("1|t|β😀\n1|a|é\n", ["β😀", "é"]),
    ],
)
def test_what_is_tolerated(content, expected):
    document, written = one(content)
    expected = expected or ["Gout.", "Anemia in gout."]
    assert [text for _, _, text in texts(document)] == expected
    assert [each.text or "" for each in written.iterfind("passage/text")] == expected
    assert not hasattr(document, "problem")
    assert problems(document) in ([], [None, None])
    if len(expected) > 1:
        assert document.passages[1].offset == len(expected[0]) + 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_encodings(encoding, tmp_path):
    path = save(tmp_path / "a.PubTator.txt", SIMPLE.replace("Gout.", "Göut😀").encode(encoding))
    assert rows(path)[0]["passages"][0]["text"] == "Göut😀"


def test_documents_without_blank_lines_between_and_the_same_one_twice():
    documents = [document for document, _ in read(SIMPLE + SIMPLE + "2|t|Two\n3|t|Three\n3|a|\n")]
    assert [(document.id, len(mentions(document))) for document in documents] == [
        ("1", 2),
        ("1", 2),
        ("2", 0),
        ("3", 0),
    ]
    assert not any(hasattr(document, "problem") for document in documents)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1\tx\t4\tGout\tDisease\tD6", 'line 3: start="x" is no whole number'),
        ("1\t0\t4.5\tGout\tDisease\tD6", 'line 3: end="4.5" is no whole number'),
        ("1\t-1\t4\tGout\tDisease\tD6", 'line 3: start="-1" is negative'),
        ("1\t4\t0\tGout\tDisease\tD6", "line 3: ends at 0, before its start at 4"),
        ("1\t0\t99999999999\tGout\tDisease\tD6", "is larger than"),
        ("1\t0\t4", "line 3: has 3 columns"),
        ("1\t0\t4\tGo\tut\tDisease\tD6\tx", "line 3: has 8 columns"),
        ("9\t0\t4\tGout\tDisease\tD6", "line 3: is of document 9, which has no title line before it"),
    ],
)
def test_a_bad_annotation_costs_itself(tmp_path, line, reason):
    content = f"1|t|Gout\n1|a|\n{line}\n1\t0\t4\tGout\tDisease\tD6\n2|t|Two\n"
    path = save(tmp_path / "a.pubtator", content)
    first, second = rows(path)
    assert (first["error"], second["error"]) == (None, None)
    assert len(first["mentions"]) == 1
    (set_aside,) = first["set_aside"]
    assert reason in set_aside
    written = etree.fromstring(linked(path)).find(".//annotation/infon[@key='line']")
    assert written.text == line


@pytest.mark.parametrize(
    ("content", "reason", "kept"),
    [
        ("1|t|Gout\n1|a|An abstract\nthat goes on.\n", "line 3 is neither text nor an annotation", "that goes on."),
        ("1|t|Gout\n1|a|One.\n1|a|Two.\n", "line 3 is a second abstract", "Two."),
        (b"1|t|Gout\n1|a|\xe9 Latin\n", "line 2 isn't UTF-8 text", "Gout"),
        ("0|t|Zero\n |t|Whose?\n", "line 2 has no document id", "Whose?"),
        ("1|a|Lost.\n", "line 1 is an abstract without a title line before it", "Lost."),
        ("0|t|Zero\n1|a|Lost.\n", "line 2 is an abstract without a title line before it", "Lost."),
    ],
)
def test_a_bad_document_costs_itself(tmp_path, content, reason, kept):
    content = content.encode() if isinstance(content, str) else content
    path = save(tmp_path / "a.pubtator", content + b"2|t|Two\n2|a|\n2\t0\t3\tTwo\tDisease\tD6\n")
    *_, bad, good = rows(path)
    assert bad["doc_id"] == ("" if reason.endswith("id") else "1")
    assert reason in bad["error"]
    assert (good["doc_id"], good["error"], len(good["mentions"])) == ("2", None, 1)
    assert kept.encode() in linked(path)


def test_what_is_no_pubtator_text_is_refused():
    with pytest.raises(InputError, match=r"isn't PubTator text: line 2 isn't a title `PMID\|t\|...`: 'hello'"):
        read("\nhello\n")
    with pytest.raises(InputError, match="isn't UTF-16-LE text"):
        read(SIMPLE.encode("utf-16") + b"\x00\xd8\x00")


def test_a_document_above_the_limit_ends_its_file_and_small_ones_do_not_add_up(tmp_path):
    path = save(tmp_path / "a.pubtator", SIMPLE * 3 + "2|t|Two\n2|a|" + "long " * 60_000)
    error, ids = read_error(path, max_document_bytes=200_000, chunk_documents=1)
    assert "--max-document-mb" in str(error)
    assert set(ids) <= {"1"}
    path = save(tmp_path / "b.pubtator.gz", SIMPLE * 5000)
    assert read_error(path, max_document_bytes=200_000) == (None, ["1"] * 5000)


#: Texts as they may stand on a line; control characters can't be kept in XML.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))
DOCUMENT = st.tuples(
    TEXT, st.none() | TEXT, st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), TEXT, TEXT, TEXT), max_size=4)
)


@given(st.lists(DOCUMENT, max_size=4), st.sampled_from(["\n", "\r\n"]), st.integers(0, 2), st.booleans())
def test_any_documents_come_back_and_so_do_their_shards(documents, ending, blank, marked):
    lines = []
    for number, (title, abstract, annotations) in enumerate(documents):
        lines += [f"{number}|t|{title}"] + ([] if abstract is None else [f"{number}|a|{abstract}"])
        for start, length, *columns in annotations:
            lines.append("\t".join([str(number), str(start), str(start + length), *columns]))
        lines += [""] * blank
    content = ("\ufeff" if marked else "") + "".join(line + ending for line in lines)
    pieces = list(PUBTATOR.read(io.BytesIO(content.encode()), 1 << 20))
    read_documents = [piece[0] for piece in pieces[1:-1]]
    shard = b"".join(piece if isinstance(piece, bytes) else piece[1] for piece in pieces)
    again = [p[0] for p in BIOC_XML.read(io.BytesIO(shard), 1 << 20) if not isinstance(p, bytes)]
    assert len(read_documents) == len(again) == len(documents)
    for number, (document, other, (title, abstract, annotations)) in enumerate(
        zip(read_documents, again, documents, strict=True)
    ):
        assert document.id == other.id == str(number)
        expected = [("title", 0, title)] + ([] if abstract is None else [("abstract", len(title) + 1, abstract)])
        assert texts(document) == texts(other) == expected
        assert mentions(document) == mentions(other)
        found = sorted((int(name), spots, text) for name, _, spots, text in mentions(document))
        assert found == [(n, [(a, b)], text) for n, (a, b, text, _, _) in enumerate(annotations, 1)]


@given(st.binary(max_size=200), st.integers(0, 1 << 30))
def test_damage_raises_input_errors_only(junk, place):
    content = bytearray((SIMPLE * 2).encode())
    place %= len(content)
    content[place : place + len(junk)] = junk
    try:
        for piece in PUBTATOR.read(io.BytesIO(bytes(content)), 1 << 20):
            if not isinstance(piece, bytes):
                row = to_row(*piece, ReadOptions())
                assert row.error is None or "can't be read" not in row.error
                BIOC_XML.link(piece[1], {0: {"link_id": "D1"}})
    except InputError:
        return
