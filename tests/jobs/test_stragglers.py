import contextlib
import os
import signal
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import ray
from archive_samples import tar_bytes
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator
from ray_fixture import corpus_of, documents, one, outputs
from samples import collection, save

from raybel.config import Resources
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
    assert patience.publication == stragglers.LEAST_SECONDS  # all chunks may be an earlier start's
    patience.note(1, 50)
    assert patience.seconds == patience.publication == stragglers.LEAST_SECONDS
    patience.note(60, 100)
    patience.note(2, 100)
    assert patience.seconds == 60 * stragglers.TIMES_SLOWEST
    patience.restarts = 2
    assert patience.seconds == 4 * 60 * stragglers.TIMES_SLOWEST
    assert patience.after(1) == 8 * 60 * stragglers.TIMES_SLOWEST
    patience.note(2, 100)
    assert patience.seconds == 60 * stragglers.TIMES_SLOWEST  # a chunk was done since


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
    """An operator as the executor shows it: `tasks` are the numbers of those that each actor has."""

    id, metrics = "pool", None

    def __init__(self, tasks):
        self.metrics = SimpleNamespace(num_outputs_taken=0)
        actors = {Actor(name): SimpleNamespace(is_restarting=False) for name in tasks}
        self._actor_pool = SimpleNamespace(_running_actors=actors)
        self._data_tasks = {number: task_of(name) for name, numbers in tasks.items() for number in numbers}

    def num_active_tasks(self):
        return len(self._data_tasks)


@dataclass(frozen=True)
class Actor:
    _actor_id: str


def task_of(actor):
    task_id = SimpleNamespace(actor_id=lambda: actor)
    generator = SimpleNamespace(_generator_ref=SimpleNamespace(task_id=lambda: task_id))
    return SimpleNamespace(get_waitable=lambda: generator)


@pytest.fixture
def nodes(monkeypatch):
    nodes = {"head", "worker"}
    monkeypatch.setattr(stragglers, "present_nodes", lambda: set(nodes))
    return nodes


