"""Ontologies as JSON: what is read, what is refused, and how it is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import InputError
from raybel.ontology import Concept, Ontology
from raybel.ontology.json_files import KEYS


@pytest.fixture
def read(tmp_path):
    def read(entries):
        path = tmp_path / "o.json"
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        ontology = Ontology.open(str(path))
        return [ontology.concept(row) for row in range(len(ontology))], ontology.notes

    return read


def test_what_pandas_writes_for_nothing_is_nothing(read):
    text = """[{"id": "X:1", "name": NaN, "aliases": ["gout", null, NaN], "definition": NaN, "types": NaN},
      {"id": 12.0, "name": "asthma", "aliases": null, "alt_ids": [3.0, NaN]}, {"id": 7, "name": 1918}]"""
    assert read(text)[0] == [
        Concept("X:1", "gout"),
        Concept("12", "asthma", alt_ids=["3"]),
        Concept("7", "1918"),
    ]


def test_a_text_is_a_list_of_one(read):
    entry = {"id": " X:1 ", "name": "asthma", "aliases": "bronchial asthma", "types": "T047", "parents": "X:0"}
    assert read([entry])[0] == [Concept("X:1", "asthma", ["bronchial asthma"], types=["T047"], parents=["X:0"])]


def test_sources_stay_with_their_aliases(read):
    entry = {"id": "1", "name": "a", "aliases": ["b", None, "c"], "alias_sources": [None, "x", "mondo"]}
    assert read([entry])[0] == [Concept("1", "a", ["b", "c"], alias_sources=["", "mondo"])]


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ({"id": None, "name": "lost"}, ["has no `id`", "'lost'"]),
        ({"id": float("nan"), "name": "lost"}, ["has no `id`"]),
        ({"id": " ", "name": "lost"}, ["has no `id`"]),
        ({"id": "\u200b", "name": "lost"}, ["has no id"]),
        ({"name": "lost"}, ["has no `id`"]),
        ({"concept_id": "1", "name": "lost"}, ["`concept_id`", "`id`"]),
        ({"id": 1.5}, ["`id`", "1.5", "quotation marks"]),
        ({"id": 2.0**60}, ["`id`", "quotation marks"]),
        ({"id": True}, ["`id`", "true or false"]),
        ({"id": ["1"]}, ["`id`", "a list"]),
        ({"id": "1", "name": {"en": "x"}}, ["`name`", "an object"]),
        ({"id": "1", "aliases": [{"name": "x"}]}, ["`aliases` 0", "an object"]),
        ({"id": "1", "aliases": {"name": "x"}}, ["`aliases`", "an object"]),
        ({"id": "1", "aliases": [["x"]]}, ["`aliases` 0", "a list"]),
        ({"id": "1", "definition": ["x"]}, ["`definition`", "a list"]),
        ({"id": "1", "aliases": ["a", "b"], "alias_sources": ["x"]}, ["1 alias source for 2 aliases"]),
        ({"id": "1", "aliases": ["a\ud800"]}, ["`aliases` 0", "half a character", r"\ud800"]),
        ({"id": "1", "synonyms": ["x"]}, ["`synonyms`", "is it `aliases`?"]),
        ({"id": "1", "Alias": "x"}, ["`Alias`", "is it `aliases`?"]),
        ({"id": "1", "label": "x"}, ["`label`", "is it `name`?"]),
        ({"id": "1", "skos:altLabel": "x", "prefLabel": "y"}, ["`prefLabel`", "is it `name`?"]),
        ({"id": "1", "alises": ["x"]}, ["`alises`", "is it `aliases`?"]),
        (7, ["a number: 7"]),
    ],
)
def test_an_entry_that_is_wrong_is_named(read, entry, parts):
    with pytest.raises(InputError) as caught:
        read([{"id": "0", "name": "good"}, entry])
    message = str(caught.value)
    assert [part for part in ["o.json", "concept 1", *parts] if part not in message] == [], message


def test_other_unknown_keys_are_noted_with_their_count(read):
    entries = [{"id": "1", "name": "a", "url": "u", "synonyms": []}, {"id": "2", "name": "b", "url": "v"}]
    entries.append({"id": "3", "name": "c", "description": "d", "cui": "C1"})
    concepts, notes = read(entries)
    assert len(concepts) == 3
    assert notes == (
        "keys that aren't known, not read: `cui` (1 concept), did you mean `id`?, "
        "`description` (1 concept), did you mean `definition`?, `synonyms` (1 concept), did you mean `aliases`?, "
        "`url` (2 concepts)",
    )


def test_deep_nesting_is_an_error(read):
    with pytest.raises(InputError, match="nested too deeply"):
        read("[" * 100_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from([*KEYS, "x", "label"]), JSON, max_size=4), max_size=3))
def test_any_json_is_read_or_refused_with_a_sentence(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("json") / "o.json"
    path.write_text(json.dumps(entries))
    try:
        ontology = Ontology.open(str(path))
    except InputError as error:
        refused = str(error)
    else:
        refused = None
    if refused is not None:
        assert "o.json" in refused
        return
    for row in range(len(ontology)):
        concept = ontology.concept(row)
        names = [concept.name, *concept.aliases]
        assert concept.concept_id.strip()
        assert not {"nan", "None", "null"} & {*names, concept.concept_id} - set(json.dumps(entries).split('"'))
