import errno
import gzip
import json
import os

import pyarrow.parquet as pq
import pytest
from samples import annotation, collection, document, parts, passage, save, simple_document

from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.linking import run_directory
from raybel.schemas import DOCUMENTS, MENTIONS, SHARD_COUNTS

WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6))))
MANY = collection(*(simple_document(str(i)) for i in range(4)), WRONG, simple_document("2"))


@pytest.fixture
def run(tmp_path):
    return str(tmp_path / "run")


@pytest.fixture
def corpus(tmp_path):
    save(tmp_path / "in/a.xml", MANY)
    return str(tmp_path / "in")


def tree(run: str) -> dict[str, bytes]:
    return {name: storage.read_bytes(storage.join(run, name)) for name in storage.names(run)}


def write(run: str, shard: run_directory.Shard, order=lambda each: each, only=None) -> int:
    made = parts(shard.path, chunk_documents=2)
    for part in order(made):
        if only is None or part.summary["chunk"] in only:
            run_directory.write_part(run, shard, part)
    return len(made)


def test_shards_are_named_after_what_was_given(tmp_path):
    for name in ("in/b.xml", "in/x/a.xml.gz", "in/x/b.json", "in/.hidden/c.xml", "in/n.txt"):
        save(tmp_path / name, MANY)
    found = run_directory.find_shards([str(tmp_path / "in")], "f")
    assert [shard.name for shard in found] == ["b.xml.gz", "x/a.xml.gz", "x/b.json.gz"]
    assert [os.path.relpath(shard.path, tmp_path) for shard in found] == ["in/b.xml", "in/x/a.xml.gz", "in/x/b.json"]
    assert run_directory.find_shards([str(tmp_path / "in/n.txt")], "f")[0].name == "n.txt.gz"
    with pytest.raises(ConfigError, match="no such file"):
        run_directory.find_shards([str(tmp_path / "none*")], "f")


def test_two_files_of_one_output_name_are_refused(tmp_path):
    save(tmp_path / "in/a.xml", MANY)
    save(tmp_path / "in/a.xml.gz", MANY)
    with pytest.raises(ConfigError, match=r"would both be written to a\.xml\.gz"):
        run_directory.find_shards([str(tmp_path / "in")], "f")
    save(tmp_path / "two/a.xml", MANY)
    with pytest.raises(ConfigError, match="would both"):
        run_directory.find_shards([str(tmp_path / "in/a.xml"), str(tmp_path / "two")], "f")


def test_an_assembled_shard(run, corpus):
    (shard,) = run_directory.find_shards([corpus], "f")
    assert run_directory.state(run, shard) is None
    count = write(run, shard)
    assert run_directory.finished_parts(run, shard) == set(range(count)) == {0, 1, 2}
    state = run_directory.assemble(run, shard, count)
    assert run_directory.state(run, shard) == state
    assert (state["documents"], state["mentions"], state["linked"], state["quarantined"]) == (6, 5, 5, 1)
    assert [name for name in storage.names(run) if name.startswith("parts")] == []
    whole = b"".join(part.data for part in parts(shard.path))
    assert gzip.decompress(tree(run)["shards/a.xml.gz"]) == gzip.decompress(whole)
    mentions = pq.read_table(f"{run}/mentions/a.xml.gz.parquet")
    assert mentions.schema.equals(MENTIONS)
    assert mentions["document"].to_pylist() == [0, 1, 2, 3, 5]
    documents = pq.read_table(f"{run}/documents/a.xml.gz.parquet")
    assert documents.schema.equals(DOCUMENTS)
    assert documents["doc_id"].to_pylist() == ["0", "1", "2", "3", "wrong", "2"]
    (record,) = [json.loads(line) for line in tree(run)["quarantine/a.xml.gz.jsonl"].splitlines()]
    assert (record["document"], record["doc_id"], record["path"]) == (4, "wrong", shard.path)
    (reason,) = run_directory.quarantine_reasons(run, ["a.xml.gz", "none"])
    assert "the text there is" in reason
    assert run_directory.repeated_ids(run, ["a.xml.gz"]) == (2, ["2"])
    before = tree(run)
    assert run_directory.assemble(run, shard, count) == state
    assert tree(run) == before


def test_parts_in_any_order_resumed_or_broken_off_give_the_same_bytes(tmp_path, corpus, monkeypatch):
    (shard,) = run_directory.find_shards([corpus], "f")
    first, second = str(tmp_path / "1"), str(tmp_path / "2")
    run_directory.assemble(first, shard, write(first, shard))
    write(second, shard, only={2})
    assert run_directory.finished_parts(second, shard) == {2}
    assert run_directory.read_summary(second, shard, 0) is None
    assert run_directory.read_summary(second, shard, 2)["documents"] == 2
    write(second, shard, order=reversed)
    publish = storage.publish_json

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish_json", stop)
    with pytest.raises(KeyboardInterrupt):
        run_directory.assemble(second, shard, 3)
    assert run_directory.state(second, shard) is None
    monkeypatch.setattr(storage, "publish_json", publish)
    run_directory.assemble(second, shard, 3)
    assert tree(first) == tree(second)


