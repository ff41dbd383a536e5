"""Metrics of jobs on Ray: what a process counted, published by Ray's own metrics, for Prometheus and Grafana.

Ray exports them with a prefix of its own: the counter `raybel_documents` is Prometheus' `ray_raybel_documents_total`.
They are sums of work that was done, in this start, by all workers; a chunk that is done again counts again, and a
worker that dies may take its last seconds with it. The exact counts of what was written are in `counts.parquet`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ray.util.metrics import Counter, Gauge, Histogram

from raybel.errors import without_secrets
from raybel.files import storage
from raybel.reporting import tally

PREFIX = "raybel_"
#: Ends of the histogram's intervals, in seconds.
CHUNK_SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]


@dataclass(frozen=True)
class Definition:
    """What a metric is.

    Args:
        text: What it says, for people.
        label: The tag beside `run`: `stage` or `generator`; "" for none.
        kind: Of Ray's metrics.
    """

    text: str
    label: Literal["", "stage", "generator"] = ""
    kind: Literal["counter", "gauge", "histogram"] = "counter"


#: By their names, without the prefix. Stages: `reading`, `detection`, `candidates`, `reranking`, `writing`.
METRICS: dict[str, Definition] = {
    "documents": Definition("Documents that were worked on; without those that the input withdraws."),
    "mentions": Definition("Mentions in them."),
    "linked": Definition("Mentions that were linked."),
    "quarantined": Definition("Documents that went to the quarantine."),
    "set_aside": Definition("Annotations that couldn't be used."),
    "pairs": Definition("Pairs of mention and candidate that a cross-encoder scored."),
    "tokens": Definition("Tokens that went through models, without padding.", "stage"),
    "cache_hits": Definition("Surfaces whose candidates were known from earlier mentions.", "generator"),
    "cache_misses": Definition("Surfaces whose candidates had to be searched.", "generator"),
    "search_seconds": Definition("Seconds of these searches.", "generator"),
    "stage_seconds": Definition("Seconds of workers' work, without the loading of models.", "stage"),
    "store_requests": Definition("Requests to object stores, tries that failed too."),
    "store_retries": Definition("Of these, requests that were made again."),
    "chunk_seconds": Definition("Seconds from a chunk's arrival in an actor to its written part.", "", "histogram"),
    "share_read": Definition("Which part of the input's bytes was read or is finished, 0 to 1.", "", "gauge"),
}
#: What is published of a chunk's summary.
OF_SUMMARY = ("documents", "mentions", "linked", "quarantined", "set_aside")


def run_name(uri: str) -> str:
    """Return what metrics and logs call a run: the last two parts of its directory's path, without any secret."""
    name = storage.name_of(without_secrets(storage.absolute(uri)))
    return "/".join([part for part in name.rpartition("://")[2].split("/") if part][-2:])


@functools.cache
def _metric(name: str) -> Counter | Gauge | Histogram:
    definition = METRICS[name]
    tags = ("run", definition.label) if definition.label else ("run",)
    if definition.kind == "histogram":
        return Histogram(PREFIX + name, definition.text, CHUNK_SECONDS, tags)
    return (Counter if definition.kind == "counter" else Gauge)(PREFIX + name, definition.text, tags)


def record(run: str, name: str, value: float, label: str = "") -> None:
    """Record a value of a metric: added to a counter, observed by a histogram, or a gauge's new one.

    Where nothing collects Ray's metrics, it is dropped there.

    Args:
        run: As `run_name` returns it.
        name: One of `METRICS`.
        value: At least 0.
        label: The stage or the generator, where the metric tells them apart.
    """
    metric, kind = _metric(name), METRICS[name].label
    tags = {"run": run, kind: label} if kind else {"run": run}
    if isinstance(metric, Counter):
        if value:  # Ray refuses to add nothing
            metric.inc(value, tags)
    elif isinstance(metric, Histogram):
        metric.observe(value, tags)
    else:
        metric.set(value, tags)


def publish(run: str, summary: Mapping[str, int] | None = None) -> dict[tally.Key, float]:
    """Publish what this process counted since the last time, as a run's, and what a chunk's summary counts.

    Args:
        run: As `run_name` returns it.
        summary: Of a chunk that was just written; None where there is none.

    Returns:
        What the process had counted.
    """
    taken = tally.take()
    for (name, label), amount in taken.items():
        record(run, name, amount, label)
    if summary is not None:
        for name in OF_SUMMARY:
            record(run, name, summary[name])
    return taken
