import contextlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import chunks, json_annotation, json_document, linked, read_error, rows, save

from raybel.corpus.documents import ReadOptions, to_row
from raybel.corpus.formats import json_stream
from raybel.corpus.formats.bioc_json import BIOC_JSON, BIOC_JSON_LINES
from raybel.corpus.formats.registry import format_in
from raybel.errors import InputError
from raybel.linking.rankings import LINK_INFONS

GOOD = json_document("good", "Anemia.", json_annotation("Anemia", (0, 6), type="Disease", concept_id="D1"))
TEXT = json.dumps({"source": "s", "documents": [GOOD]})


BAD = [
    ("text", "hello", "is neither XML", False),
    ("empty", b"", "is empty", False),
    ("blank", b" \n ", "is empty", False),
    ("string", '"documents"', "is neither XML", False),
    ("without", {"a": 1}, "neither a `documents` list nor `passages`", False),
    ("object", {"documents": {"a": GOOD}}, "neither a `documents` list nor `passages`", False),
    ("null", {"documents": None}, "neither a `documents` list nor `passages`", False),
    ("value", TEXT + " 7", "7 where a collection or a document should be", True),
    ("cut", json.dumps({"documents": [GOOD, GOOD]})[:-60], "is it cut off?", True),
    ("cut in a list", json.dumps([GOOD])[:-1], "is it cut off?", True),
    ("xml", f"<collection>{TEXT}</collection>", "is XML under the name of another format", False),
    ("trailing", TEXT + "garbage", "isn't well-formed JSON", True),
    ("twice", TEXT[:-1] + ', "documents": []}', "two `documents` lists", True),
    ("latin", '{"documents":[{"id":"é"}]}'.encode("latin-1"), "isn't UTF-8 text: it has the bytes E9", False),
    ("digits", f'{{"documents": [{json.dumps(GOOD)}, {{"id": {"9" * 5000}}}]}}', "thousands of digits", True),
    ("deep", f'{TEXT[:-2]}, {{"id": "bad", "x": {"[" * 5000}{"]" * 5000}}}]}}', "nested more than 256", True),
    ("bomb", f'{TEXT[:-2]}, {{"id": "bad", "x": {"[" * 300_000}', "nested more than 256", True),
    ("before", '{"x": ' + "[" * 300_000, "nested more than 256", False),
    ("300", f'{TEXT[:-2]}, {{"id": "bad", "x": {"[" * 300}{"]" * 300}}}]}}', "nested more than 256", True),
]


@pytest.mark.parametrize(("name", "content", "reason", "good"), BAD, ids=[case[0] for case in BAD])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_bad_file_ends_with_an_error_and_keeps_what_came_before(tmp_path, name, content, reason, good, suffix):
    path = save(tmp_path / (name + suffix), content)
    error, ids = read_error(path)
    assert str(error).startswith(path)
    assert reason in str(error)
    assert ids == (["good"] if good else [])


@pytest.mark.parametrize(
    "inside", [list, lambda items: {"source": "s", "documents": items}], ids=["list", "collection"]
)
@pytest.mark.parametrize(
    ("odd", "shown"), [(7, "7"), (None, "null"), ("x", '"x"'), ([GOOD], "a list"), ("\ud800" * 99, '"\ufffd\ufffd')]
)
def test_what_is_no_document_costs_no_other_one(tmp_path, inside, odd, shown):
    value = inside([json_document("good", "Anemia."), odd, json_document("last", "Gout.")])
    path = save(tmp_path / "a.json", json.dumps(value))
    first, second, last = rows(path)
    assert (first["doc_id"], second["doc_id"], last["doc_id"]) == ("good", "", "last")
    assert (first["error"], last["error"]) == (None, None)
    assert second["error"].startswith(f"document without an id: {shown}")
    assert "stands where a document should be" in second["error"]
    assert json.loads(linked(path)) == value


def test_a_document_above_the_limit_ends_its_file(tmp_path):
    big = json_document("big", "long " * 60_000)
    error, _ = read_error(save(tmp_path / "a.json", {"documents": [big]}), max_document_bytes=200_000)
    assert "--max-document-mb" in str(error)


def test_keys_before_and_after_the_documents_survive(tmp_path):
    value = {"source": "s", "i": {"a": [1, {"b": None}]}, "documents": [GOOD], "date": "d", "later": [1.5, True]}
    path = save(tmp_path / "a.json", value)
    out = json.loads(linked(path))
    assert list(out) == list(value)
    for key in ("source", "i", "date", "later"):
        assert out[key] == value[key]


@pytest.mark.parametrize("value", [{"documents": []}, {"documents": [], "x": 1}, {"x": 1, "documents": []}])
def test_no_documents(tmp_path, value):
    path = save(tmp_path / "a.json", value)
    assert len(chunks(path)) == 1
    assert json.loads(linked(path)) == value


