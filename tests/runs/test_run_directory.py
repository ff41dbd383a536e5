import errno
import gzip
import json
import os
import pickle

import pyarrow.parquet as pq
import pytest
from archive_samples import packed
from samples import annotation, collection, document, parts, passage, save, shards_of, simple_document

from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.runs.findings import quarantine_reasons, repeated_ids, unreadable_files
from raybel.runs.inputs import Shard, find_inputs
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import DOCUMENTS, MENTIONS

WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6)), offset=-2))
MANY = collection(*(simple_document(str(i)) for i in range(4)), WRONG, simple_document("2"))


@pytest.fixture
def run(tmp_path):
    return RunDirectory(str(tmp_path / "run"))


@pytest.fixture
def corpus(tmp_path):
    save(tmp_path / "in/a.xml", MANY)
    return str(tmp_path / "in")


def tree(run: RunDirectory) -> dict[str, bytes]:
    return {name: storage.read_bytes(storage.join(run.uri, name)) for name in storage.names(run.uri)}


def write(run: RunDirectory, shard: Shard, order=lambda each: each, only=None) -> int:
    made = parts(shard.path, chunk_documents=2)
    for part in order(made):
        if only is None or part.summary["chunk"] in only:
            run.write_part(shard, part)
    return len(made)


def test_shards_are_named_after_what_was_given(tmp_path):
    for name in ("in/b.xml", "in/x/a.xml.gz", "in/x/b.json", "in/.hidden/c.xml", "in/n.txt"):
        save(tmp_path / name, MANY)
    found = shards_of([str(tmp_path / "in")], "f")
    assert [shard.name for shard in found] == ["b.xml.gz", "x/a.xml.gz", "x/b.json.gz"]
    assert [os.path.relpath(shard.path, tmp_path) for shard in found] == ["in/b.xml", "in/x/a.xml.gz", "in/x/b.json"]
    assert shards_of([str(tmp_path / "in/n.txt")], "f")[0].name == "n.txt.xml.gz"
    save(tmp_path / "lines", '{"id": "1", "passages": []}')
    save(tmp_path / "junk", "junk")
    names = [shard.name for shard in shards_of([str(tmp_path / name) for name in ("lines", "junk")], "f")]
    assert names == ["junk.xml.gz", "lines.json.gz"]
    with pytest.raises(ConfigError, match="no such file"):
        shards_of([str(tmp_path / "none*")], "f")


@pytest.mark.parametrize("name", ["0.BioC.XML", "a.XML.GZ", "noname", "text.txt"])
def test_a_file_of_any_name_has_a_shard_that_is_found(tmp_path, run, name):
    (shard,) = shards_of([save(tmp_path / name, MANY)], "f")
    run.assemble(shard, write(run, shard))
    assert run.shard_names() == [shard.name]


def test_two_files_of_one_output_name_are_refused(tmp_path):
    save(tmp_path / "in/a.xml", MANY)
    save(tmp_path / "in/a.xml.gz", MANY)
    with pytest.raises(ConfigError, match=r"would both be written to a\.xml\.gz"):
        shards_of([str(tmp_path / "in")], "f")
    save(tmp_path / "two/a.xml", MANY)
    with pytest.raises(ConfigError, match="would both"):
        shards_of([str(tmp_path / "in/a.xml"), str(tmp_path / "two")], "f")


def test_a_file_among_an_archives_shards_is_refused(tmp_path):
    first = tmp_path / "in/deep/dump.tar"
    first.parent.mkdir(parents=True)
    first.write_bytes(packed(".tar", {"a.xml": MANY.encode()}))
    second = save(tmp_path / "unpacked/deep/dump.tar/x/a.xml", MANY)
    with pytest.raises(ConfigError, match=r"a\.xml would be written among the shards of .*in/deep/dump\.tar, to deep"):
        find_inputs([str(tmp_path / "in"), str(tmp_path / "unpacked")], "f")
    assert [item.name for item in find_inputs([str(first), second], "f")] == ["a.xml.gz", "dump.tar"]


