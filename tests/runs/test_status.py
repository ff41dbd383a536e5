"""What `status` says at several moments of a run, whose states and logs are made by hand."""

import os

import pytest
from archive_samples import packed
from samples import collection, parts, save, simple_document

from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.errors import InputError
from raybel.files import storage
from raybel.linking.rankings import Rankings
from raybel.linking.render import render
from raybel.runs.inputs import find_inputs
from raybel.runs.logs import write_plan, write_progress
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import status

STOPPED = "stopped; run the same command to go on"


@pytest.fixture
def run(tmp_path):
    made = RunDirectory(str(tmp_path / "run"))
    made.open({"top_k": 10}, {}, False)
    return made


def plan(run, *patterns, fingerprint="f"):
    inputs = find_inputs(list(map(str, patterns)), fingerprint)
    write_plan(run, inputs)
    return inputs


def log(run, documents, own=None, finished=False, share=0.5, failed=()):
    own = {"documents": documents if own is None else own, "mentions": 0}
    counts = {"documents": documents, "quarantined": 0}
    more = {"share": share, "files_failed": len(failed), "failed": list(failed)}
    write_progress(run, {"counts": counts, "own": own, "seconds": 2.0, "finished": finished, **more})


def publish(run, item, name=None, only=None, **more):
    """Publish a file's shard; of an archive, the state of one of its shards."""
    if not item.source.is_bundle:
        made = parts(item.source.path, chunk_documents=2)
        for part in made:
            run.write_part(item.shard(), part)
        return run.assemble(item.shard(), len(made))
    shard = item.shard(name)
    state = {"name": name, "key": shard.key, "documents": 2, "quarantined": 0, "unreadable": 0, "next": None}
    return storage.publish_json(run.file("state", name), {**state, **more})


def figures(run):
    said = {name: value for name, value in status(run).figures if name != "last update"}
    done, total = said["input files"].split(" of ")
    assert int(done) <= int(total)
    return said


@pytest.fixture
def corpus(tmp_path):
    for name in "ab":
        save(tmp_path / f"in/{name}.xml", collection(*(simple_document(f"{name}{i}") for i in range(3))))
    return tmp_path / "in"


def test_a_run_from_its_first_moment_to_its_last(tmp_path, run, corpus):
    with pytest.raises(InputError, match="isn't a run directory"):
        status(RunDirectory(str(tmp_path)))
    nothing = {"input files": "0 of 0", "shards": 0, "documents": 0, "documents in quarantine": 0}
    assert (status(run).state, figures(run)) == (STOPPED, nothing)
    with run.work.lock():
        assert status(run).state == "running"
    first, second = plan(run, corpus)
    log(run, 0, share=0.0)
    assert figures(run) == {**nothing, "input files": "0 of 2", "input read, %": "0.0"}
    log(run, 2)
    begun = {"input files": "0 of 2", "documents in unfinished shards": 2, "documents/s (this start)": "1.0"}
    assert figures(run) == {**nothing, **begun, "input read, %": "50.0"}
    publish(run, first)  # later than what was logged last
    assert figures(run) == {
        "input files": "1 of 2", "shards": 1, "documents": 3, "documents in quarantine": 0,
        "input read, %": "50.0", "documents/s (this start)": "1.0",
    }  # fmt: skip
    assert status(run).state == STOPPED
    publish(run, second)
    assert status(run).state == STOPPED  # the driver was killed before it wrote the counts
    log(run, 6, own=3, finished=True, share=1.0)
    assert status(run).state == "finished"
    assert figures(run) == {
        "input files": "2 of 2", "shards": 2, "documents": 6, "documents in quarantine": 0,
        "input read, %": "100.0", "documents/s (this start)": "1.5",
    }  # fmt: skip
    assert status(run).notes == (f"fingerprint {run.manifest()['fingerprint']}",)
    plan(run, corpus)  # a next start, which finds all of it finished
    log(run, 6, own=0, share=1.0)
    assert (figures(run)["documents"], "documents/s (this start)" in figures(run)) == (6, False)


