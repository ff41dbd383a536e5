"""Chunks that straggle: they take many times as long as any chunk did before.

A worker that hangs (it is stopped, waits for a disk or a device that doesn't answer) isn't dead, so that Ray waits for
it without end; one on a machine that is far slower than the others holds up the end of a job. Such a worker is killed:
Ray starts it again, and its chunk too. What that doesn't help (nothing goes on in the whole job, though workers have
chunks, or readers read) ends the stream, and what is left of the job is streamed again. Parts that are written stay. A
worker that wasn't dead after all writes the same bytes.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from raybel.display import duration
from raybel.files.outages import seconds_of_patience
from raybel.jobs.nodes import present_nodes
from raybel.linking.poison import MAX_DEATHS, MAX_WHOLE_ATTEMPTS

_LOG = logging.getLogger(__name__)
#: Seconds without progress after which chunks may be said to straggle.
LEAST_SECONDS = 120.0
#: And how many times as long as the slowest chunk that is done.
TIMES_SLOWEST = 5.0
#: Seconds without any output of readers after which they may be said to hang, where only they have work; and where a
#: node was lost: if it froze, what Ray had asked of it (to start a reader) is waited for up to 7 minutes.
READER_SECONDS, READER_SECONDS_AFTER_LOSS = 600.0, 60.0
LOOK_SECONDS, LOOK_AT_NODES_SECONDS = 1.0, 5.0
#: Workers killed at one chunk: by then, a document that each of them hung at was found, and set aside.
MOST_KILLS = MAX_WHOLE_ATTEMPTS + MAX_DEATHS


class StragglersError(Exception):
    """Ends a stream in which nothing goes on."""


@dataclass
class Patience:
    """How long a job waits for chunks that its actors have.

    Args:
        documents: Of a full chunk.
        extra: Seconds for which a chunk may wait for a store that is away.
        slowest: Seconds of the slowest chunk that is done, had it been full; None before there is one that was half
            full, at least.
        estimate: The same, by smaller ones; None before there is one, when nothing is known.
        restarts: How often the stream began again: a chunk that is slow by itself gets twice the time each time.
    """

    documents: int
    extra: float = 0.0
    slowest: float | None = None
    estimate: float | None = None
    restarts: int = 0

    @classmethod
    def with_places(cls, documents: int, uris: Iterable[str]) -> Patience:
        """Return that of a job which reads and writes some places; on a store, each chunk may wait for it."""
        return cls(documents, seconds_of_patience() if any("://" in uri for uri in uris) else 0.0)

    def note(self, seconds: float, documents: int) -> None:
        """Take in what a chunk of so many documents took."""
        full = seconds * max(1.0, self.documents / max(1, documents))
        if 2 * documents >= self.documents:
            self.slowest = max(self.slowest or 0.0, full)
        else:
            self.estimate = max(self.estimate or 0.0, full)

    @property
    def seconds(self) -> float:
        """Seconds without progress after which chunks straggle."""
        slowest = self.estimate if self.slowest is None else self.slowest
        if slowest is None:
            return math.inf
        return (self.extra + max(LEAST_SECONDS, TIMES_SLOWEST * slowest)) * float(2**self.restarts)

    @contextlib.contextmanager
    def watches(self) -> Iterator[None]:
        """Have the streams of this process end by it."""
        global _patience
        before, _patience = _patience, self
        try:
            yield
        finally:
            _patience = before


#: The one that streams of this process end by.
_patience: Patience | None = None


@dataclass
class _Task:
    """What a worker is at: since when (`time.monotonic`), and how many workers were killed at it."""

    since: float
    kills: int = 0

    @property
    def patience(self) -> float:
        """Seconds that it may take; a chunk that is slow by itself gets twice the time each time."""
        assert _patience is not None
        return _patience.seconds * float(2 ** min(self.kills, MOST_KILLS - 1))


class EndsStragglers(ExecutionCallback):
    """Kills a Dataset's workers whose chunk straggles; ends it with `StragglersError` where nothing goes on."""

    def __init__(self) -> None:
        self._outputs: list[int] = []
        self._since = self._looked = time.monotonic()
        self._tasks: dict[Any, dict[int, _Task]] = {}
        self._nodes = _Nodes()

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """See whether any output came since the last look, and how long each worker has been at its chunk.

        Raises:
            StragglersError: There was none for too long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        operators: list[Any] = list(executor._topology or ())
        outputs = [operator.metrics.num_outputs_taken for operator in operators]
        if outputs != self._outputs or _patience is None:
            self._outputs, self._since = outputs, now
        if _patience is None:
            return
        self._nodes.look(now)
        pools = [operator for operator in operators if isinstance(operator, ActorPoolMapOperator)]
        tasks = [task for pool in pools for task in self._kill_stragglers(pool, now)]
        self._since = max([self._since, *(task.since for task in tasks if task.kills)])
        if tasks:
            limit = 2 * max(task.patience for task in tasks)  # later than workers are killed
        elif all(map(_ready, pools)) and any(operator.num_active_tasks() for operator in operators):
            seconds = READER_SECONDS_AFTER_LOSS if self._nodes.lost else READER_SECONDS
            limit = seconds * float(2**_patience.restarts) + _patience.extra
        else:
            return
        if (seconds := now - self._since) > limit:
            raise StragglersError(f"nothing was done for {duration(seconds)}, though there is work under way")

    def _kill_stragglers(self, pool: Any, now: float) -> list[_Task]:
        """Kill the workers of a pool whose chunk straggles; return what its workers are at."""
        ready = _ready(pool)
        first: dict[Any, int] = {}
        for index, task in pool._data_tasks.items():  # a worker does its tasks in their order
            worker = task.get_waitable()._generator_ref.task_id().actor_id()
            first[worker] = min(index, first.get(worker, index))
        known = self._tasks.get(pool.id, {})
        self._tasks[pool.id] = tasks = {index: known.get(index) or _Task(now) for index in first.values()}
        for worker, index in first.items():
            at = tasks[index]
            if worker not in ready:  # it starts again
                at.since = now
            elif now - at.since > at.patience and at.kills < MOST_KILLS:
                _LOG.warning(
                    f"a worker has been at a chunk for {duration(now - at.since)}, far longer than any took: it is "
                    "killed, and the chunk begins again"
                )
                ray.kill(ready[worker], no_restart=False)
                at.since, at.kills = now, at.kills + 1
        return list(tasks.values())


def _ready(pool: Any) -> dict[Any, Any]:
    """Return the actors of a pool that don't start or restart, by their ids."""
    actors = pool._actor_pool._running_actors.items()
    return {actor._actor_id: actor for actor, state in actors if not state.is_restarting}


class _Nodes:
    """Whether a node was lost since a stream began."""

    def __init__(self) -> None:
        self.lost = False
        self._there: set[str] = set()
        self._looked = -math.inf

    def look(self, now: float) -> None:
        """Look, every few seconds, whether one is gone."""
        if not self.lost and now - self._looked > LOOK_AT_NODES_SECONDS:
            before, self._there, self._looked = self._there, present_nodes(), now
            self.lost = not before <= self._there