def test_links_are_added_and_old_ones_replaced(tmp_path):
    linked_before = json_annotation("Anemia", (0, 6), link_id="old", all_links="old=1", concept_id="D1", k="v")
    bare = {"id": "T2", "text": "asthma", "locations": [{"offset": 11, "length": 6}], "note": {"kept": True}}
    value = json_document("1", "Anemia and asthma.", linked_before, bare)
    value["relations"] = [{"id": "R", "nodes": []}]
    path = save(tmp_path / "a.json", {"documents": [value]})
    out = json.loads(linked(path))["documents"][0]
    first, second = out["passages"][0]["annotations"]
    assert first["infons"] == {
        "concept_id": "D1",
        "k": "v",
        "link_id": "a|b=c",
        "link_name": "Asthma & co <x>",
        "link_score": "0.7500",
        "all_links": "a%7Cb%3Dc=0.7500|D1=0.5000",
    }
    assert second["infons"]["link_id"] == "a|b=c"
    assert second["note"] == {"kept": True}
    assert out["relations"] == value["relations"]
    assert linked(save(tmp_path / "b.json", linked(path))) == linked(path)


def test_parts_of_another_type_are_taken_as_absent(tmp_path):
    value = {
        "id": 7,
        "infons": [1],
        "passages": [
            3,
            {"text": "Anemia", "annotations": [None, json_annotation("Anemia", (0, 6))], "infons": None},
            {"offset": 9, "text": None, "annotations": {"a": 1}, "sentences": "s"},
        ],
    }
    (row,) = rows(save(tmp_path / "a.json", {"documents": [value]}))
    assert (row["doc_id"], row["error"], len(row["passages"])) == ("7", None, 2)
    assert [mention["text"] for mention in row["mentions"]] == ["Anemia"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"offset": -1, "length": 6}, "offset=-1 is negative"),
        ({"offset": 0}, "the location has no length"),
        ({"length": 6}, "the location has no offset"),
        ({}, "has no offset and no length"),
        ("0:6", '"0:6" is no object'),
        ({"offset": "5.0", "length": 6}, 'offset="5.0" is no whole number'),
        ({"offset": 0.5, "length": 6}, "offset=0.5 is no whole number"),
        ({"offset": 0, "length": True}, "length=true is no whole number"),
        ({"offset": None, "length": 6}, "offset=null is no whole number"),
        ({"offset": [0], "length": 6}, "offset=[0] is no whole number"),
        ({"offset": float("nan"), "length": 6}, "offset=NaN is no whole number"),
        ({"offset": 2**70, "length": 6}, "larger than 2,147,483,647"),
        ({"offset": 1e300, "length": 6}, "larger than 2,147,483,647"),
    ],
)
@pytest.mark.parametrize("text", ["Anemia", ""])
def test_an_annotation_without_a_whole_location_is_set_aside(tmp_path, place, reason, text):
    damaged = {**json_annotation(text), "locations": [{"offset": 0, "length": 6}, place]}
    good = json_annotation("Anemia", (0, 6))
    (row,) = rows(save(tmp_path / "a.json", {"documents": [json_document("1", "Anemia", damaged, good)]}))
    assert (row["error"], row["repairs"]) == (None, 0)
    assert [mention["ordinal"] for mention in row["mentions"]] == [1]
    (problem,) = row["set_aside"]
    assert "annotation T1: " in problem
    assert problem.endswith(reason)


@pytest.mark.parametrize("number", [31, "31", 31.0, " 31 "])
@pytest.mark.parametrize("text", ["anemia", ""])
def test_numbers_that_are_whole_as_text_or_as_floats(tmp_path, number, text):
    stated = {"id": 7, "text": text, "locations": [{"offset": number, "length": type(number)(6)}]}
    value = {"id": 12, "passages": [{"offset": type(number)(21), "text": "A case of anemia.", "annotations": [stated]}]}
    path = save(tmp_path / "a.json", {"documents": [value]})
    (row,) = rows(path)
    (mention,) = row["mentions"]
    assert (row["doc_id"], mention["mention_id"]) == ("12", "7")
    assert (mention["start"], mention["end"], mention["text"], row["error"]) == (31, 37, "anemia", None)
    assert row["repairs"] == (not text)
    (annotation,) = json.loads(linked(path))["documents"][0]["passages"][0]["annotations"]
    assert annotation["locations"] == stated["locations"]
    assert annotation["infons"]["link_id"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"passages": [{"offset": 2.5, "text": "a"}]}, "passage 1: offset=2.5 is no whole number"),
        ({"passages": [{"offset": "x", "text": "a"}]}, 'passage 1: offset="x" is no whole number'),
        ({"passages": [{"text": "a"}, {"text": "b"}]}, "passage 2 has no offset"),
        ({"passages": [{"text": ["a"]}]}, "passage 1: text is a list, not text"),
        ({"passages": [{"sentences": [{"text": "a"}, {"text": "b"}]}]}, "a sentence of passage 1 has no offset"),
        ({"id": {}, "passages": []}, "its id is a dict, not text"),
    ],
)
def test_a_document_that_would_be_a_guess_is_set_aside(tmp_path, changes, reason):
    path = save(tmp_path / "a.json", {"documents": [{"id": "1", **changes}, GOOD]})
    bad, good = rows(path)
    assert reason in bad["error"]
    assert good["error"] is None
    assert json.loads(linked(path))["documents"][0] == {"id": "1", **changes}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"id": "1", "passages": [], "x": {"a": 1, "a": 2}}', 'has the key "a" twice'),
        ('{"id": "1", "passages": [], "x": [1e999]}', "the number 1e999, which is too large"),
    ],
)
@pytest.mark.parametrize("shape", ['{"documents": [%s]}', "[%s]", "%s"])
def test_what_would_not_survive_is_not_linked_and_stays(tmp_path, text, reason, shape):
    path = save(tmp_path / "a.json", shape % text)
    (row,) = rows(path)
    assert reason in row["error"]
    assert text.replace(" ", "") in linked(path).decode().replace(" ", "")


