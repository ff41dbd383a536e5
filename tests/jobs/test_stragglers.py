import contextlib
import os
import signal
from types import SimpleNamespace

import pytest
import ray
from archive_samples import tar_bytes
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator
from ray_fixture import corpus_of, documents, outputs
from samples import collection

from raybel.errors import RaybelError
from raybel.jobs import stragglers
from raybel.jobs.assembling import Assembling
from raybel.jobs.link import job
from raybel.jobs.link.job import link
from raybel.jobs.link.stage import LinkStage as Stage
from raybel.jobs.sessions import Session
from raybel.jobs.stragglers import EndsStragglers, Patience, StragglersError
from raybel.runs.inputs import Shard


def test_patience_grows_with_the_slowest_chunk_and_with_each_restart():
    patience = Patience.with_places(100, ["/a", "/b"])
    assert patience.seconds == float("inf")  # nothing is known before the first chunk
    patience.note(1, 50)
    assert patience.seconds == stragglers.LEAST_SECONDS
    patience.note(60, 100)
    patience.note(2, 100)
    assert patience.seconds == 60 * stragglers.TIMES_SLOWEST
    patience.restarts = 2
    assert patience.seconds == 4 * 60 * stragglers.TIMES_SLOWEST


def test_before_a_full_chunk_is_done_a_small_one_says_what_it_would_take():
    patience = Patience.with_places(100, ["/a"])
    patience.note(3, 5)
    assert patience.seconds == 60 * stragglers.TIMES_SLOWEST
    patience.note(0, 0)
    patience.note(40, 80)
    assert patience.seconds == 50 * stragglers.TIMES_SLOWEST


def test_a_store_that_is_away_is_no_straggler(monkeypatch):
    monkeypatch.setenv("RAYBEL_OUTAGE_SECONDS", "70")
    patience = Patience.with_places(100, ["/a", "s3://bucket/b"])
    patience.note(1, 100)
    assert patience.seconds == stragglers.LEAST_SECONDS + 70


class Pool(ActorPoolMapOperator):
    """An operator as the executor shows it."""

    metrics = SimpleNamespace(num_outputs_taken=0)

    def __init__(self, tasks):
        self.tasks = tasks

    def num_active_tasks(self):
        return self.tasks


@pytest.mark.parametrize(("tasks", "progresses", "ends"), [(1, False, True), (0, False, False), (1, True, False)])
def test_a_stream_ends_where_actors_have_work_and_nothing_goes_on(monkeypatch, tasks, progresses, ends):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(stragglers.time, "monotonic", lambda: clock.now)
    reader = SimpleNamespace(metrics=SimpleNamespace(num_outputs_taken=0), num_active_tasks=lambda: 1)
    executor, watch, patience = SimpleNamespace(_topology=[reader, Pool(tasks)]), EndsStragglers(), Patience(1)
    with patience.watches():
        watch.on_execution_step(executor)
        clock.now += 1e6
        watch.on_execution_step(executor)  # no chunk is done: nothing is known
        patience.note(1, 1)
        reader.metrics.num_outputs_taken += 1
        watch.on_execution_step(executor)
        for _ in range(2):
            clock.now += 0.4 * stragglers.LEAST_SECONDS
            reader.metrics.num_outputs_taken += progresses
            watch.on_execution_step(executor)
        clock.now += 0.4 * stragglers.LEAST_SECONDS
        with pytest.raises(StragglersError) if ends else contextlib.nullcontext():
            reader.metrics.num_outputs_taken += progresses
            watch.on_execution_step(executor)
    clock.now += 1e6
    watch.on_execution_step(executor)  # of another job, which isn't watched


def hanging_stage(flag):
    """A stage that stops its own process at one chunk, once."""

    class LinkStage(Stage):
        def part(self, chunk, crashes):
            if chunk["shard"][0].as_py() == "a.tar/00001.xml.gz" and not os.path.exists(flag):
                open(flag, "w").close()
                os.kill(os.getpid(), signal.SIGSTOP)
            return super().part(chunk, crashes)

    return LinkStage


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_worker_that_hangs_costs_its_chunks_a_second_start(local_ray, model, tmp_path, monkeypatch, caplog):
    (tmp_path / "in").mkdir()
    corpus = corpus_of(tmp_path / "in", 1, 24)
    (corpus / "a.tar").write_bytes(tar_bytes({"b.xml": collection(*documents("b", 30)).encode()}))
    options = {"chunk_documents": 4, "shard_documents": 8}
    link(model.config(corpus, tmp_path / "whole", **options))
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", 2.0)
    monkeypatch.setattr(stragglers, "TIMES_SLOWEST", 0.0)
    flag = str(tmp_path / "hung")
    monkeypatch.setattr(job, "LinkStage", hanging_stage(flag))
    link(model.config(corpus, tmp_path / "hanging", **options))
    assert os.path.exists(flag)
    assert "what is left begins again" in caplog.text
    assert (tmp_path / "hanging/shards/a.tar/00003.xml.gz").exists()
    assert outputs(tmp_path / "hanging") == outputs(tmp_path / "whole")


def run_of(home, hangs):
    """A run directory whose first attempt at a shard hangs, or fails as all do."""

    class Run:
        def assemble(self, shard, chunks):
            if not hangs:
                raise RaybelError("told to")
            if not os.path.exists(f"{home}/first"):
                os.mkdir(f"{home}/first")
                os.symlink(str(os.getpid()), f"{home}/pid")
                os.kill(os.getpid(), signal.SIGSTOP)
            return {"documents": chunks}

    return Run()


def test_a_shard_that_is_published_twice_counts_once(local_ray, tmp_path, caplog):
    shards = Assembling(run_of(str(tmp_path), hangs=True), Session("r"))
    shards.begin(Shard("a.xml", "a.xml.gz", "key", "a.xml"), 3)
    while not (tmp_path / "first").exists():
        assert not list(shards.done(0.1))
    shards.again(1e9)
    assert len(shards) == 1
    assert "started again" not in caplog.text
    shards.again(0)
    found = []
    while shards:
        found += shards.done(0.1)
    assert [(shard.name, state) for shard, state in found] == [("a.xml.gz", {"documents": 3})]
    assert "a.xml.gz: started again" in caplog.text
    os.kill(int(os.readlink(tmp_path / "pid")), signal.SIGCONT)  # it has a share of a CPU


def test_a_shard_is_published_where_actors_hold_all_cpus(local_ray, tmp_path):
    """Two at a time, on two CPUs."""

    class Run:
        def assemble(self, shard, chunks):
            return {"documents": chunks}

    @ray.remote(num_cpus=2)
    class Holds:
        def ready(self):
            return True

    actor = Holds.remote()
    assert ray.get(actor.ready.remote())
    assert ray.available_resources().get("CPU", 0.0) == 0
    shards = Assembling(Run(), Session("r"))
    for name in "abc":
        shards.begin(Shard(f"{name}.xml", f"{name}.xml.gz", "key", f"{name}.xml"), 3)
    assert (len(shards), len(shards._tasks)) == (3, 2)
    found = []
    while shards:
        found += shards.done(60)
    assert sorted(shard.path for shard, _ in found) == ["a.xml", "b.xml", "c.xml"]
    ray.kill(actor)


def test_a_shard_that_cannot_be_published_is_an_error(local_ray, tmp_path):
    shards = Assembling(run_of(str(tmp_path), hangs=False), Session("r"))
    shards.begin(Shard("a.xml", "a.xml.gz", "key", "a.xml"), 3)
    with pytest.raises(RaybelError, match="told to"):
        list(shards.done(60))
