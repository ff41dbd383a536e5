"""Workers that don't start: what they wait for is said, and a job none of whose workers can start ends.

Ray starts actors again without end, and a job waits without a word where the cluster has no room. A worker that dies
before it is ready can't say so itself (`nodes.refuse_further_restarts` is asked by workers that come so far).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from raybel.display import counted, duration
from raybel.errors import RaybelError
from raybel.jobs.nodes import deaths_of, why_it_died
from raybel.jobs.stragglers import PAUSE_SECONDS

_LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
#: Seconds without any worker after which that is said; then after twice as long, and so on.
SAY_SECONDS = 30.0
#: Deaths of one worker, and seconds without any that is ready meanwhile, after which the job ends.
MOST_DEATHS, GIVE_UP_SECONDS = 3, 120.0
#: Seconds without any worker after which the job ends, whatever they wait for.
LONGEST_WAIT_SECONDS = 3600.0


@dataclass
class _Deaths:
    """The processes of a worker that died.

    Args:
        before: When it was ready, or before it was looked at: they say nothing of its start.
        on_the_way: Since then, in their order.
    """

    before: set[ray.WorkerID]
    on_the_way: list[ray.WorkerID]

    def take_in(self, died: list[ray.WorkerID]) -> None:
        """Take in those that are known now; Ray forgets the first of many."""
        self.on_the_way += [worker for worker in died if worker not in self.before and worker not in self.on_the_way]


class WatchesStarts(ExecutionCallback):
    """Says what a Dataset's actors wait for as long as none is ready, and ends it with an error if they keep dying."""

    def __init__(self) -> None:
        self._looked = 0.0
        self._stepped = time.monotonic()
        self._without: float | None = None
        self._say = SAY_SECONDS
        self._deaths: dict[Any, _Deaths] = {}

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """Look at pools none of whose actors is ready: at each step, since one may be so for a moment only.

        Raises:
            RaybelError: Workers keep dying before they are ready, or there was none for very long.
        """
        now = time.monotonic()
        if self._without is not None and (pause := now - self._stepped) > PAUSE_SECONDS:
            self._without += pause
        self._stepped = now
        operators = [each for each in executor._topology or () if isinstance(each, ActorPoolMapOperator)]
        starting = [actor for operator in operators for actor in _starting(operator)]
        if not starting:
            self._without, self._say, self._deaths = None, SAY_SECONDS, {}
        elif self._without is None:
            self._without = now
        elif now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._judge(starting, now - self._without)

    def _judge(self, starting: list[Any], seconds: float) -> None:
        """Say what some actors wait for, none of which was ready for so many seconds, or give up."""
        for actor in starting:
            died = deaths_of(actor._actor_id)
            self._deaths.setdefault(actor, _Deaths(set(died), [])).take_in(died)
        on_the_way = max((self._deaths[actor].on_the_way for actor in starting), key=len)
        times = len(on_the_way)
        if seconds > GIVE_UP_SECONDS and times >= MOST_DEATHS:
            raise RaybelError(
                f"no worker could start for {duration(seconds)}, and one died {counted(times, 'time')} on the way; "
                f"{why_it_died(on_the_way[-1])}"
            )
        if seconds > LONGEST_WAIT_SECONDS:
            raise RaybelError(f"no worker was ready for {duration(seconds)}: {_what_they_wait_for(starting, times)}")
        if seconds > self._say:
            self._say *= 2
            _LOG.warning(f"no worker is ready after {duration(seconds)}: {_what_they_wait_for(starting, times)}")


def _starting(operator: ActorPoolMapOperator) -> list[Any]:
    """Return the actors of a pool that starts or restarts them; none where one is ready."""
    pool: Any = operator._actor_pool
    if pool.num_running_actors() > pool.num_restarting_actors():
        return []
    return [*pool._pending_actors.values(), *pool._running_actors]


def _what_they_wait_for(starting: list[Any], deaths: int) -> str:
    if deaths:
        return f"one died {counted(deaths, 'time')} on the way"
    there, free = ray.cluster_resources(), ray.available_resources()
    kinds = [kind for kind in ("CPU", "GPU") if there.get(kind)]
    room = " and ".join(f"{free.get(kind, 0.0):g} of {there[kind]:g} {kind}s" for kind in kinds)
    wait = "waits for room or loads its models" if len(starting) == 1 else "wait for room or load their models"
    return f"{counted(len(starting), 'worker')} {wait}; free: {room or 'no CPUs'}"