def test_a_changed_input_or_configuration_is_to_do_again(run, corpus):
    (shard,) = run_directory.find_shards([corpus], "f")
    run_directory.assemble(run, shard, write(run, shard))
    (other,) = run_directory.find_shards([corpus], "another configuration")
    assert run_directory.state(run, other) is None
    put_back = collection(simple_document("1"))
    with open(shard.path, "w") as file:
        file.write(put_back)
    (changed,) = run_directory.find_shards([corpus], "f")
    assert changed.key != shard.key
    assert run_directory.state(run, changed) is None
    assert run_directory.finished_parts(run, changed) == set()
    run_directory.assemble(run, changed, write(run, changed))
    assert "quarantine/a.xml.gz.jsonl" not in tree(run)


def test_an_empty_shard(run, tmp_path):
    save(tmp_path / "in/a.xml", collection())
    (shard,) = run_directory.find_shards([str(tmp_path / "in")], "f")
    assert run_directory.assemble(run, shard, write(run, shard))["documents"] == 0
    assert pq.read_table(f"{run}/mentions/a.xml.gz.parquet").schema.equals(MENTIONS)
    assert run_directory.repeated_ids(run, ["a.xml.gz"]) == (0, [])


def test_a_run_of_another_configuration_is_refused_or_overwritten(run, corpus):
    run_directory.prepare_run(run, {"top_k": 10}, {"raybel": "1"}, False)
    run_directory.prepare_run(run, {"top_k": 10}, {"raybel": "2"}, False)
    assert run_directory.read_manifest(run)["raybel"] == "2"
    (shard,) = run_directory.find_shards([corpus], "f")
    run_directory.assemble(run, shard, write(run, shard))
    with pytest.raises(ConfigError, match=r"top_k: 10 there, 5 now.*--overwrite"):
        run_directory.prepare_run(run, {"top_k": 5}, {}, False)
    assert run_directory.state(run, shard)
    run_directory.prepare_run(run, {"top_k": 5}, {}, True)
    assert storage.names(run) == ["manifest.json"]
    assert run_directory.read_manifest(run)["identity"] == {"top_k": 5}


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    save(tmp_path / "logs/a", "x")
    save(tmp_path / ".lock", "x")
    run_directory.prepare_run(str(tmp_path), {}, {}, False)
    save(tmp_path / "other/thesis.tex", "x")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="isn't a run directory"):
            run_directory.prepare_run(str(tmp_path / "other"), {}, {}, overwrite)
    assert storage.names(str(tmp_path / "other")) == ["thesis.tex"]
    with pytest.raises(InputError, match="isn't a run directory"):
        run_directory.read_manifest(str(tmp_path / "other"))


def test_an_output_that_cannot_be_written(tmp_path, corpus):
    save(tmp_path / "file", "x")
    (shard,) = run_directory.find_shards([corpus], "f")
    for where in (str(tmp_path / "file/run"), "/proc/raybel-run"):
        with pytest.raises(ConfigError, match="can't be written"):
            run_directory.prepare_run(where, {}, {}, False)
        with pytest.raises(ConfigError, match="can't be written"):
            write(where, shard)


def test_a_disk_that_is_full_leaves_no_half_of_a_shard(run, corpus, monkeypatch):
    (shard,) = run_directory.find_shards([corpus], "f")
    count = write(run, shard)
    before = tree(run)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            run_directory.assemble(run, shard, count)
    assert tree(run) == before
    assert run_directory.assemble(run, shard, count)["documents"] == 6


def test_a_file_that_cannot_be_read_is_set_aside(run, corpus):
    (shard,) = run_directory.find_shards([corpus], "f")
    write(run, shard)
    run_directory.set_aside(run, shard, "is cut off")
    assert list(tree(run)) == ["quarantine/a.xml.gz.jsonl"]
    assert run_directory.quarantine_reasons(run, ["a.xml.gz"]) == [f"{shard.path}: is cut off"]
    run_directory.clear(run)
    assert tree(run) == {}


def test_metrics_are_in_order_of_names():
    rows = [{"name": name, **dict.fromkeys(run_directory.COUNTS, 1)} for name in ("b", "a")]
    table = run_directory.metrics_table(rows)
    assert table.schema.equals(SHARD_COUNTS)
    assert table["shard"].to_pylist() == ["a", "b"]
    assert run_directory.metrics_table([]).num_rows == 0
