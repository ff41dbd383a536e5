import pytest
from ray_fixture import documents, three_files
from samples import annotation, collection, document, passage, save

from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError, InputError
from raybel.jobs.datasets import read_bioc, read_mentions
from raybel.jobs.runtime import ray_session
from raybel.schemas import CHUNK, MENTION

pytestmark = pytest.mark.usefixtures("local_ray")
WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6)), offset=-2))


def test_chunks(tmp_path):
    home = three_files(tmp_path)
    save(home / "d.xml", collection())
    read = read_bioc(str(home), ReadOptions(chunk_documents=5), num_cpus=0.5)
    assert read.schema().base_schema.equals(CHUNK)
    rows = sorted(read.take_all(), key=lambda row: (row["shard"], row["chunk"]))
    expected = [(name, number, number == 2) for name in ("a.xml.gz", "b.xml", "c.json") for number in range(3)]
    assert [(row["shard"], row["chunk"], row["last"]) for row in rows] == [*expected, ("d.xml", 0, True)]
    assert [len(row["docs"]) for row in rows] == [5, 5, 2] * 3 + [0]
    assert {len(batch["docs"]) for batch in read.iter_batches(batch_size=None)} == {1}, "a chunk is a block of its own"


def test_mentions(tmp_path):
    home = three_files(tmp_path)
    save(home / "d.xml", collection())
    read = read_mentions([str(home)], num_cpus=0.5)
    rows = read.take_all()
    assert read.columns() == ["path", "doc_id", *(field.name for field in MENTION)]
    assert len(rows) == 36
    assert {row["path"] for row in rows} == {str(home / name) for name in ("a.xml.gz", "b.xml", "c.json")}
    first = next(row for row in rows if row["doc_id"] == "b0")
    assert (first["text"], first["start"], first["end"], list(first["gold"])) == ("Anemia", 10, 16, ["D1"])


def test_a_corpus_without_documents(tmp_path):
    path = save(tmp_path / "a.xml", collection())
    (row,) = read_bioc(path).take_all()
    assert (row["last"], len(row["docs"]), row["error"]) == (True, 0, None)
    assert read_mentions(path).count() == 0


@pytest.mark.parametrize(("content", "reason"), [(collection(WRONG), "wrong"), ("<a/>", "isn't a BioC collection")])
def test_mentions_of_a_bad_corpus_raise(tmp_path, content, reason):
    save(tmp_path / "a.xml", collection(*documents("a", 2)))
    bad = save(tmp_path / "b.xml", content)
    with pytest.raises(InputError, match=reason) as caught, ray_session():
        read_mentions(str(tmp_path)).take_all()
    assert str(caught.value).count(bad) == 1


def test_nothing_to_read(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_bioc(str(tmp_path / "nothing"))
