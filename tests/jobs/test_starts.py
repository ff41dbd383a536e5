import os
import signal
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import ray
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator

from raybel.errors import RaybelError
from raybel.jobs import starts
from raybel.jobs.actors import on_actors
from raybel.jobs.runtime import Allocation, data_context, ray_session
from raybel.jobs.starts import WatchesStarts


@dataclass(frozen=True)
class Actor:
    _actor_id: str


class Pool(ActorPoolMapOperator):
    """An operator as the executor shows it."""

    def __init__(self, pending=(), running=(), restarting=0):
        self._actor_pool = SimpleNamespace(
            _pending_actors={name: Actor(name) for name in pending},
            _running_actors=[Actor(name) for name in running],
            num_running_actors=lambda: len(running),
            num_restarting_actors=lambda: restarting,
        )


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(starts.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def deaths(monkeypatch):
    deaths = {}
    monkeypatch.setattr(starts, "deaths_of", lambda actor: deaths.get(actor, []))
    monkeypatch.setattr(starts, "why_it_died", lambda worker: f"it was {worker}")
    monkeypatch.setattr(starts.ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    monkeypatch.setattr(starts.ray, "available_resources", lambda: {"CPU": 0.5})
    return deaths


def look_on(watch, clock, pool, seconds):
    for _ in range(round(seconds / starts.LOOK_SECONDS)):
        clock.now += starts.LOOK_SECONDS
        watch.on_execution_step(SimpleNamespace(_topology=[object(), pool]))


def test_what_workers_wait_for_is_said_more_and_more_seldom(clock, deaths, caplog):
    watch = WatchesStarts()
    look_on(watch, clock, Pool(["a", "b"]), starts.SAY_SECONDS)
    assert not caplog.messages
    look_on(watch, clock, Pool(["a", "b"]), 90)
    assert caplog.messages == [
        "no worker is ready after 35 s: 2 workers wait for room or load their models; free: 0.5 of 4 CPUs and "
        "0 of 1 GPUs",
        "no worker is ready after 1 min 05 s: 2 workers wait for room or load their models; free: 0.5 of 4 CPUs and "
        "0 of 1 GPUs",
    ]
    caplog.clear()
    look_on(watch, clock, Pool(["b"], ["a"]), 1e4)
    assert not caplog.messages


def test_workers_that_keep_dying_before_they_are_ready_end_the_job(clock, deaths, caplog):
    watch, pool = WatchesStarts(), Pool(["a", "b"])
    look_on(watch, clock, pool, starts.GIVE_UP_SECONDS)
    deaths["b"] = ["x", "y"]
    look_on(watch, clock, pool, starts.GIVE_UP_SECONDS)
    assert caplog.messages[-1] == "no worker is ready after 2 min 05 s: one died 2 times on the way"
    deaths["b"] += ["z"]
    with pytest.raises(RaybelError, match=r"no worker could start for 4 min 00 s, and one died 3 times .*; it was z"):
        look_on(watch, clock, pool, 5)


def test_deaths_of_a_worker_that_was_ready_before_say_nothing_of_its_start(clock, deaths):
    watch, pool = WatchesStarts(), Pool([], ["a"], restarting=1)
    deaths["a"] = list(range(10))
    look_on(watch, clock, pool, 2 * starts.GIVE_UP_SECONDS)
    deaths["a"] = list(range(2, 12))  # Ray remembers the last ten
    look_on(watch, clock, pool, 5)
    deaths["a"] = list(range(3, 13))
    with pytest.raises(RaybelError, match=r"one died 3 times .*; it was 12"):
        look_on(watch, clock, pool, 5)


def test_time_in_which_the_driver_was_stopped_does_not_count(clock, deaths):
    watch, pool = WatchesStarts(), Pool(["a"])
    look_on(watch, clock, pool, 20)
    clock.now += 2 * starts.LONGEST_WAIT_SECONDS
    look_on(watch, clock, pool, starts.LONGEST_WAIT_SECONDS - 60)
    with pytest.raises(RaybelError, match="no worker was ready for 1 h 00 min"):
        look_on(watch, clock, pool, 60)


def test_a_worker_that_was_ready_for_a_moment_started(clock, deaths):
    """One that dies at a document as soon as it is ready is for `--max-restarts` to end, and the quarantine."""
    watch = WatchesStarts()
    for death in range(1, 20):
        deaths["a"] = list(range(max(0, death - 10), death))
        look_on(watch, clock, Pool([], ["a"], restarting=1), 40)
        watch.on_execution_step(SimpleNamespace(_topology=[Pool([], ["a"])]))


def test_no_worker_for_very_long_ends_the_job(clock, deaths):
    watch = WatchesStarts()
    look_on(watch, clock, Pool(["a"]), starts.LONGEST_WAIT_SECONDS)
    with pytest.raises(
        RaybelError, match="no worker was ready for 1 h 00 min: 1 worker waits for room or loads its models"
    ):
        look_on(watch, clock, Pool(["a"]), 20)


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore:.*ray_remote_args")
def test_an_actor_killed_in_its_start_ends_a_dataset(local_ray, monkeypatch):
    """Ray alone starts it again without end."""

    class Dies:
        def __init__(self):
            os.kill(os.getpid(), signal.SIGKILL)

        def __call__(self, batch):
            return batch

    for name, value in {"LOOK_SECONDS": 0.2, "GIVE_UP_SECONDS": 1.0, "MOST_DEATHS": 1}.items():
        monkeypatch.setattr(starts, name, value)
    with ray_session(), data_context():
        dataset = ray.data.range(3).map_batches(**on_actors(Dies, (), Allocation(1, 0.5, 0.5), 1_000))
        with pytest.raises(RaybelError, match=r"no worker could start for .*, and one died"):
            dataset.materialize()