def test_an_assembled_shard(run, corpus):
    (shard,) = shards_of([corpus], "f")
    assert run.state(shard) is None
    count = write(run, shard)
    assert run.finished_parts(shard) == set(range(count)) == {0, 1, 2}
    state = run.assemble(shard, count)
    assert run.state(shard) == state
    assert (state["documents"], state["mentions"], state["linked"], state["quarantined"]) == (6, 5, 5, 1)
    assert [name for name in storage.names(run.uri) if name.startswith("parts")] == []
    whole = b"".join(part.data for part in parts(shard.path))
    assert gzip.decompress(tree(run)["shards/a.xml.gz"]) == gzip.decompress(whole)
    mentions = pq.read_table(f"{run.uri}/mentions/a.xml.gz.parquet")
    assert mentions.schema.equals(MENTIONS)
    assert mentions["document"].to_pylist() == [0, 1, 2, 3, 5]
    documents = pq.read_table(f"{run.uri}/documents/a.xml.gz.parquet")
    assert documents.schema.equals(DOCUMENTS)
    assert documents["doc_id"].to_pylist() == ["0", "1", "2", "3", "wrong", "2"]
    (record,) = [json.loads(line) for line in tree(run)["quarantine/a.xml.gz.jsonl"].splitlines()]
    assert (record["document"], record["doc_id"], record["path"]) == (4, "wrong", shard.path)
    (reason,) = quarantine_reasons(run, ["a.xml.gz", "none"])
    assert unreadable_files(run, {"a.xml.gz": state}) == []
    assert 'offset="-2" is negative' in reason
    assert repeated_ids(run, ["a.xml.gz"]) == (2, ["2"])
    records = [{"path": "a", "document": place, "reason": "the id T\u2028\x85"} for place in (0, None, 1)]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    storage.publish(f"{run.uri}/quarantine/b.xml.gz.jsonl", lines.encode())
    assert quarantine_reasons(run, ["b.xml.gz"]) == ["a: the id T\u2028\x85"] * 2
    assert unreadable_files(run, {"b.xml.gz": {"unreadable": 1}}) == ["the id T\u2028\x85"]
    storage.delete(f"{run.uri}/quarantine/b.xml.gz.jsonl")
    before = tree(run)
    assert run.assemble(shard, count) == state
    assert tree(run) == before


def test_parts_in_any_order_resumed_or_broken_off_give_the_same_bytes(tmp_path, corpus, monkeypatch):
    (shard,) = shards_of([corpus], "f")
    first, second = RunDirectory(str(tmp_path / "1")), RunDirectory(str(tmp_path / "2"))
    first.assemble(shard, write(first, shard))
    write(second, shard, only={2})
    assert second.finished_parts(shard) == {2}
    assert second.read_summary(shard, 0) is None
    assert second.read_summary(shard, 2)["documents"] == 2
    write(second, shard, order=reversed)
    publish = storage.publish_json

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish_json", stop)
    with pytest.raises(KeyboardInterrupt):
        second.assemble(shard, 3)
    assert second.state(shard) is None
    monkeypatch.setattr(storage, "publish_json", publish)
    second.assemble(shard, 3)
    assert tree(first) == tree(second)


def test_a_changed_input_or_configuration_is_to_do_again(run, corpus):
    (shard,) = shards_of([corpus], "f")
    run.assemble(shard, write(run, shard))
    (other,) = shards_of([corpus], "another configuration")
    assert run.state(other) is None
    put_back = collection(simple_document("1"))
    with open(shard.path, "w") as file:
        file.write(put_back)
    (changed,) = shards_of([corpus], "f")
    assert changed.key != shard.key
    assert run.state(changed) is None
    assert run.finished_parts(changed) == set()
    run.assemble(changed, write(run, changed))
    assert "quarantine/a.xml.gz.jsonl" not in tree(run)


def test_an_empty_shard(run, tmp_path):
    save(tmp_path / "in/a.xml", collection())
    (shard,) = shards_of([str(tmp_path / "in")], "f")
    assert run.assemble(shard, write(run, shard))["documents"] == 0
    assert pq.read_table(f"{run.uri}/mentions/a.xml.gz.parquet").schema.equals(MENTIONS)
    assert repeated_ids(run, ["a.xml.gz"]) == (0, [])


def test_a_run_of_another_configuration_is_refused_or_overwritten(run, corpus):
    run.open({"top_k": 10}, {"raybel": "1"}, False)
    run.open({"top_k": 10}, {"raybel": "2"}, False)
    assert run.manifest()["raybel"] == "2"
    (shard,) = shards_of([corpus], "f")
    run.assemble(shard, write(run, shard))
    with pytest.raises(ConfigError, match=r"top_k: 10 there, 5 now.*--overwrite"):
        run.open({"top_k": 5}, {}, False)
    assert run.state(shard)
    run.open({"top_k": 5}, {}, True)
    assert storage.names(run.uri) == ["manifest.json"]
    assert run.manifest()["identity"] == {"top_k": 5}


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    save(tmp_path / "logs/a", "x")
    save(tmp_path / ".lock", "x")
    RunDirectory(str(tmp_path)).open({}, {}, False)
    save(tmp_path / "other/thesis.tex", "x")
    other = RunDirectory(str(tmp_path / "other"))
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="holds something other than a run"):
            other.open({}, {}, overwrite)
    assert storage.names(str(tmp_path / "other")) == ["thesis.tex"]
    with pytest.raises(InputError, match="isn't a run directory"):
        other.manifest()


def test_an_output_that_cannot_be_written(tmp_path, corpus):
    save(tmp_path / "file", "x")
    (shard,) = shards_of([corpus], "f")
    for where in (str(tmp_path / "file/run"), "/proc/raybel-run"):
        with pytest.raises(ConfigError, match="can't be written"):
            RunDirectory(where).open({}, {}, False)
        with pytest.raises(ConfigError, match="can't be written"):
            write(RunDirectory(where), shard)


def test_a_disk_that_is_full_leaves_no_half_of_a_shard(run, corpus, monkeypatch):
    (shard,) = shards_of([corpus], "f")
    count = write(run, shard)
    before = tree(run)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            run.assemble(shard, count)
    assert tree(run) == before
    assert run.assemble(shard, count)["documents"] == 6


