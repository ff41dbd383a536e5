"""What a file is by its first bytes, and the errors that say so."""

import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.errors import ConfigError, InputError
from raybel.files import kinds
from raybel.files.kinds import HEAD_BYTES, kind_of, kind_of_bytes
from raybel.ontology import Concept, Ontology

XML = '<?xml version="1.0"?>\n'
SAMPLES = {
    "OBO": "format-version: 1.2\ndata-version: x\n\n[Term]\nid: X:1\n",
    "OBO Graphs JSON": '{\n "meta": {"a": []},\n "graphs" : [ {"nodes": []}]}',
    "OWL": XML + '<rdf:RDF xmlns="http://x#" xmlns:owl="http://www.w3.org/2002/07/owl#">',
    "Turtle (RDF)": "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n",
    "OWL in functional syntax": "Prefix(:=<http://x#>)\nOntology(<http://x>)",
    "PubTator": "123|t|A title, long\n123|a|Text\n",
    "BioC XML": XML + '<!DOCTYPE collection SYSTEM "BioC.dtd">\n<collection><source>x</source>',
    "MeSH XML": XML + '<!DOCTYPE DescriptorRecordSet SYSTEM "x.dtd">\n<DescriptorRecordSet LanguageCode = "eng">',
    "PubMed XML": XML + "<PubmedArticleSet>",
    "BioC JSON": '{"source": "x", "documents": [{"id": "1"}]}',
    "a web page": "<!DOCTYPE html>\n<html><body>404</body></html>",
    "XML": XML + "<things/>",
    "UMLS RRF": "C0000001|ENG|P|L1|PF|S1|Y|A1||M1|D1|MSH|PT|D1|Ague|0|N|256|\n",
    "MEDIC of CTD": "# about\n# Fields:\n# DiseaseName\tDiseaseID\tAltDiseaseIDs\n",
    "SSSOM mappings": "#curie_map:\n# x: y\nsubject_id\tsubject_label\tpredicate_id\tobject_id\n",
    "a JSON list": '[{"id": "X:1", "definition": "an ontology: [Term]"}]',
    "JSON Lines": '{"id": "1"}\n{"id": "2"}\n',
    "a JSON object": '{"id": "1"}',
    "a tab-separated table": "id\tname\n1\ta, b\n",
    "a table with commas": 'id,name\n1,"a, b"\n',
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("packed", ["plain", "gzip", "zip", "stored", "BOM", "UTF-16"])
def test_kinds(tmp_path, name, packed):
    text = SAMPLES[name]
    data = text.encode({"BOM": "utf-8-sig", "UTF-16": "utf-16"}.get(packed, "utf-8"))
    if packed == "gzip":
        data = gzip.compress(data)
    elif packed in ("zip", "stored"):
        buffer = io.BytesIO()
        method = zipfile.ZIP_DEFLATED if packed == "zip" else zipfile.ZIP_STORED
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("inside.txt", text)
        data = buffer.getvalue()
    (tmp_path / "f").write_bytes(data)
    found = kind_of(str(tmp_path / "f"))
    assert found.name == (f"a zip archive with {name}" if packed in ("zip", "stored") else name)


def test_ctd_as_csv_and_without_comments():
    for text in ("# Fields:\n# DiseaseName,DiseaseID,Synonyms\n#\n", '"DiseaseName","DiseaseID","Synonyms"\n'):
        assert kind_of_bytes(text.encode()) == kinds.MEDIC


def test_what_is_nothing_in_particular(tmp_path):
    assert kind_of_bytes(b"") == kinds.EMPTY
    for data in (b"plain words, and more", b"\x00\x01\x02", b"one\ntwo\n", b"a, b\nno more\n", b"PK\x03\x04"):
        assert kind_of_bytes(data) is None
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"x" * 9)[:12])
    assert kind_of(str(tmp_path / "cut.gz")) is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_looked_at_without_an_error(data):
    kind_of_bytes(data)
    kind_of_bytes(b"PK\x03\x04" + data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        b"subject_id,",
        b"<collection ",
        b"! x\n",
        b"# x\n",
        b"# x\n\n",
        b" ! c\n",
        b"Prefix(\n\n",
        b"{",
        b"<Ontology ",
        b" ",
        b'"',
    ],
)
def test_no_beginning_takes_long(piece):
    kind_of_bytes((piece * HEAD_BYTES)[:HEAD_BYTES])


@pytest.mark.parametrize("suffix", [".json", ".arrow", ".parquet", ".csv", ".obo"])
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("OBO", "`raybel prepare obo --obo {path} --out o.arrow`"),
        ("OBO Graphs JSON", "`raybel prepare obo"),
        ("OWL", "robot convert"),
        ("PubTator", "--in-corpus"),
        ("BioC XML", "--in-corpus"),
        ("BioC JSON", "--in-corpus"),
        ("a tab-separated table", "`raybel prepare table --table {path} --out o.arrow`"),
        ("MeSH XML", "`raybel prepare mesh --mesh-dir DIR --out o.arrow`"),
        ("MEDIC of CTD", "`raybel prepare medic --ctd-medic-diseases {path} --out o.arrow`"),
        ("UMLS RRF", "raybel prepare umls"),
        ("a JSON object", "a list of {{id, name, aliases, definition}}"),
    ],
)
def test_an_ontology_that_is_something_else(tmp_path, suffix, name, advice):
    path = tmp_path / f"o{suffix}"
    path.write_text(SAMPLES[name])
    with pytest.raises(InputError, match="isn't an ontology") as caught:
        Ontology.open(str(path))
    assert f"looks like {name}" in str(caught.value)
    assert advice.format(path=path) in str(caught.value)


def test_content_decides_among_the_suffixes(tmp_path):
    ontology = Ontology.from_concepts([Concept("D1", "Ague", ["bog fever"])])
    for written in (".arrow", ".parquet", ".json", ".json.gz"):
        for named in (".arrow", ".parquet", ".json", ".json.gz"):
            source, target = tmp_path / f"a{written}", tmp_path / f"b{named}"
            ontology.save(str(source))
            target.write_bytes(source.read_bytes())
            assert Ontology.open(str(target)).fingerprint == ontology.fingerprint
            target.unlink()
        Path(tmp_path / f"a{written}").rename(tmp_path / "o.feather")
        with pytest.raises(ConfigError, match=r"name ends in .*; it looks like .*: rename it"):
            Ontology.open(str(tmp_path / "o.feather"))


def test_tables_by_others_are_put_in_order(tmp_path):
    table = pa.table({"concept_id": pa.array([12.0, 7.0]), "name": [" ague ", "pox"], "definition": [None, "x"]})
    lists = pa.array([["a", None], None], pa.list_(pa.string()))
    for name in ("aliases", "types", "alt_ids"):
        table = table.append_column(name, lists)
    pq.write_table(table, tmp_path / "o.parquet")
    read = Ontology.open(str(tmp_path / "o.parquet"))
    assert [read.concept(row) for row in (0, 1)] == [
        Concept("12", "ague", ["a"], "", ["a"], ["a"]),
        Concept("7", "pox", [], "x"),
    ]
    pq.write_table(table.set_column(0, "concept_id", pa.array([1.0, float("nan")])), tmp_path / "o.parquet")
    with pytest.raises(InputError, match=r"o\.parquet: concept 1 \('pox'\) has no id"):
        Ontology.open(str(tmp_path / "o.parquet"))
