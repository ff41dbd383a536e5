"""How fast a run was, on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from raybel.display import counted, duration, percent, rate
from raybel.report import charts
from raybel.report.charts import Chart
from raybel.report.page import Section, facts, text

Block = Markup | Chart
#: What workers do, in the order in which a chunk goes through it.
STAGES = ("reading", "detection", "candidates", "reranking", "writing")


def speed_section(speed: Mapping[str, Any] | None, progress: Mapping[str, Any] | None) -> Section:
    """Return the section.

    Args:
        speed: As `runs.speed` reads it; None where the run has no such log.
        progress: Of the last start, which may have found all done, as `runs.logs` reads it; None where there is none.
    """
    if speed is None:
        blocks: list[Block] = [
            text("This run has no log of its speed over time: an earlier version of raybel made it, or it did no work.")
        ]
        own = progress["own"] if progress else {}
        if progress and own.get("documents"):
            blocks.append(facts(_rates(own["documents"], own["mentions"], progress["seconds"])))
        return Section("Speed", blocks)
    work = {(name, label): amount for name, label, amount in speed["work"]}
    interval, counts, seconds = speed["interval"], speed["counts"], speed["seconds"]
    documents, mentions = (round(sum(counts[name])) for name in ("documents", "mentions"))
    busy = sum(counts["busy_seconds"])
    shown = {
        **_rates(documents, mentions, seconds),
        "workers": speed["workers"],
        "workers busy": f"{percent(min(busy / (seconds * speed['workers']), 1.0))} % of the time, start included",
        **_tokens(work),
        **_cache(work),
    }
    return Section(
        "Speed",
        [
            text("Of the last start that did work; documents of earlier starts aren't counted."),
            facts(shown),
            *_over_time(interval, counts, speed["workers"]),
            *_stages(work),
        ],
    )


def _rates(documents: int, mentions: int, seconds: float) -> dict[str, object]:
    return {
        "time": duration(seconds),
        "documents": f"{documents:,}, {rate(documents, seconds)} a second",
        "mentions": f"{mentions:,}, {rate(mentions, seconds)} a second",
    }


def _tokens(work: Mapping[tuple[str, str], float]) -> dict[str, object]:
    shown: dict[str, object] = {
        f"tokens, {label}": f"{round(amount):,}" for (name, label), amount in sorted(work.items()) if name == "tokens"
    }
    if pairs := work.get(("pairs", "")):
        shown["pairs scored by the re-ranker"] = f"{round(pairs):,}"
    return shown


def _cache(work: Mapping[tuple[str, str], float]) -> dict[str, object]:
    generators = sorted({label for name, label in work if name in ("cache_hits", "cache_misses")})
    shown: dict[str, object] = {}
    for label in generators:
        hits, misses = (round(work.get((name, label), 0)) for name in ("cache_hits", "cache_misses"))
        searched = f"{percent(hits / (hits + misses))} % of {counted(hits + misses, 'surface')}"
        shown[f"cache hits, {label}"] = f"{searched} had been searched before" if hits + misses else None
    return shown


def _over_time(interval: float, counts: Mapping[str, Sequence[float]], workers: int) -> list[Block]:
    """Return charts of the rates; of a single interval there is nothing to draw."""
    if len(counts["documents"]) < 2:
        return []
    unit, per_unit = ("minutes", 60.0) if interval * len(counts["documents"]) > 300 else ("seconds", 1.0)
    times = [round((place + 0.5) * interval / per_unit, 3) for place in range(len(counts["documents"]))]
    return [
        charts.lines(
            "Documents a second over time.",
            unit,
            "documents/s",
            times,
            {"documents/s": [round(value / interval, 2) for value in counts["documents"]]},
        ),
        charts.lines(
            f"How many of the {counted(workers, 'worker')} were busy over time.",
            unit,
            "busy workers",
            times,
            {"busy workers": [round(value / interval, 2) for value in counts["busy_seconds"]]},
        ),
    ]


def _stages(work: Mapping[tuple[str, str], float]) -> list[Block]:
    seconds = {label: amount for (name, label), amount in work.items() if name == "stage_seconds" and amount > 0}
    ordered = sorted(seconds, key=lambda label: (STAGES.index(label) if label in STAGES else len(STAGES), label))
    if not ordered:
        return []
    return [
        charts.bars(
            "Seconds of work by stage, of all workers and readers together, without the loading of models.",
            "stage",
            "seconds",
            {label: round(seconds[label], 1) for label in ordered},
        )
    ]
