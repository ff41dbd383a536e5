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
from dataclasses import dataclass, replace
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
#: Seconds without any output of readers after which they may be said to hang, where only they have work.
READER_SECONDS = 600.0
#: Seconds without anything after a node was lost, though there is work: if the node froze, what Ray had asked of it (to
#: start a reader) is waited for up to 7 minutes, `LOST_SECONDS`; and workers may now idle with all CPUs that are left,
#: while one with chunks can't be started again, or a reader.
SECONDS_AFTER_LOSS, LOST_SECONDS = 60.0, 480.0
LOOK_SECONDS, LOOK_AT_NODES_SECONDS = 1.0, 5.0
#: Seconds between two looks from which on the driver itself was stopped (Ctrl-Z): they don't count.
PAUSE_SECONDS = 30.0
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
        restarts: How often the stream began again since a chunk was done; each time there is twice the time.
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
        self.restarts = 0
        full = seconds * max(1.0, self.documents / max(1, documents))
        if 2 * documents >= self.documents:
            self.slowest = max(self.slowest or 0.0, full)
        else:
            self.estimate = max(self.estimate or 0.0, full)

    @property
    def seconds(self) -> float:
        """Seconds without progress after which chunks straggle."""
        return self.after(0)

    def after(self, kills: int) -> float:
        """Return the same for a chunk at which so many workers were killed: one that is slow by itself ends so."""
        return self._seconds(LEAST_SECONDS, kills)

    @property
    def after_loss(self) -> float:
        """Seconds without anything after which the stream ends, once a node was lost."""
        return self._seconds(SECONDS_AFTER_LOSS, 0)

    def _seconds(self, least: float, kills: int) -> float:
        slowest = self.estimate if self.slowest is None else self.slowest
        if slowest is None:
            return math.inf
        return self.extra + max(least, TIMES_SLOWEST * slowest) * float(2 ** (self.restarts + kills))

    @property
    def publication(self) -> float:
        """Seconds without a published shard after which what is left is published once more."""
        return self.seconds if math.isfinite(self.seconds) else self.extra + LEAST_SECONDS

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
class _Worker:
    """What a worker has to do, and how long none of it has been done.

    Args:
        tasks: The numbers of its tasks.
        since: When one was done, or the first of them came (`time.monotonic`), or the worker was killed.
        kills: How often it was killed since then.
    """

    tasks: frozenset[int]
    since: float
    kills: int = 0

    @property
    def patience(self) -> float:
        """Seconds that it may take."""
        assert _patience is not None
        return _patience.after(min(self.kills, MOST_KILLS - 1))


class EndsStragglers(ExecutionCallback):
    """Kills a Dataset's workers whose chunk straggles; ends it with `StragglersError` where nothing goes on."""

    def __init__(self) -> None:
        self._outputs: list[int] = []
        self._since = self._looked = time.monotonic()
        self._workers: dict[Any, _Worker] = {}
        self._ready: set[Any] = set()
        self._nodes = _Nodes()

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """See whether any output came since the last look, and how long each worker has been at its chunk.

        Raises:
            StragglersError: There was none for too long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        if (pause := now - self._looked) > PAUSE_SECONDS:
            self._since += pause
            for worker in self._workers.values():
                worker.since += pause
        self._looked = now
        operators: list[Any] = list(executor._topology or ())
        outputs = [operator.metrics.num_outputs_taken for operator in operators]
        if outputs != self._outputs or _patience is None:
            self._outputs, self._since = outputs, now
        if _patience is None:
            return
        self._nodes.look(now)
        pools = [operator for operator in operators if isinstance(operator, ActorPoolMapOperator)]
        self._take_in(pools, now)
        ready = {actor: handle for pool in pools for actor, handle in _ready(pool).items()}
        self._kill_stragglers(ready, now)
        if self._workers:
            limit = 2 * max(worker.patience for worker in self._workers.values())  # later than workers are killed
            if self._nodes.lost(now) and ready and not ready.keys() & self._workers.keys():
                limit = min(limit, _patience.after_loss)
        elif all(map(_ready, pools)) and any(operator.num_active_tasks() for operator in operators):
            seconds = SECONDS_AFTER_LOSS if self._nodes.lost(now) else READER_SECONDS
            limit = seconds * float(2**_patience.restarts) + _patience.extra
        else:
            return
        if (seconds := now - self._since) > limit:
            raise StragglersError(f"nothing was done for {duration(seconds)}, though there is work under way")

    def _take_in(self, pools: list[Any], now: float) -> None:
        """Take in what tasks the workers have; they do them in any order."""
        tasks: dict[Any, set[int]] = {}
        for pool in pools:
            for index, task in pool._data_tasks.items():
                tasks.setdefault(task.get_waitable()._generator_ref.task_id().actor_id(), set()).add(index)
        before, self._workers = self._workers, {}
        for actor, indices in tasks.items():
            held = before.get(actor)
            if held is None or not held.tasks <= indices:
                held = _Worker(frozenset(), now)
            self._workers[actor] = replace(held, tasks=frozenset(indices))

    def _kill_stragglers(self, ready: dict[Any, Any], now: float) -> None:
        """Kill those of some actors whose chunk straggles."""
        for actor, handle in ready.items():
            worker = self._workers.get(actor)
            if worker is None or worker.kills == MOST_KILLS:
                continue
            if actor not in self._ready:  # it has just started (again)
                worker.since = now
            if now - worker.since <= worker.patience:
                continue
            _LOG.warning(
                f"a worker has been at a chunk for {duration(now - worker.since)}, far longer than any took: it is "
                "killed, and the chunk begins again"
            )
            ray.kill(handle, no_restart=False)
            worker.since = self._since = now
            worker.kills += 1
        self._ready = set(ready)


def _ready(pool: Any) -> dict[Any, Any]:
    """Return the actors of a pool that don't start or restart, by their ids."""
    actors = pool._actor_pool._running_actors.items()
    return {actor._actor_id: actor for actor, state in actors if not state.is_restarting}


class _Nodes:
    """When a node was lost, if one was."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._looked = self._lost = -math.inf

    def look(self, now: float) -> None:
        """Look, every few seconds, whether one is gone."""
        if now - self._looked > LOOK_AT_NODES_SECONDS:
            before, self._there, self._looked = self._there, present_nodes(), now
            if not before <= self._there:
                self._lost = now

    def lost(self, now: float) -> bool:
        """Return whether one was lost while something that was asked of it may still be waited for."""
        return now - self._lost < LOST_SECONDS