def test_a_file_that_couldnt_be_read_is_named_with_its_reason(run, corpus):
    first, second = plan(run, corpus)
    publish(run, first)
    run.set_aside(second.shard(), "b.xml: is cut off")
    log(run, 3, finished=True, share=1.0, failed=["b.xml: is cut off"])
    assert status(run).state == "finished, but 1 input file couldn't be read"
    assert figures(run)["  couldn't be read"] == 1
    assert status(run).notes[1:] == ("not read: b.xml: is cut off",)
    log(run, 3)
    assert status(run).state == STOPPED


def test_what_was_made_of_an_earlier_content_is_not_taken_for_finished(run, corpus):
    first, second = plan(run, corpus)
    publish(run, first)
    publish(run, second)
    log(run, 6, finished=True, share=1.0)
    os.utime(corpus / "b.xml", (1, 1))
    assert status(run).state == "finished, but 1 input file changed since; the same command goes on with what is new"
    assert (figures(run)["input files"], figures(run)["  changed since the last start"]) == ("2 of 2", 1)
    plan(run, corpus)  # the next start has begun
    log(run, 3, own=0, share=0.5)
    assert status(run).state == STOPPED
    said = figures(run)
    assert (said["input files"], said["shards"], said["documents"]) == ("1 of 2", 1, 3)
    assert said["shards of other inputs, or of earlier contents"] == 1
    (corpus / "b.xml").unlink()  # not to be seen from here: that says nothing
    assert "  changed since the last start" not in figures(run)


def test_an_archive_is_finished_when_all_shards_of_its_present_content_are(tmp_path, run):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(".tar", {"a.xml": collection(simple_document("1")).encode()}))
    (item,) = plan(run, path)
    publish(run, item, "dump.tar/00000.xml.gz", next={"file": 1, "document": 0})
    publish(run, item, "dump.tar/00001.xml.gz", key="of an earlier content")
    assert (figures(run)["input files"], figures(run)["shards"]) == ("0 of 1", 1)
    publish(run, item, "dump.tar/00002.xml.gz")  # the last one is there before the one in the middle
    assert (figures(run)["input files"], figures(run)["shards"]) == ("0 of 1", 2)
    publish(run, item, "dump.tar/00001.xml.gz", next={"file": 2, "document": 0})
    said = figures(run)
    assert (said["input files"], said["shards"], said["documents"]) == ("1 of 1", 3, 6)


def test_a_group_is_known_from_the_plan(run, corpus):
    inputs = find_inputs([str(corpus)], "f", group=True)
    write_plan(run, inputs)
    assert figures(run)["input files"] == "0 of 1"
    publish(run, inputs[0], "group-00000/00000.xml.gz")
    assert (figures(run)["input files"], figures(run)["shards"]) == ("1 of 1", 1)


def test_damaged_members_are_counted_and_named(tmp_path, run):
    path = tmp_path / "dump.tar"
    path.write_bytes(packed(".tar", {f"{number}.xml": b"<" for number in range(5)}))
    (item,) = plan(run, path)
    (chunk,) = read_chunks(item.source, item.name, ReadOptions())
    shard = item.shard(chunk["shard"][0].as_py())
    run.write_part(shard, render(chunk, Rankings.none(0)))
    run.assemble(shard, 1)
    log(run, 0, finished=True, share=1.0)
    _, count, *named = status(run).notes
    assert count == "5 files of archives or groups couldn't be read to the end, such as:"
    assert [note.partition(":")[0] for note in named] == [f"{path}!{number}.xml" for number in range(3)]


def test_logs_of_an_earlier_version_say_nothing(run):
    storage.publish_json(f"{run.uri}/logs/plan.json", [{"name": "a.xml.gz", "path": "a.xml", "bundle": False}])
    storage.publish_json(f"{run.uri}/logs/progress.json", {"counts": {"documents": 1}, "finished": True})
    assert (figures(run)["input files"], status(run).state) == ("0 of 0", STOPPED)
