"""The shards whose chunks are all done: tasks publish them while the job goes on.

A pool of actors that grows may take all CPUs there are, for as long as the job lasts. So these tasks ask for none; a
few of them run at a time, in turn on the nodes that have CPUs (a cluster's head often has none to offer).
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raybel.errors import RaybelError
from raybel.jobs.chunk_stage import assemble_shard
from raybel.jobs.sessions import Session
from raybel.runs.inputs import Shard
from raybel.runs.run_directory import RunDirectory

_LOG = logging.getLogger(__name__)
#: Starts of a task that assembles a shard, anew: Ray counts those that were lost with their nodes, too.
RETRIES = 20
#: How many of the tasks run at a time at least, and CPUs of the cluster for each of them where there are more; one
#: takes some 20 ms of a CPU.
LEAST_TASKS, CPUS_PER_TASK = 2, 4.0
#: Seconds for which it is taken as known which nodes there are.
LOOK_SECONDS = 5.0


class Assembling:
    """Shards that are being published, each in a task.

    Args:
        run: The run directory.
        session: The start of the job.
    """

    def __init__(self, run: RunDirectory, session: Session) -> None:
        self.run, self.session = run, session
        self._task = ray.remote(num_cpus=0, max_retries=RETRIES)(assemble_shard)
        self._waiting: deque[tuple[Shard, int]] = deque()
        self._tasks: dict[Any, tuple[Shard, int]] = {}
        self._since = time.monotonic()
        self._nodes = _NodesWithCpus()
        self._started = 0

    def __len__(self) -> int:
        return len({shard.name for shard, _ in (*self._waiting, *self._tasks.values())})

    def begin(self, shard: Shard, chunks: int) -> None:
        """Publish a shard of so many chunks, as soon as a task is free."""
        if not self._tasks:
            self._since = time.monotonic()
        self._waiting.append((shard, chunks))
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._tasks) < self._nodes.tasks:
            self._start(*self._waiting.popleft())

    def _start(self, shard: Shard, chunks: int) -> None:
        self._started += 1
        place = self._nodes.place(self._started)
        self._tasks[self._task.options(scheduling_strategy=place).remote(self.run, self.session, shard, chunks)] = (
            shard,
            chunks,
        )

    def done(self, timeout: float) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Yield the shards that were published, and their states; wait so many seconds for the first.

        Raises:
            RaybelError: One can't be.
        """
        while self._tasks:
            ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
            if not ready:
                return
            shard, _ = self._tasks.pop(ready[0])
            copies = [task for task, (other, _) in self._tasks.items() if other.name == shard.name]
            try:
                state = ray.get(ready[0])
            except (RaybelError, RayError):
                if copies:  # of two at once, the later one may find the parts gone
                    continue
                raise
            for task in copies:
                del self._tasks[task]
            self._since, timeout = time.monotonic(), 0
            self._start_waiting()
            yield shard, state

    def again(self, seconds: float) -> None:
        """Start what is left once more, beside the tasks that there are, where none has ended for so many seconds.

        Two that publish one shard write the same bytes, and the first of them to end counts.
        """
        if self._tasks and time.monotonic() - self._since > seconds:
            left = {shard.name: (shard, chunks) for shard, chunks in self._tasks.values()}
            _LOG.warning(f"{len(left)} shards take long to be published, such as {next(iter(left))}: started again")
            for shard, chunks in left.values():
                self._start(shard, chunks)
            self._since = time.monotonic()


class _NodesWithCpus:
    """The nodes that tasks without CPUs run on, as they were some seconds ago."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._cpus = 0.0
        self._looked = -math.inf

    @property
    def tasks(self) -> int:
        """How many may run at a time."""
        self._look()
        return max(LEAST_TASKS, int(self._cpus / CPUS_PER_TASK))

    def place(self, number: int) -> Any:
        """Return where the so manyth task shall run, if it can: on each node with CPUs in turn."""
        self._look()
        if not self._ids:
            return "DEFAULT"
        return NodeAffinitySchedulingStrategy(self._ids[number % len(self._ids)], soft=True)

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        with_cpus = {
            node["NodeID"]: node["Resources"]["CPU"]
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0.0) > 0
        }
        self._ids, self._cpus, self._looked = sorted(with_cpus), sum(with_cpus.values()), time.monotonic()
