"""Chunks that straggle: nothing goes on, though actors have work, for many times as long as any chunk took before.

A worker that hangs (it is stopped, waits for a disk or a device that doesn't answer) isn't dead, so that Ray waits for
it without end; one on a machine that is far slower than the others holds up the end of a job. Then the stream of chunks
is ended, which kills its actors, and what is left of the job is streamed again. Parts that are written stay. A worker
that wasn't dead after all writes the same bytes.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from raybel.display import duration
from raybel.files.outages import seconds_of_patience

#: Seconds without progress after which chunks may be said to straggle.
LEAST_SECONDS = 120.0
#: And how many times as long as the slowest chunk that is done.
TIMES_SLOWEST = 5.0


class StragglersError(Exception):
    """Ends a stream whose chunks straggle."""


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

    def __str__(self) -> str:
        return f"no chunk was done for {duration(self.seconds)}, though workers have some"

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


class EndsStragglers(ExecutionCallback):
    """Ends a Dataset's execution with `StragglersError` where nothing goes on in it though its actors have work."""

    def __init__(self) -> None:
        self._outputs: list[int] = []
        self._since = time.monotonic()

    def on_execution_step(self, executor: StreamingExecutor) -> None:
        """See whether any output came since the last step."""
        operators: list[Any] = list(executor._topology or ())
        outputs = [operator.metrics.num_outputs_taken for operator in operators]
        if outputs != self._outputs:
            self._outputs, self._since = outputs, time.monotonic()
        elif _patience is not None and time.monotonic() - self._since > _patience.seconds:
            if any(isinstance(each, ActorPoolMapOperator) and each.num_active_tasks() for each in operators):
                raise StragglersError
            self._since = time.monotonic()
