"""Actors that hold a job's models: a pool of them, of a fixed size or between bounds, whose lost nodes cost no restart.

A pool between bounds grows while its actors have more than a chunk each waiting and the cluster has room, and shrinks
while they idle; Ray Data decides, and asks the cluster's autoscaler for nodes where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import new_class
from typing import Any

from ray.data import ActorPoolStrategy

from raybel.jobs.nodes import forget_deaths, refuse_further_restarts
from raybel.jobs.runtime import Allocation

#: Ray restarts actors, and gives their chunks to others, without end: `refuse_further_restarts` says when it's enough.
WITHOUT_END = -1


def on_actors(
    stage: type, arguments: Sequence[Any], allocation: Allocation, max_restarts: int, tasks: int | None = None
) -> dict[str, Any]:
    """Return the arguments by which a Dataset's `map_batches` or `map_groups` maps a stage on a pool of actors.

    Args:
        stage: Made in each actor, and called with each batch.
        arguments: What it is made with.
        allocation: How many actors, and what each has.
        max_restarts: How often an actor may die and be restarted before it finishes a batch; the loss of its node
            doesn't count.
        tasks: How many batches there are, where that is known: more actors than these have nothing to do.
    """
    least, most = allocation.bounds or (allocation.actors, allocation.actors)
    sizes = [size if tasks is None else min(size, tasks) for size in (least, most, allocation.actors)]
    return {
        "fn": _restartable(stage, max_restarts),
        "fn_constructor_args": tuple(arguments),
        "compute": ActorPoolStrategy(min_size=sizes[0], max_size=sizes[1], initial_size=sizes[2]),
        "num_cpus": allocation.cpus_per_actor,
        "num_gpus": allocation.gpus_per_actor,
        "max_restarts": WITHOUT_END,
        "max_task_retries": WITHOUT_END,
    }


def _restartable(stage: Any, max_restarts: int) -> type:
    """Return a stage of the same name that isn't made once its actor died too often since it finished a batch."""

    def __init__(self: Any, *arguments: Any) -> None:  # noqa: N807
        self._has_died = refuse_further_restarts(max_restarts)
        stage.__init__(self, *arguments)

    def __call__(self: Any, batch: Any) -> Any:  # noqa: N807
        done = stage.__call__(self, batch)
        if self._has_died:
            forget_deaths()
            self._has_died = False
        return done

    body = {"__init__": __init__, "__call__": __call__}
    return new_class(stage.__name__, (stage,), exec_body=lambda namespace: namespace.update(body))
