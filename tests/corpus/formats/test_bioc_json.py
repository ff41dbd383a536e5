import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import chunks, json_annotation, json_document, linked, read_error, rows, save

GOOD = json_document("good", "Anemia.", json_annotation("Anemia", (0, 6), type="Disease", concept_id="D1"))
TEXT = json.dumps({"source": "s", "documents": [GOOD]})


BAD = [
    ("text", "hello", "isn't well-formed JSON", False),
    ("empty", b"", "isn't well-formed JSON", False),
    ("list", [GOOD], "root isn't an object", False),
    ("string", '"documents"', "root isn't an object", False),
    ("without", {"a": 1}, "no `documents` list", False),
    ("object", {"documents": {"a": GOOD}}, "no `documents` list", False),
    ("null", {"documents": None}, "no `documents` list", False),
    ("cut", json.dumps({"documents": [GOOD, GOOD]})[:-60], "isn't well-formed JSON", True),
    ("trailing", TEXT + "garbage", "isn't well-formed JSON", True),
    ("strings", {"documents": [GOOD, "x"]}, "'x' where a document should be", True),
    ("lists", {"documents": [GOOD, [GOOD]]}, "a list where a document should be", True),
    ("twice", TEXT[:-1] + ', "documents": []}', "two `documents` lists", True),
    ("latin", '{"documents":[{"id":"é"}]}'.encode("latin-1"), "isn't well-formed JSON", False),
    ("utf16", TEXT.encode("utf-16"), "isn't well-formed JSON", False),
    ("infinite", TEXT[:-1] + ', "x": 1e999}', "isn't well-formed JSON", True),
    ("deep", f'{TEXT[:-2]}, {{"id": "bad", "x": {"[" * 5000}{"]" * 5000}}}]}}', "nested more than 256", True),
    ("bomb", f'{TEXT[:-2]}, {{"id": "bad", "x": {"[" * 300_000}', "nested more than 256", True),
    ("before", '{"x": ' + "[" * 300_000, "nested more than 256", False),
]


@pytest.mark.parametrize(("name", "content", "reason", "good"), BAD, ids=[case[0] for case in BAD])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_bad_file_ends_with_an_error_and_keeps_what_came_before(tmp_path, name, content, reason, good, suffix):
    path = save(tmp_path / (name + suffix), content)
    error, ids = read_error(path)
    assert str(error).startswith(path)
    assert reason in str(error)
    assert ids == (["good"] if good else [])


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
            {"offset": "x", "text": "Anemia", "annotations": [None, json_annotation("Anemia", (0, 6))], "infons": None},
            {"offset": True, "text": None, "annotations": {"a": 1}, "sentences": "s"},
        ],
    }
    (row,) = rows(save(tmp_path / "a.json", {"documents": [value]}))
    assert (row["doc_id"], row["error"], len(row["passages"])) == ("7", None, 2)
    assert [mention["text"] for mention in row["mentions"]] == ["Anemia"]


@pytest.mark.parametrize("place", [{"offset": -1, "length": 6}, {"offset": 0}, {"length": 6}, {}, "0:6"])
def test_an_annotation_without_a_whole_location_is_set_aside(tmp_path, place):
    damaged = {**json_annotation("Anemia"), "locations": [place]}
    (row,) = rows(save(tmp_path / "a.json", {"documents": [json_document("1", "Anemia", damaged)]}))
    assert (row["error"], row["mentions"]) == (None, [])
    assert "has no location" in row["set_aside"][0]


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