@pytest.fixture
def clock(monkeypatch, nodes):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(stragglers.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def killed(monkeypatch):
    killed = []
    monkeypatch.setattr(stragglers.ray, "kill", lambda actor, no_restart: killed.append((actor._actor_id, no_restart)))
    return killed


def look_on(watch, clock, executor, seconds):
    """Have the watch look at each so many seconds."""
    for _ in range(round(seconds / 10)):
        clock.now += 10
        watch.on_execution_step(executor)


def test_a_worker_whose_chunk_straggles_is_killed_while_others_go_on(clock, killed):
    pool, patience = Pool({"a": [0, 2], "b": [1, 3]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    with patience.watches():
        look_on(watch, clock, executor, 1e4)  # no chunk is done: nothing is known
        patience.note(1, 1)
        del pool._data_tasks[1]
        look_on(watch, clock, executor, 10)
        assert killed == [("a", False)]
        for number in (3, 5, 7):
            pool._data_tasks[number + 2] = task_of("b")
            del pool._data_tasks[number]
            pool.metrics.num_outputs_taken += 1
            look_on(watch, clock, executor, 0.9 * stragglers.LEAST_SECONDS)
        assert killed == [("a", False)] * 2  # twice the time for its second attempt, four times for its third


def test_a_worker_that_does_any_of_its_tasks_does_not_straggle(clock, killed):
    """One may wait for its chunk, which was lost with a node, while it does later ones."""
    pool, patience = Pool({"a": [0, 1]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    patience.note(1, 1)
    with patience.watches():
        for number in (1, 2, 3, 4):
            look_on(watch, clock, executor, 0.9 * stragglers.LEAST_SECONDS)
            pool._data_tasks[number + 1] = task_of("a")
            del pool._data_tasks[number]
            pool.metrics.num_outputs_taken += 1
        assert not killed
        look_on(watch, clock, executor, 1.2 * stragglers.LEAST_SECONDS)
        assert killed


def test_time_in_which_the_driver_was_stopped_does_not_count(clock, killed):
    pool, patience = Pool({"a": [0]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    patience.note(1, 1)
    with patience.watches():
        look_on(watch, clock, executor, 20)
        clock.now += 1e4
        look_on(watch, clock, executor, 0.7 * stragglers.LEAST_SECONDS)
        assert not killed
        look_on(watch, clock, executor, 0.4 * stragglers.LEAST_SECONDS)
        assert killed


def test_a_worker_that_starts_again_does_not_straggle(clock, killed):
    pool, patience = Pool({"a": [0]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    patience.note(1, 1)
    [state] = pool._actor_pool._running_actors.values()
    with patience.watches():
        state.is_restarting = True
        look_on(watch, clock, executor, stragglers.LEAST_SECONDS)
        state.is_restarting = False
        look_on(watch, clock, executor, 0.9 * stragglers.LEAST_SECONDS)
        assert not killed
        look_on(watch, clock, executor, 0.3 * stragglers.LEAST_SECONDS)
        assert killed


def test_a_stream_ends_where_nothing_goes_on_though_workers_were_killed(clock, killed):
    metrics = SimpleNamespace(num_outputs_taken=0)
    reader, pool, patience = SimpleNamespace(metrics=metrics), Pool({"a": [0]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[reader, pool]), EndsStragglers()
    patience.note(1, 1)
    with patience.watches():
        look_on(watch, clock, executor, 16 * stragglers.LEAST_SECONDS)
        assert len(killed) == stragglers.MOST_KILLS
        reader.metrics.num_outputs_taken += 1
        look_on(watch, clock, executor, 15 * stragglers.LEAST_SECONDS)
        with pytest.raises(StragglersError, match="nothing was done for"):
            look_on(watch, clock, executor, 2 * stragglers.LEAST_SECONDS)
    look_on(watch, clock, executor, 1e6)  # of another job, which isn't watched
    assert len(killed) == stragglers.MOST_KILLS


def test_a_stream_ends_where_a_killed_worker_never_comes_back(clock, killed):
    pool, patience = Pool({"a": [0], "b": []}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    patience.note(1, 1)
    with patience.watches():
        look_on(watch, clock, executor, 1.2 * stragglers.LEAST_SECONDS)
        assert len(killed) == 1
        pool._actor_pool._running_actors[Actor("a")].is_restarting = True
        with pytest.raises(StragglersError):
            look_on(watch, clock, executor, 5 * stragglers.LEAST_SECONDS)


@pytest.mark.parametrize(("ready", "active", "ends"), [(True, True, True), (False, True, False), (True, False, False)])
def test_a_stream_ends_where_only_readers_have_work_and_hang(clock, ready, active, ends):
    metrics = SimpleNamespace(num_outputs_taken=0)
    reader, pool = SimpleNamespace(metrics=metrics, num_active_tasks=lambda: int(active)), Pool({"a": []})
    if not ready:
        pool._actor_pool._running_actors.clear()
    executor, watch, patience = SimpleNamespace(_topology=[reader, pool]), EndsStragglers(), Patience(1, restarts=1)
    with patience.watches():
        look_on(watch, clock, executor, 2 * stragglers.READER_SECONDS - 10)
        with pytest.raises(StragglersError) if ends else contextlib.nullcontext():
            look_on(watch, clock, executor, 30)


def test_readers_are_waited_for_less_where_a_node_was_lost(clock, nodes):
    metrics = SimpleNamespace(num_outputs_taken=0)
    reader, pool = SimpleNamespace(metrics=metrics, num_active_tasks=lambda: 1), Pool({"a": []})
    executor, watch, patience = SimpleNamespace(_topology=[reader, pool]), EndsStragglers(), Patience(1)
    with patience.watches():
        look_on(watch, clock, executor, 10)
        nodes.add("another")
        look_on(watch, clock, executor, 2 * stragglers.SECONDS_AFTER_LOSS)
        nodes.remove("worker")
        for _ in range(round(stragglers.LOST_SECONDS / 40) + 1):
            metrics.num_outputs_taken += 1
            look_on(watch, clock, executor, 40)
        look_on(watch, clock, executor, 2 * stragglers.SECONDS_AFTER_LOSS)  # that was long ago
        metrics.num_outputs_taken += 1
        nodes.remove("another")
        look_on(watch, clock, executor, stragglers.SECONDS_AFTER_LOSS)
        with pytest.raises(StragglersError):
            look_on(watch, clock, executor, 30)


def test_where_a_node_was_lost_and_nothing_goes_on_the_stream_ends_early(clock, nodes, killed):
    """Of a pool that had grown, one worker may idle with all CPUs that are left, and one with chunks have none."""
    pool, patience = Pool({"a": [], "b": [1]}), Patience(1)
    executor, watch = SimpleNamespace(_topology=[pool]), EndsStragglers()
    patience.note(1, 1)
    with patience.watches():
        look_on(watch, clock, executor, 10)
        nodes.remove("worker")
        look_on(watch, clock, executor, stragglers.SECONDS_AFTER_LOSS - 10)
        pool.metrics.num_outputs_taken += 1
        for state in pool._actor_pool._running_actors.values():  # they may take long for their models
            state.is_restarting = True
        look_on(watch, clock, executor, 1.5 * stragglers.SECONDS_AFTER_LOSS)
        next(iter(pool._actor_pool._running_actors.values())).is_restarting = False
        with pytest.raises(StragglersError):
            look_on(watch, clock, executor, 20)
    assert not killed


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
    none = {"resources": Resources(max_restarts=0)}  # it isn't a death of its own
    link(model.config(corpus, tmp_path / "hanging", **options, **none))
    assert os.path.exists(flag)
    assert "it is killed, and the chunk begins again" in caplog.text
    assert "what is left begins again" not in caplog.text
    assert (tmp_path / "hanging/shards/a.tar/00003.xml.gz").exists()
    assert outputs(tmp_path / "hanging") == outputs(tmp_path / "whole")


def stage_that_hangs_at(surface):
    """A stage that stops its own process whenever it comes to a surface."""

    class LinkStage(Stage):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            ((_, linker),) = self.linkers
            search = linker.cache.search

            def hangs(surfaces):
                if surface in surfaces:
                    os.kill(os.getpid(), signal.SIGSTOP)
                return search(surfaces)

            linker.cache.search = hangs

    return LinkStage


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_document_that_each_worker_hangs_at_goes_to_the_quarantine(local_ray, model, tmp_path, monkeypatch, caplog):
    corpus = [*documents("a", 9), one("hanging", "poison"), *documents("b", 9)]
    save(tmp_path / "corpus" / "a.xml", collection(*corpus))
    save(tmp_path / "corpus" / "b.xml", collection(*documents("c", 40)))
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", 8.0)  # Ray takes five for a process that doesn't end by itself
    monkeypatch.setattr(job, "LinkStage", stage_that_hangs_at("poison"))
    options = {"chunk_documents": 4, "max_bad_fraction": 1, "resources": Resources(max_restarts=0)}
    result = link(model.config(tmp_path / "corpus", tmp_path / "run", **options))
    assert caplog.text.count("it is killed, and the chunk begins again") == stragglers.MOST_KILLS
    assert "what is left begins again" not in caplog.text
    assert result.counts["quarantined"].to_pylist() == [1, 0]
    assert '"doc_id": "hanging"' in (tmp_path / "run/quarantine/a.xml.gz.jsonl").read_text()
    assert result.progress.counts["documents"] == 59


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
