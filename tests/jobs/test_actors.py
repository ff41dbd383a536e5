"""Actors that die are restarted so often, whatever Ray thinks of it."""

import os
from types import SimpleNamespace

import pyarrow as pa
import pytest
import ray
from ray.core.generated.common_pb2 import WorkerExitType
from ray.core.generated.gcs_pb2 import ActorTableData, PreviousActorIncarnation, WorkerTableData

from raybel.errors import RaybelError
from raybel.jobs import nodes
from raybel.jobs.actors import on_actors
from raybel.jobs.nodes import is_lost, most_resources, this_node
from raybel.jobs.runtime import Allocation, data_context, ray_session


class Dies:
    """Ends its process at its first batches, and notes each start."""

    def __init__(self, home, times):
        self.home, self.times = home, times
        self.number = len(os.listdir(home))
        (home / str(self.number)).touch()

    def __call__(self, batch):
        if self.number < self.times:
            os._exit(1)
        return pa.table({"number": [self.number]})


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("max_restarts", "times"),
    [(1, 1), pytest.param(1, 2, marks=pytest.mark.bench), pytest.param(11, 12, marks=pytest.mark.bench)],
)
def test_an_actor_dies_so_often(local_ray, tmp_path, max_restarts, times):
    with ray_session(), data_context():
        rows = ray.data.from_items([{"number": 0}]).map_batches(
            **on_actors(Dies, (tmp_path, times), Allocation(1, 0.5, 0.5), max_restarts), batch_format="pyarrow"
        )
        if times <= max_restarts:
            assert rows.take_all() == [{"number": times}]
        else:
            with (
                pytest.raises(
                    RaybelError, match="more often than --max-restarts allows; of the last one's end Ray says: "
                ),
                ray_session(),
            ):
                rows.take_all()
    assert len(os.listdir(tmp_path)) == max_restarts + 1


def test_deaths_that_ray_no_longer_remembers_count(local_ray, monkeypatch):
    """It remembers an actor's last ten processes."""
    actor, died = os.urandom(ray.ActorID.size()), []
    here, gone = bytes.fromhex(this_node()), os.urandom(28)

    def known(actor):
        return ActorTableData(previous_incarnations=died[-10:]).SerializeToString()

    monkeypatch.setattr(ray._private.state.state, "get_actor_info", known)
    monkeypatch.setattr(nodes.ray, "get_runtime_context", lambda: SimpleNamespace(get_actor_id=actor.hex))
    assert not nodes.refuse_further_restarts(12)

    def dies(times):
        for _ in range(times):
            died.extend(PreviousActorIncarnation(worker_id=os.urandom(28), node_id=node) for node in (here, gone))
            assert nodes.refuse_further_restarts(12)

    dies(12)
    nodes.forget_deaths()
    assert not nodes.refuse_further_restarts(0)
    dies(12)
    assert nodes.refuse_further_restarts(12)  # it is started again without a death: its node was lost
    with pytest.raises(RaybelError, match="a worker died 13 times, more often than --max-restarts allows"):
        dies(1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            WorkerTableData(exit_type=WorkerExitType.NODE_OUT_OF_MEMORY, memory_used_bytes_at_death=2_340_000_000),
            "Ray ended the last one of 2.3 GB, since its machine was about to run out of memory: give fewer --actors",
        ),
        (WorkerTableData(exit_detail="End of file. Some causes"), "of the last one's end Ray says: End of file"),
        (None, "of the last one's end Ray says: nothing"),
    ],
)
def test_why_a_worker_died(monkeypatch, data, said):
    accessor = SimpleNamespace(get_worker_info=lambda worker: data and data.SerializeToString())
    monkeypatch.setattr(ray._private.state.state, "_connect_and_get_accessor", lambda: accessor)
    assert nodes.why_it_died(ray.WorkerID.from_random()).startswith(said)


def test_nodes(local_ray):
    assert not is_lost(this_node())
    assert is_lost("0" * 56)
    assert not is_lost("")
    assert most_resources()["CPU"] == 2.0


def test_a_cluster_that_may_grow(local_ray, monkeypatch):
    monkeypatch.setattr(
        ray._private.state.state, "get_max_resources_from_cluster_config", lambda: {"CPU": 64, "GPU": 8, "memory": 1}
    )
    most = most_resources()
    assert (most["CPU"], most["GPU"]) == (64.0, 8.0)
    assert most["memory"] == ray.cluster_resources()["memory"]