def test_integers_over_64_bits_and_nan_in_infons(tmp_path):
    big, infons = 2**80, '{"n": %d, "f": NaN, "x": 1.5, "b": true, "z": null}'
    mention = '{"id": %d, "infons": %s, "text": "Anemia", "locations": [{"offset": 0, "length": 6}]}'
    body = '{"id": %d, "passages": [{"offset": 0, "text": "Anemia", "annotations": [%s]}]}'
    path = save(tmp_path / "a.json", '{"documents": [%s]}' % (body % (big, mention % (big, infons % big))))
    (row,) = rows(path, type_infon="n")
    assert (row["doc_id"], row["mentions"][0]["mention_id"], row["mentions"][0]["type"]) == (str(big),) * 3
    (annotation,) = json.loads(linked(path))["documents"][0]["passages"][0]["annotations"]
    assert annotation["infons"]["n"] == annotation["id"] == big
    assert annotation["infons"]["f"] != annotation["infons"]["f"]


def test_lone_surrogates_and_control_characters_do_not_stop_the_file(tmp_path):
    text = '{"documents": [{"id": "\\ud800", "passages": [{"offset": 0, "text": "\\ud800 \\u0000\\u0001"}]}]}'
    (row,) = rows(save(tmp_path / "a.json", text))
    assert row["error"] is None
    assert len(row["passages"][0]["text"]) == 4


SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(codec="utf-8"), max_size=5)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
NAMES = st.sampled_from(["id", "passages", "offset", "text", "annotations", "infons", "locations", "sentences", "x"])


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=4), st.dictionaries(st.text(max_size=3), VALUES))
def test_any_json_documents_are_read_and_written(tmp_path, documents, others):
    path = save(tmp_path / "a.json", json.dumps({"documents": documents, **others}, ensure_ascii=True))
    error, ids = read_error(path)
    assert error is None
    assert len(ids) == len(documents)
    if "documents" not in others:
        assert len(json.loads(linked(path))["documents"]) == len(documents)


def pretty(value) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


OTHER = json_document("other", "Asthma é😀.", json_annotation("Asthma", (0, 6)))
COLLECTION = {"source": "PMC", "documents": [GOOD, OTHER], "date": "d"}
SHAPES = [
    ("a.json", json.dumps(COLLECTION)),
    ("a.json", pretty(COLLECTION)),
    ("a.json", pretty([COLLECTION])),
    ("a.json", json.dumps([{**COLLECTION, "documents": [GOOD]}, {"documents": [OTHER]}])),
    ("a.json", json.dumps([{"documents": []}, COLLECTION, {"documents": []}])),
    ("a.json", pretty({"PubTator3": [GOOD, OTHER]})),
    ("a.json", json.dumps([GOOD, OTHER])),
    ("a.json", pretty(GOOD) + pretty(OTHER)),
    ("a.jsonl", json.dumps(GOOD) + "\n" + json.dumps(OTHER) + "\n"),
    ("a.jsonl", json.dumps(GOOD) + "\r\n\r\n" + json.dumps(OTHER)),
    ("a.ndjson", json.dumps({**COLLECTION, "documents": [GOOD]}) + "\n" + json.dumps(OTHER) + "\n"),
    ("a.jsonl", json.dumps(COLLECTION)),
    ("A.BioC.JSON", json.dumps(COLLECTION)),
    ("A.JSONL.GZ", json.dumps(GOOD) + "\n" + json.dumps(OTHER)),
]


