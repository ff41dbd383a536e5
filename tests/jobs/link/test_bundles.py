"""Archives and groups of files, linked."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_samples import packed, padded
from ray_fixture import outputs, three_files
from samples import collection, save, simple_document

from raybel.files import storage
from raybel.jobs.link import job
from raybel.jobs.link.job import link
from raybel.runs.inputs import find_inputs
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import status


@pytest.fixture(scope="module")
def base(local_ray, model, tmp_path_factory):
    """A run over three files: its configuration and result."""
    home = tmp_path_factory.mktemp("base")
    config = model.config(three_files(home / "corpus"), home / "run", chunk_documents=5)
    return config, link(config)


def archive_of(folder, path):
    """The files of a folder as an archive, with a file that isn't a document's."""
    files = {name.name: name.read_bytes() for name in sorted(Path(folder).iterdir())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(".tar.gz", {"README": b"", **files}))
    return str(path)


@pytest.mark.bench
def test_an_archive_and_a_group_link_as_their_files_do(base, model, tmp_path):
    config, whole = base
    folder = Path(config.in_corpus[0])
    source = archive_of(folder, tmp_path / "in" / "dump.tar.gz")
    options = {"chunk_documents": 5, "shard_documents": 14}
    archived = link(model.config([source], tmp_path / "archived", **options))
    grouped = link(model.config([folder], tmp_path / "grouped", group_files=True, **options))
    names = {"dump.tar.gz": archived, "group-00000": grouped}
    wanted = mention_rows(whole)
    for name, result in names.items():
        assert mention_rows(result) == wanted
        shards = [shard for shard in result.counts["shard"].to_pylist() if shard.startswith(name)]
        assert shards[0] == f"{name}/00000.xml.gz"
        totals = {column: sum(result.counts[column].to_pylist()) for column in ("documents", "unreadable")}
        assert totals == {"documents": 36, "unreadable": 0}
    assert sum(archived.counts["passed_over"].to_pylist()) == 1
    documents = pa.concat_tables(
        pq.read_table(path) for path in sorted((tmp_path / "archived/documents").rglob("*.parquet"))
    )
    assert list(dict.fromkeys(documents["file"].to_pylist())) == [path.name for path in sorted(Path(folder).iterdir())]
    before = outputs(tmp_path / "archived")
    (tmp_path / "archived/state/dump.tar.gz/00001.xml.gz.json").unlink()
    again = link(model.config([source], tmp_path / "archived", **options))
    assert (again.progress.files_done, again.progress.shards_before) == (1, 2)
    assert outputs(tmp_path / "archived") == before
    assert link(model.config([source], tmp_path / "archived", **options)).progress.chunks == 0


def mention_rows(result):
    """What a run links, by document and mention."""
    found = {}
    for path in Path(result.run, "mentions").rglob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            found[row["doc_id"], row["ordinal"]] = (row["surface"], row["link_id"], row["link_score"])
    return found


@pytest.mark.bench
def test_a_changed_archive_leaves_no_shard_of_the_one_before(local_ray, model, tmp_path):
    for number in range(3):
        save(tmp_path / f"files/{number}.xml", collection(simple_document(str(number))))
    path = tmp_path / "dump.tar.gz"
    archive_of(tmp_path / "files", path)
    config = model.config([str(path)], tmp_path / "run", shard_documents=1)
    assert link(config).counts.num_rows == 3
    (tmp_path / "files/1.xml").unlink()
    archive_of(tmp_path / "files", path)
    assert link(config).counts.num_rows == 2
    assert RunDirectory(config.out_corpus).shard_names() == ["dump.tar.gz/00000.xml.gz", "dump.tar.gz/00001.xml.gz"]


def names_in(run):
    """The files of a run's shards, by folder."""
    folders = ("shards", "mentions", "documents", "quarantine", "state")
    return {folder: storage.names(f"{run}/{folder}") for folder in folders}


@pytest.mark.bench
def test_a_damaged_archive_that_is_replaced_leaves_nothing_behind(local_ray, model, tmp_path):
    for number in range(4):
        save(tmp_path / f"files/{number}.xml", collection(simple_document(str(number))))
    path = tmp_path / "dump.tar.gz"
    archive_of(tmp_path / "files", path)
    config = model.config([str(path)], tmp_path / "run", shard_documents=1)
    assert link(config).counts.num_rows == 4

    # Cut off behind its second file: what an earlier content had behind that is no part of the run any more.
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[: plain.index(b"2.xml\0")]))
    assert link(config).incomplete
    first, second = (f"dump.tar.gz/{number:05d}.xml.gz" for number in range(2))
    assert names_in(config.out_corpus) == {
        "shards": [first],
        "mentions": [f"{first}.parquet"],
        "documents": [f"{first}.parquet"],
        "quarantine": [f"{second}.jsonl"],
        "state": [f"{first}.json"],
    }

    # Whole again, and so short that the shard of which only a quarantine was written has no successor.
    for number in range(1, 4):
        (tmp_path / f"files/{number}.xml").unlink()
    archive_of(tmp_path / "files", path)
    assert not link(config).incomplete
    assert names_in(config.out_corpus) == {
        "shards": [first],
        "mentions": [f"{first}.parquet"],
        "documents": [f"{first}.parquet"],
        "quarantine": [],
        "state": [f"{first}.json"],
    }