def test_a_file_that_cannot_be_read_is_set_aside(run, corpus):
    (shard,) = shards_of([corpus], "f")
    write(run, shard)
    run.set_aside(shard, "is cut off")
    assert list(tree(run)) == ["quarantine/a.xml.gz.jsonl"]
    (record,) = map(json.loads, tree(run)["quarantine/a.xml.gz.jsonl"].splitlines())
    assert (record["path"], record["document"], record["reason"]) == (shard.path, None, "is cut off")
    run.work.clear()
    assert tree(run) == {}


def test_shards_that_this_start_published_are_read_again_by_a_reader_that_is_started_again(run, tmp_path):
    """Its first blocks were consumed: as many must come before the others, or these would be taken for consumed."""
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(".tar", {f"{number}.xml": MANY.encode() for number in range(2)}))
    (item,) = find_inputs([str(path)], "f")
    options = ReadOptions(chunk_documents=1, shard_documents=2)
    at_start = run.finished_shards(item)
    chunks = list(read_chunks(item.source, item.name, options, run.finished(item, at_start)))
    first = chunks[0]["shard"][0].as_py()
    storage.publish_json(run.file("state", first), {"key": item.shard(first).key, "name": first, "next": None})
    assert run.finished_shards(item).keys() == {first}
    again = list(read_chunks(item.source, item.name, options, run.finished(item, at_start)))
    assert [chunk["shard"][0].as_py() for chunk in again] == [chunk["shard"][0].as_py() for chunk in chunks]


def test_what_bundles_of_an_earlier_content_left_is_deleted(run):
    suffixes = {"shards": "", "mentions": ".parquet", "documents": ".parquet", "quarantine": ".jsonl", "state": ".json"}
    published = ["a.tar/00000.xml.gz", "a.tar/00001.xml.gz", "b.tar/00000.xml.gz", "group-00000/00000.xml.gz"]
    published += ["group-00001/00000.xml.gz", "c.xml.gz", "deep/a.tar/00001.xml.gz"]
    quarantined = ["a.tar/00000.json.gz", "a.tar/00002.xml.gz", "a.tar/00003.xml.gz", "b.tar/00001.xml.gz"]

    def named(shards, folders):
        return sorted(f"{folder}/{shard}{suffixes[folder]}" for folder in folders for shard in shards)

    of_files = ["a.tar/00004.xml.gz", "group-00001/00001.xml.gz", "group-00007/mine.xml.gz"]  # in folders so called
    published += of_files
    for name in named(published, suffixes) + named(quarantined, ["quarantine"]):
        storage.publish(f"{run.uri}/{name}", b"{}")
    for shard in published:
        source = shard if shard in of_files else shard.rpartition("/")[0] or shard
        storage.publish_json(run.file("state", shard), {"source": source})
    storage.publish(run.file("quarantine", "group-00001/bad.xml.gz"), b"{}")
    quarantined.append("group-00001/bad.xml.gz")
    before = tree(run)
    run.delete_other_shards([], [])
    assert tree(run) == before
    run.delete_other_shards(["a.tar"], ["a.tar/00000.xml.gz", "a.tar/00002.xml.gz"])  # the second one set aside
    kept = [shard for shard in published if shard != "a.tar/00001.xml.gz"]
    in_quarantine = ["a.tar/00002.xml.gz", "b.tar/00001.xml.gz", "group-00001/bad.xml.gz"]
    assert sorted(tree(run)) == sorted(named(kept, suffixes) + named(in_quarantine, ["quarantine"]))
    run.delete_other_shards(["group-00000"], ["group-00000/00000.xml.gz", "group-00001/bad.xml.gz"])
    kept.remove("group-00001/00000.xml.gz")
    assert sorted(tree(run)) == sorted(named(kept, suffixes) + named(in_quarantine, ["quarantine"]))


def test_a_run_is_known_by_its_manifest_or_its_shards(run, corpus, tmp_path):
    assert not run.exists()
    assert not RunDirectory(f"{corpus}/a.xml").exists()
    save(tmp_path / "run/shards/deep/a.xml.gz", MANY)
    save(tmp_path / "run/shards/notes.txt", "x")
    assert run.exists()
    assert run.shard_names() == ["deep/a.xml.gz"]
    assert run.routes() == ()
    save(tmp_path / "run/manifest.json", {"config": {"ontology": "o.arrow"}})
    assert run.routes() == (((), "o.arrow"),)
    routes = [{"types": ["A", "B"], "ontology": "o.arrow"}, {"types": ["C"], "ontology": "p.arrow"}]
    save(tmp_path / "run/manifest.json", {"config": {"ontology": None}, "routes": routes})
    assert run.routes() == ((("A", "B"), "o.arrow"), (("C",), "p.arrow"))


def test_a_run_directory_is_small_when_it_is_sent_to_a_worker(run):
    assert len(pickle.dumps(run)) < 300
    assert pickle.loads(pickle.dumps(run)) == run
