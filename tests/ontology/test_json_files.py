import json

import pytest

from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept, Ontology, json_files


def write(tmp_path, value, name="o.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def concepts(tmp_path, *entries):
    ontology = Ontology.open(write(tmp_path, list(entries)))
    return [ontology.concept(row) for row in range(len(ontology))]


def test_a_text_in_place_of_a_list_is_one_alias_and_nothing_of_pandas_is_a_name(tmp_path):
    nan = float("nan")
    first, second = concepts(
        tmp_path,
        {"id": "X:1", "name": "gout", "aliases": "podagra", "definition": nan, "tags": "T047", "alt_ids": None},
        {"id": 12.0, "name": nan, "aliases": [None, "flu", nan, ""], "parents": ["X:1"]},
    )
    assert (first.aliases, first.definition, first.types, first.alt_ids) == (["podagra"], "", ["T047"], [])
    assert (second.concept_id, second.name, second.aliases, second.parents) == ("12", "flu", [], ["X:1"])


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_an_entry_without_an_id_is_refused(tmp_path, value):
    with pytest.raises(InputError, match=r"o\.json: concept 1 has no `id`"):
        concepts(tmp_path, {"id": "a"}, {"id": value, "name": "gout"})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"name": "x"}, "has no `id`"),
        ("gout", "isn't an object: 'gout'"),
        ({"id": ["a"]}, r"has \['a'\] as `id`, where a text should be"),
        ({"id": True}, "has True as `id`"),
        ({"id": "a", "name": 3}, "has 3 as `name`"),
        ({"id": "a", "aliases": [["x"]]}, "as `aliases`"),
        ({"id": "a", "aliases": {"x": 1}}, "as `aliases`"),
        ({"id": "a", "synonyms": ["x"]}, "has a key 'synonyms', which isn't read: call it `aliases`"),
        ({"id": "a", "prefLabel": "x"}, "has a key 'prefLabel'"),
        ({"id": "a", "aliases": ["x"], "alias_sources": ["", ""]}, "another number of `alias_sources`"),
        ({"id": "a", "name": "\ud800"}, "half a surrogate pair in `name`"),
    ],
)
def test_an_entry_of_another_form_is_named(tmp_path, entry, reason):
    with pytest.raises(InputError, match=f"concept 1 .*{reason}"):
        concepts(tmp_path, {"id": "0"}, entry)


def test_other_keys_are_named_once_with_their_number(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(json_files._LOG, "warning", messages.append)
    concepts(tmp_path, {"id": "a", "source": 1}, {"id": "b", "source": 2, "rank": 3})
    (message,) = messages
    assert "keys that aren't read: rank (1 concept), source (2 concepts)" in message


def test_names_and_ids_that_nobody_sees_are_none():
    (concept,) = [Ontology.from_concepts([Concept("a", "\u200b", ["\ufeff ", "gout\u200b"])]).concept(0)]
    assert (concept.name, concept.aliases) == ("gout\u200b", [])
    with pytest.raises(InputError, match="has no id"):
        Ontology.from_concepts([Concept(" ", "gout")])


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("o.json", "format-version: 1.2\n\n[Term]\nid: X:1\n", "OBO"),
        ("o.obo", "format-version: 1.2\n", "OBO: `raybel prepare obo"),
        ("o.json", '{"graphs": [{"nodes": []}]}', "OBO Graphs: `raybel prepare obo"),
        ("o.owl", '<?xml version="1.0"?>\n<rdf:RDF xmlns="x"/>', "OWL: convert it"),
        ("o.json", '{"documents": []}', "BioC JSON: it is a corpus"),
        ("o.xml", '<?xml version="1.0"?><!DOCTYPE collection><collection/>', "BioC XML: it is a corpus"),
        ("o.txt", "123|t|Gout\n123|a|Gout is.\n", "PubTator: it is a corpus"),
        ("o.arrow", "PAR1xxxxPAR1", "a Parquet file: its name should end in .parquet"),
        ("o.csv", "id,name\n1,gout\n", "a table: `raybel prepare table"),
        ("o.xml", "<DescriptorRecordSet>", "MeSH's XML"),
        ("o.RRF", "C0000005|ENG|P|", "UMLS's MRCONSO"),
        ("o.json", "<!DOCTYPE html><html>", "a web page"),
        ("o.parquet", "PK\x03\x04", "a zip archive: unpack it"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, name, content, kind):
    with pytest.raises((InputError, ConfigError)) as caught:
        Ontology.open(write(tmp_path, content, name))
    assert f"it looks like {kind}" in str(caught.value)
