import pyarrow as pa

from raybel.config import MentionOptions
from raybel.files import storage, tables
from raybel.linking.corpus_notes import corpus_notes
from raybel.ontology import Concept, Ontology
from raybel.runs.run_directory import RunDirectory

ONTOLOGY = Ontology.from_concepts([Concept("D1", "gout")])


def notes(tmp_path, rows, mentions=None, **options):
    run = RunDirectory(str(tmp_path))
    schema = pa.schema([("type", pa.string()), ("gold", pa.list_(pa.string()))])
    table = pa.table([[kind for kind, _ in rows], [gold for _, gold in rows]], schema=schema)
    storage.publish(run.mentions_file("a.xml.gz"), tables.parquet_bytes(table))
    count = len(rows) if mentions is None else mentions
    states = {"a.xml.gz": {"documents": 3, "mentions": count}}
    return corpus_notes(run, states, ONTOLOGY, MentionOptions(**options))


def test_a_corpus_without_annotations(tmp_path):
    (note,) = notes(tmp_path, [])
    assert "there was nothing to link: 3 documents without an annotation" in note
    (note,) = notes(tmp_path, [], mention_types=("Disease",), type_infon="kind")
    assert "of the types Disease (infon kind)" in note


def test_types_that_the_ontology_cannot_hold(tmp_path):
    (note,) = notes(tmp_path, [("Disease", ["D1"]), ("Gene", ["3630"]), ("Species", None)])
    assert "Gene (1 mention, such as 3630)" in note
    assert notes(tmp_path, [("Disease", ["D1"]), ("", None)]) == []
