import io

import pyarrow.parquet as pq
import pytest
from faulty_store import FaultyStore, every
from samples import collection, save, simple_document

from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.link.job import link
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import status

#: All told, with what a job does at its start and its end.
MOST_REQUESTS_OF_A_CHUNK = 8


@pytest.fixture
def store():
    faulty = FaultyStore("link")
    yield faulty
    faulty.close()


def outputs(run):
    wanted = (name for name in storage.names(run) if name.partition("/")[0] in ("shards", "mentions", "documents"))
    return {name: storage.read_bytes(join(run, name)) for name in wanted}


@pytest.mark.bench
def test_a_run_on_a_store_makes_few_requests_and_the_same_bytes(local_ray, model, store, tmp_path, caplog):
    chunks = 40  # what a start and an end cost is spread over them
    for name in ("a.xml", "b.xml"):
        save(tmp_path / "in" / name, collection(*(simple_document(name + str(number)) for number in range(chunks))))
    here, there = str(tmp_path / "run"), store.uri("run")
    link(model.config(tmp_path / "in", here, chunk_documents=2))
    link(model.config(tmp_path / "in", there, chunk_documents=2))
    counted = len(store.requests)
    keys = [each["Key"] for each in store.client.list_objects_v2(Bucket=store.bucket)["Contents"]]
    assert not [key for key in keys if key.endswith(("/", ".lock")) or "/parts/" in key]
    assert counted <= MOST_REQUESTS_OF_A_CHUNK * chunks, store.requests
    assert store.unfinished_uploads() == []
    assert outputs(there) == outputs(here)
    for name in ("a.xml", "b.xml"):
        storage.publish(store.uri(f"in/{name}"), (tmp_path / "in" / name).read_bytes())
    storage.publish(store.uri("in/c.xml"), b"<collection>")
    store.fault = every(20, 503)
    unwell = store.uri("unwell")
    done = link(model.config(store.uri("in"), unwell, chunk_documents=2))
    store.fault = lambda method, path: None
    assert outputs(unwell) == outputs(here)
    assert list(done.failed) == [store.uri("in/c.xml").replace("key:secret@", "")]
    assert status(RunDirectory(unwell)).state.startswith("finished")
    written = {name: storage.read_bytes(join(unwell, name)) for name in storage.names(unwell)}
    assert {"manifest.json", "logs/plan.json", "logs/progress.json", "quarantine/c.xml.gz.jsonl"} <= written.keys()
    tables = [str(pq.read_table(io.BytesIO(data)).to_pylist()) for name, data in written.items() if "parquet" in name]
    logged = [*caplog.messages, *map(str, written.values()), *tables, *done.failed.values(), *done.notes]
    assert not [text for text in logged if "secret" in text]
