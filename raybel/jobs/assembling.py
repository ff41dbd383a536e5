"""The shards whose chunks are all done: tasks publish them while the job goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from raybel.errors import RaybelError
from raybel.jobs.chunk_stage import assemble_shard
from raybel.jobs.sessions import Session
from raybel.runs.inputs import Shard
from raybel.runs.run_directory import RunDirectory

_LOG = logging.getLogger(__name__)
#: Starts of a task that assembles a shard, anew: Ray counts those that were lost with their nodes, too.
RETRIES = 20


class Assembling:
    """Shards that are being published, each in a task.

    Args:
        run: The run directory.
        session: The start of the job.
        cpus: Logical CPUs of a task.
    """

    def __init__(self, run: RunDirectory, session: Session, cpus: float = 1.0) -> None:
        self.run, self.session, self.cpus = run, session, cpus
        self._task = ray.remote(max_retries=RETRIES)(assemble_shard)
        self._tasks: dict[Any, tuple[Shard, int]] = {}
        self._since = time.monotonic()

    def __len__(self) -> int:
        return len({shard.name for shard, _ in self._tasks.values()})

    def begin(self, shard: Shard, chunks: int) -> None:
        """Publish a shard of so many chunks."""
        if not self._tasks:
            self._since = time.monotonic()
        task = self._task.options(num_cpus=self.cpus).remote(self.run, self.session, shard, chunks)
        self._tasks[task] = (shard, chunks)

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
            yield shard, state

    def again(self, seconds: float) -> None:
        """Start what is left once more, beside the tasks that there are, where none has ended for so many seconds.

        Two that publish one shard write the same bytes, and the first of them to end counts.
        """
        if self._tasks and time.monotonic() - self._since > seconds:
            left = {shard.name: (shard, chunks) for shard, chunks in self._tasks.values()}
            _LOG.warning(f"{len(left)} shards take long to be published, such as {next(iter(left))}: started again")
            for shard, chunks in left.values():
                self.begin(shard, chunks)
            self._since = time.monotonic()
