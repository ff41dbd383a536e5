"""How fast a start of a run was: documents, mentions and busy workers over time, and what their work was.

The driver logs it beside its progress; the last start that finished a chunk is what the log tells of. Its size is
bounded: as a run goes on its intervals become longer, never more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raybel.files import storage
from raybel.files.storage import join
from raybel.reporting.tally import Key
from raybel.runs.run_directory import RunDirectory

SPEED = "logs/speed.json"
#: The most intervals; beyond them two become one.
MOST_INTERVALS = 240
#: What is counted in each interval.
COUNTED = ("documents", "mentions", "busy_seconds")
_LOGGED = {"seconds", "interval", "counts", "workers", "work"}


@dataclass
class SpeedLog:
    """What a start of a run did over time.

    Args:
        started: Seconds since the epoch.
        interval: Seconds of each interval.
        counts: Of `COUNTED`, a value for each interval: what was done in it; a chunk's work is spread evenly over the
            time that it took. `busy_seconds` are those of all workers together.
        workers: The workers that finished a chunk, by whatever tells them apart.
        work: (what, label) -> amount, as `reporting.tally` counts it, with `stage_seconds`, `tokens`, `cache_hits`.
    """

    started: float
    interval: float = 1.0
    counts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COUNTED})
    workers: set[str] = field(default_factory=set)
    work: Counter[Key] = field(default_factory=Counter)

    def add(self, ended: float, chunk: Mapping[str, Any]) -> None:
        """Add a chunk, unless an earlier attempt or an earlier start did its work.

        Args:
            ended: Seconds since the epoch.
            chunk: Its `seconds` (0 where nothing was done), `documents`, `mentions`, `worker`, and its `work`, JSON of
                a list of (what, label, amount).
        """
        if not chunk["seconds"]:
            return
        self.workers.add(chunk["worker"])
        self.work.update({(name, label): amount for name, label, amount in json.loads(chunk["work"])})
        end = max(ended - self.started, 0.0)
        begin = max(end - chunk["seconds"], 0.0)
        while end >= MOST_INTERVALS * self.interval:
            self._widen()
        first, last = int(begin / self.interval), int(end / self.interval)
        for values in self.counts.values():
            values += [0.0] * (last + 1 - len(values))
        for place in range(first, last + 1):
            share = 1.0
            if end > begin:
                upper, lower = min(end, (place + 1) * self.interval), max(begin, place * self.interval)
                share = (upper - lower) / (end - begin)
            for name, amount in zip(COUNTED, (chunk["documents"], chunk["mentions"], end - begin), strict=True):
                self.counts[name][place] += share * amount

    def _widen(self) -> None:
        self.interval *= 2
        for name, values in self.counts.items():
            padded = [*values, 0.0] if len(values) % 2 else values
            self.counts[name] = [sum(pair) for pair in zip(padded[::2], padded[1::2], strict=True)]

    def write(self, run: RunDirectory, seconds: float) -> None:
        """Log it, if there is anything: a start that finds all done leaves what an earlier one logged.

        Args:
            run: Where to.
            seconds: Since the start.
        """
        if self.workers:
            storage.publish_json(
                join(run.uri, SPEED),
                {
                    "started": self.started,
                    "seconds": round(seconds, 3),
                    "interval": self.interval,
                    "counts": {name: [round(value, 3) for value in values] for name, values in self.counts.items()},
                    "workers": len(self.workers),
                    "work": [[*key, round(amount, 3)] for key, amount in sorted(self.work.items())],
                },
            )


def read_speed(run: RunDirectory) -> dict[str, Any] | None:
    """Return what was logged, with `work` as (what, label, amount).

    None where nothing was: runs of an earlier version log none.
    """
    value = storage.find_json(join(run.uri, SPEED))
    return value if isinstance(value, dict) and value.keys() >= _LOGGED else None
