"""A cluster's nodes: what they have and may come to have, and which of them are lost."""

from __future__ import annotations

import ray
from ray.core.generated.gcs_pb2 import ActorTableData

from raybel.display import counted
from raybel.errors import RaybelError


def this_node() -> str:
    """Return the id of the node that this process works on; empty without a Ray."""
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""


def is_lost(node: str) -> bool:
    """Return whether a node was in the cluster and is no more, by its id."""
    return node != "" and ray.is_initialized() and node not in _present()


def _present() -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def most_resources() -> dict[str, float]:
    """Return the resources that the cluster has at most: what there is, or what its autoscaler may bring it to."""
    there = {name: float(amount) for name, amount in ray.cluster_resources().items()}
    limits = ray._private.state.state.get_max_resources_from_cluster_config() or {}
    return there | {name: max(float(most), there.get(name, 0.0)) for name, most in limits.items()}


def refuse_further_restarts(max_restarts: int) -> None:
    """Look, at the start of an actor, whether it died too often before.

    Ray's own limit counts actors that were lost with their nodes, too. Here those count that died on nodes which are
    still there.

    Raises:
        RaybelError: It died more often than it may be restarted.
    """
    actor = ray.ActorID(bytes.fromhex(ray.get_runtime_context().get_actor_id()))
    state = ray._private.state.state.get_actor_info(actor)
    if state is None or not (earlier := ActorTableData.FromString(state).previous_incarnations):
        return
    present = _present()
    deaths = sum(each.node_id.hex() in present for each in earlier)
    if deaths > max_restarts:
        raise RaybelError(f"a worker died {counted(deaths, 'time')}, more often than --max-restarts allows")
