"""What a process counts of its work: plain sums, which `raybel.jobs.metrics` publishes, chunk by chunk.

The lower layers know nothing of Ray: they add to their process's sums, and whoever publishes takes them away. Counting
is a dictionary's update under a lock, for a batch or a request at a time, never for a mention.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

#: (What is counted, what tells its kinds apart: a stage or a generator; "" for nothing).
Key = tuple[str, str]
_lock = threading.Lock()
_sums: defaultdict[Key, float] = defaultdict(float)


def add(name: str, amount: float, label: str = "") -> None:
    """Add to a sum.

    Args:
        name: One of `jobs.metrics.METRICS`.
        amount: At least 0.
        label: The stage or the generator that it is of; "" where the metric has neither.
    """
    if amount:
        with _lock:
            _sums[name, label] += amount


@contextlib.contextmanager
def seconds_of(stage: str) -> Iterator[None]:
    """Add the time that a block takes to a stage's seconds, also where it fails. Blocks aren't put into each other."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        add("stage_seconds", time.perf_counter() - begun, stage)


def take() -> dict[Key, float]:
    """Return the sums since the last call, and begin anew: nothing is taken twice, whichever thread takes it."""
    with _lock:
        taken = dict(_sums)
        _sums.clear()
    return taken
