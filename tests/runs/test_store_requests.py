import pytest
from faulty_store import FaultyStore
from samples import collection, parts, save, shards_of, simple_document

from raybel.errors import LockedError
from raybel.files import leases, storage
from raybel.linking.poison import SUFFIX, CrashRecord
from raybel.runs.run_directory import RunDirectory

#: Of a chunk's own, as docs/clusters.md says, and of a shard's.
OF_A_CHUNK, OF_A_SHARD = 6, 12


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.0)
    faulty = FaultyStore("requests")
    yield faulty
    faulty.close()


def work(run, shard, made):
    """Do to parts what an actor does."""
    for part in made:
        crashes = CrashRecord(run.part_file(shard, part.summary["chunk"], SUFFIX), "session")
        assert crashes.is_first
        crashes.begin()
        run.write_part(shard, part)
    return run.assemble(shard, len(made))


def test_a_chunk_and_a_shard_cost_few_requests(store, tmp_path):
    chunks = 12
    save(tmp_path / "a.xml", collection(*(simple_document(str(number)) for number in range(2 * chunks))))
    (shard,) = shards_of([str(tmp_path / "a.xml")], "f")
    made = parts(shard.path, chunk_documents=2)
    assert len(made) >= chunks
    with RunDirectory(store.uri("run")).held() as run:
        store.requests.clear()
        work(run, shard, made)
        counted = [request for request in store.requests if not request[1].endswith("/.lock")]
        assert len(counted) <= OF_A_CHUNK * len(made) + OF_A_SHARD, counted
        assert {query for method, _, query in counted if method in ("PUT", "POST")} <= {"", "delete"}
    assert not [name for name in storage.names(run.uri) if name.startswith("parts") or name.endswith("/")]


def test_a_worker_of_a_job_that_lost_its_directory_publishes_and_deletes_nothing(store, tmp_path):
    save(tmp_path / "a.xml", collection(*(simple_document(str(number)) for number in range(4))))
    (shard,) = shards_of([str(tmp_path / "a.xml")], "f")
    made = parts(shard.path, chunk_documents=2)
    with RunDirectory(store.uri("run")).held() as run:
        for part in made:
            run.write_part(shard, part)
        storage.publish_json(storage.join(run.uri, ".lock"), {"id": "other", "host": "h", "pid": 1})
        before = storage.names(run.uri)
        for change in (lambda: run.assemble(shard, len(made)), lambda: run.finish([])):
            with pytest.raises(LockedError, match="another job works on it now"):
                change()
        assert storage.names(run.uri) == before