def values_in(text: str) -> list:
    """Any number of JSON values, one after the other."""
    values, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values


def without_links(value):
    if isinstance(value, list):
        return [without_links(item) for item in value]
    if isinstance(value, dict):
        return {key: without_links(item) for key, item in value.items() if key not in LINK_INFONS}
    return value


@pytest.mark.parametrize(("name", "text"), SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("chunk_documents", [1, 500])
def test_each_shape_is_linked_and_kept(tmp_path, name, text, encoding, chunk_documents):
    path = save(tmp_path / name, text.encode(encoding))
    assert read_error(path, chunk_documents=chunk_documents) == (None, ["good", "other"])
    out = linked(path, chunk_documents=chunk_documents).decode()
    assert without_links(values_in(out)) == values_in(text)
    assert out.count('"link_id"') == 2
    if "l" in Path(name).suffix.lower() or "jsonl" in name.lower():
        assert [value for line in out.splitlines() for value in values_in(line)] == values_in(out)
        assert len(out.splitlines()) == len(values_in(text))


def test_one_document_by_itself(tmp_path):
    path = save(tmp_path / "a.json", pretty(GOOD))
    assert read_error(path) == (None, ["good"])
    assert without_links(json.loads(linked(path))) == GOOD


@pytest.mark.parametrize("shape", ['{"documents":[%s]}', "[%s]", '[{"documents":[%s]}]'])
def test_memory_for_one_document_at_a_time(shape):
    body = json.dumps(json_document("1", "long " * 20_000))
    text = (shape % ",".join([body] * 100)).encode()
    most = 0

    class Measured(io.BytesIO):
        given = 0

        def read(self, size=-1):
            data = super().read(size)
            self.given += len(data)
            return data

    file, taken = Measured(text), 0
    for piece in BIOC_JSON.read(file, 1 << 20):
        if not isinstance(piece, bytes):
            taken += len(piece[1])
            most = max(most, file.given - taken)
    assert most < 5 * len(body)


class Dribble(io.BytesIO):
    """A file that gives a few bytes at a time."""

    sizes = (1,)

    def read(self, size=-1):
        turn, self.turn = self.sizes[getattr(self, "turn", 0) % len(self.sizes)], getattr(self, "turn", 0) + 1
        return super().read(turn if size < 0 else min(size, turn))


def pieces(known, file) -> list:
    return [piece if isinstance(piece, bytes) else piece[1] for piece in known.read(file, 1 << 20)]


ODD = {"x": [-1.5e-7, 12345678901234567890, True, None, "\\ \u00e9 \U0001f600"], "documents": [GOOD, OTHER], "y": -2.5}
ODD_SHAPES = [*SHAPES, ("a.json", json.dumps(ODD)), ("a.jsonl", json.dumps({**GOOD, "z": 1.25e10}) + "\n")]


@settings(max_examples=300)
@given(
    st.integers(1, 300),
    st.sampled_from(ODD_SHAPES),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_however_the_reads_fall(block, shape, encoding, sizes):
    name, text = shape
    known = BIOC_JSON_LINES if "l" in Path(name).suffix.lower() else BIOC_JSON
    file = Dribble(text.encode(encoding))
    file.sizes = sizes
    whole = pieces(known, io.BytesIO(text.encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "READ_BYTES", block)
        assert pieces(known, file) == whole


@given(st.sampled_from(SHAPES), st.data())
def test_damaged_bytes_give_documents_or_an_input_error(shape, data):
    content = bytearray(shape[1].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=4))
        if not content:
            break
    for known in (BIOC_JSON, BIOC_JSON_LINES):
        with contextlib.suppress(InputError):
            for piece in known.read(io.BytesIO(bytes(content)), 1 << 20):
                if not isinstance(piece, bytes):
                    to_row(*piece, ReadOptions())
                    known.link(piece[1], {0: {"link_id": "D1"}}, LINK_INFONS)


@given(st.binary(max_size=60) | st.text('{}[]",:\\ud8 \n019.eNatrue', max_size=40).map(str.encode))
def test_junk_is_an_input_error(junk):
    with contextlib.suppress(InputError):
        list(BIOC_JSON.read(io.BytesIO(junk), 1000))
    with contextlib.suppress(InputError):
        format_in("junk", junk)


@pytest.mark.parametrize(
    ("stated", "gold"), [(["D1", "D2"], ["D1", "D2"]), (7.0, ["7"]), ([7, 8.0], ["7", "8"]), ("D1;D2", ["D1", "D2"])]
)
def test_ids_in_a_list_or_as_numbers(tmp_path, stated, gold):
    document = json_document("1", "Anemia.", json_annotation("Anemia", (0, 6), concept_id=stated))
    (row,) = rows(save(tmp_path / "a.json", [document]))
    assert [mention["gold"] for mention in row["mentions"]] == [gold]
