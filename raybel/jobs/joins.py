"""Nodes that join the cluster are used by a Dataset that runs.

Ray Data shares the cluster's resources out among the Datasets that run on it; the actor that does so looks every 20
seconds which nodes there are.
"""

from __future__ import annotations

import math
import time

import ray
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from raybel.jobs.nodes import present_nodes

LOOK_SECONDS = 2.0
#: Name and namespace of Ray Data's actor, and whom a further look is said to be for.
_COORDINATOR, _ASKER = "AutoscalingCoordinator", "raybel"


class UsesNewNodes(ExecutionCallback):
    """Has Ray Data look at once where a node joined, and when a Dataset begins."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._looked = -math.inf

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """See, every few seconds, which nodes there are."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        before, self._there = self._there, present_nodes()
        if not self._there <= before:
            _look_at_nodes()


def _look_at_nodes() -> None:
    """Have Ray Data's actor look; what it answers isn't waited for."""
    try:
        coordinator = ray.get_actor(_COORDINATOR, namespace=_COORDINATOR)
    except ValueError:  # it has none (yet)
        return
    coordinator.get_reserved_resources.remote(_ASKER, recompute=True)