@pytest.mark.bench
def test_a_file_of_a_group_that_is_gone_for_a_moment_is_read_by_the_next_start(local_ray, model, tmp_path, monkeypatch):
    for name, ids in {"a": "01", "b": "2", "c": "34"}.items():
        save(tmp_path / f"in/{name}.xml", collection(*map(simple_document, ids)))
    options = {"group_files": True, "shard_documents": 1}
    link(model.config([str(tmp_path / "in")], tmp_path / "whole", **options))
    gone = tmp_path / "in/b.xml"
    data, times = gone.read_bytes(), gone.stat()

    def find_and_lose(*arguments):
        found = find_inputs(*arguments)
        gone.unlink()
        return found

    config = model.config([str(tmp_path / "in")], tmp_path / "run", **options)
    with monkeypatch.context() as patch:
        patch.setattr(job, "find_inputs", find_and_lose)
        result = link(config)
    assert result.incomplete
    assert list(result.failed.values()) == [f"{gone}: no such file"]
    assert result.counts["documents"].to_pylist() == [1]
    run = RunDirectory(config.out_corpus)
    assert status(run).state == "finished, but 1 input file couldn't be read"
    assert f"not read: {gone}: no such file" in status(run).notes
    assert result.progress.counts["documents"] == 1  # what is set aside isn't counted

    gone.write_bytes(data)
    os.utime(gone, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = link(config)
    assert (again.incomplete, again.progress.shards_before) == (False, 1)
    assert (again.progress.counts["documents"], again.progress.own["documents"]) == (5, 4)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "whole")
    assert status(run).state == "finished"


def test_the_time_left_of_a_single_archive_is_known(local_ray, model, tmp_path):
    path = tmp_path / "dump.tar.gz"
    files = {f"{name}.xml": padded(collection(simple_document(str(name))).encode()) for name in range(40)}
    path.write_bytes(packed(".tar.gz", files))
    seen = []

    def watch(progress):
        if not progress.files_done:
            seen.append((progress.share, progress.seconds_left))

    config = model.config([str(path)], tmp_path / "run", chunk_documents=2)
    result = link(config, watch)
    known = [(share, left) for share, left in seen if left is not None]
    assert known
    assert all(0 < share < 1 and left > 0 for share, left in known)
    assert known == sorted(known, key=lambda pair: pair[0])
    assert (result.progress.share, result.progress.seconds_left) == (1, 0)
    again = link(config, watch)
    assert (again.progress.bytes_before, again.progress.share) == (path.stat().st_size, 1)


def test_a_damaged_member_is_named_and_a_damaged_archive_too(local_ray, model, tmp_path):
    save(tmp_path / "files/0.xml", collection(simple_document("0")))
    save(tmp_path / "files/1.xml", collection(simple_document("1"), simple_document("2"))[:-20])
    whole = archive_of(tmp_path / "files", tmp_path / "in/whole.tar.gz")
    data = Path(whole).read_bytes()
    save(tmp_path / "in/cut.tar.gz", data[: len(data) - 40])
    result = link(model.config([str(tmp_path / "in")], tmp_path / "run"))
    assert result.incomplete
    assert list(result.failed) == [str(tmp_path / "in/cut.tar.gz")]
    assert result.counts["shard"].to_pylist() == ["whole.tar.gz/00000.xml.gz"]
    assert (result.counts["documents"].to_pylist(), result.counts["unreadable"].to_pylist()) == ([2], [1])
    (record,) = map(json.loads, (tmp_path / "run/quarantine/whole.tar.gz/00000.xml.gz.jsonl").read_text().splitlines())
    assert (record["document"], record["stage"]) == (None, "read")
    assert record["reason"].startswith(f"{whole}!1.xml: ")
    assert result.unreadable == [record["reason"]]
    # Another start, which finds all that can be read finished, names it too.
    (tmp_path / "in/cut.tar.gz").unlink()
    again = link(model.config([str(tmp_path / "in")], tmp_path / "run"))
    assert (again.progress.chunks, again.incomplete, again.unreadable) == (0, True, [record["reason"]])
