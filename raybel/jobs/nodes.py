"""A cluster's nodes: what they have and may come to have, and which of them are lost."""

from __future__ import annotations

import json

import ray
from ray.core.generated.common_pb2 import WorkerExitType
from ray.core.generated.gcs_pb2 import ActorTableData, WorkerTableData
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from raybel.display import counted
from raybel.errors import RaybelError


def this_node() -> str:
    """Return the id of the node that this process works on; empty without a Ray."""
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""


def is_lost(node: str) -> bool:
    """Return whether a node was in the cluster and is no more, by its id."""
    return node != "" and ray.is_initialized() and node not in present_nodes()


def present_nodes() -> set[str]:
    """Return the ids of the nodes that are there."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def resources_of_nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def most_resources() -> dict[str, float]:
    """Return the resources that the cluster has at most: what there is, or what its autoscaler may bring it to."""
    there = {name: float(amount) for name, amount in ray.cluster_resources().items()}
    limits = ray._private.state.state.get_max_resources_from_cluster_config() or {}
    return there | {name: max(float(most), there.get(name, 0.0)) for name, most in limits.items()}


def refuse_further_restarts(max_restarts: int) -> bool:
    """Look, at the start of an actor, whether it died too often since it finished anything (`forget_deaths`).

    Ray's own limit counts actors that were lost with their nodes, too. Here those count that died on nodes which were
    still there. Ray remembers an actor's last 10 processes only (`maximum_actor_previous_incarnations`), of whatever
    end, so that the count is kept beside them, in the store that Ray's head has.

    Returns:
        Whether it died since then.

    Raises:
        RaybelError: It died more often than it may be restarted.
    """
    actor = _this_actor()
    before = json.loads(_internal_kv_get(_deaths_key(actor)) or "{}")
    died = deaths_of(actor)
    count = before.get("count", 0) + sum(worker.hex() not in before.get("known", ()) for worker in died)
    if not count:
        return False
    _internal_kv_put(_deaths_key(actor), json.dumps({"count": count, "known": [worker.hex() for worker in died]}))
    if count > max_restarts:
        times = counted(count, "time")
        raise RaybelError(f"a worker died {times}, more often than --max-restarts allows; {why_it_died(died[-1])}")
    return True


def forget_deaths() -> None:
    """Have the deaths of this actor that are known not count any more: it has finished something."""
    key = _deaths_key(_this_actor())
    _internal_kv_put(key, json.dumps({**json.loads(_internal_kv_get(key)), "count": 0}))


def _this_actor() -> ray.ActorID:
    return ray.ActorID(bytes.fromhex(ray.get_runtime_context().get_actor_id()))


def _deaths_key(actor: ray.ActorID) -> bytes:
    return b"raybel deaths of " + actor.hex().encode()


def deaths_of(actor: ray.ActorID) -> list[ray.WorkerID]:
    """Return the processes of an actor that died by themselves on nodes which are still there, in their order.

    Those that were killed through Ray (`ray.kill`), as stragglers are, aren't among them, nor those before its last 10.
    """
    state = ray._private.state.state.get_actor_info(actor)
    if state is None or not (earlier := ActorTableData.FromString(state).previous_incarnations):
        return []
    present = present_nodes()
    died = [ray.WorkerID(each.worker_id) for each in earlier if each.node_id.hex() in present]
    return [worker for worker in died if _known_of(worker).exit_type != WorkerExitType.INTENDED_SYSTEM_EXIT]


def why_it_died(worker: ray.WorkerID) -> str:
    """Return what Ray knows of a worker's end, as the end of a sentence."""
    known = _known_of(worker)
    if known.exit_type == WorkerExitType.NODE_OUT_OF_MEMORY:
        used = known.memory_used_bytes_at_death
        had = f" of {used / 1e9:.1f} GB" if used else ""
        return (
            f"Ray ended the last one{had}, since its machine was about to run out of memory: give fewer --actors, "
            "smaller --chunk-documents, or machines with more memory"
        )
    return f"of the last one's end Ray says: {known.exit_detail.partition('. ')[0] or 'nothing'}"


def _known_of(worker: ray.WorkerID) -> WorkerTableData:
    """Return what Ray knows of a worker that died."""
    held = ray._private.state.state._connect_and_get_accessor().get_worker_info(worker)
    return WorkerTableData.FromString(held) if held else WorkerTableData()
