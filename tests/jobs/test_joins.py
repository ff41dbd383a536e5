"""Ray Data looks which nodes there are as soon as one joined."""

from types import SimpleNamespace

import pytest
from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import _AutoscalingCoordinatorActor

from raybel.jobs import joins
from raybel.jobs.joins import UsesNewNodes


@pytest.fixture
def nodes(monkeypatch):
    nodes = {"a"}
    monkeypatch.setattr(joins, "present_nodes", lambda: set(nodes))
    return nodes


@pytest.fixture
def looks(monkeypatch):
    """What Ray Data's actor was asked."""
    looks = []
    ask = SimpleNamespace(remote=lambda asker, recompute: looks.append(recompute))
    monkeypatch.setattr(joins.ray, "get_actor", lambda name, namespace: SimpleNamespace(get_reserved_resources=ask))
    return looks


def test_a_node_that_joins_is_looked_at_once(nodes, looks, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(joins.time, "monotonic", lambda: clock.now)
    watch = UsesNewNodes()

    def step(seconds):
        clock.now += seconds
        watch.on_execution_step(None)
        return len(looks)

    assert step(0) == 1  # it may have looked last before these joined
    nodes.add("b")
    assert step(joins.LOOK_SECONDS / 2) == 1
    assert step(joins.LOOK_SECONDS) == 2
    assert step(joins.LOOK_SECONDS) == 2
    nodes.remove("b")
    assert step(joins.LOOK_SECONDS) == 2
    nodes.add("c")
    assert step(joins.LOOK_SECONDS) == 3
    assert looks == [True] * 3


def test_without_ray_datas_actor_nothing_is_asked(nodes, monkeypatch):
    def none(name, namespace):
        raise ValueError("no actor of that name")

    monkeypatch.setattr(joins.ray, "get_actor", none)
    joins._look_at_nodes()


def test_ray_datas_actor_answers_so():
    """As its version that is pinned does; the request itself is the actor's of a Dataset that runs."""
    there = []
    actor = _AutoscalingCoordinatorActor(get_cluster_nodes=lambda: there, send_resources_request=lambda *args: None)
    here = {"Alive": True, "NodeID": "n", "Resources": {"CPU": 4.0, "memory": 8.0, "object_store_memory": 2.0}}
    actor.request_resources("dataset", [], 60.0, request_remaining=["CPU"])
    there.append(here)
    assert not actor.get_reserved_resources("dataset")
    assert actor.get_reserved_resources("raybel", recompute=True) == {}
    assert actor.get_reserved_resources("dataset")["n"]["CPU"] == 4.0
