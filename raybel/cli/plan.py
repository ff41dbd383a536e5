"""What `--dry-run` prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.display import counted, duration, percent, rate, relative

if TYPE_CHECKING:  # it imports Ray
    from raybel.jobs.planning import Plan, Prices


def dry_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --dry-run and --prices to a command, which gets them as `dry_run` and `prices`."""
    command = click.option(
        "--prices",
        metavar="FILE",
        help="With --dry-run: what an hour of a CPU and a GPU costs (YAML: cpu_hour, gpu_hour, currency).",
    )(command)
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Try the job on a part of the input for half a minute, say what all of it would take, and write nothing.",
    )(command)


def show_dry_run(plan: Callable[[Any, Prices | None], Plan], config: Any, prices: str | None) -> None:
    """Plan a job and print the plan.

    Args:
        plan: Makes the plan of a configuration.
        config: The job's.
        prices: File of prices; None where there is none.
    """
    from raybel.jobs.planning import Prices  # imports Ray

    show_plan(plan(config, Prices.read(prices) if prices else None))


def show_plan(plan: Plan) -> None:
    """Print what a job would do and take."""
    rows: list[tuple[str, object]] = [
        ("inputs (files, archives, groups)", plan.files),
        ("  their size", _bytes(plan.size)),
        ("  finished by earlier starts", plan.files_before),
        ("  finished shards of earlier starts", plan.shards_before),
        ("to do", plan.files - plan.files_before),
        ("  size", _bytes(plan.size - plan.size_before)),
    ]
    reading, working = plan.reading, plan.working
    if reading is None or working is None:
        tables.table(f"plan of {relative(plan.run)}", ["", ""], rows, ["nothing is to do: all is finished"])
        return
    rows += [
        ("  documents, about", round(plan.documents)),
        ("expected time", duration(plan.seconds)),
        *(
            (f"  with {counted(each.allocation.actors, 'actor')}, and nodes for them", duration(each.seconds))
            for each in plan.at_bounds
        ),
        ("  documents/s", rate(round(plan.documents), plan.seconds)),
        ("  core-hours", _hours(plan.hours_of("CPU"))),
    ]
    if plan.cluster.get("GPU"):
        rows.append(("  GPU-hours", _hours(plan.hours_of("GPU"))))
    if plan.cost is not None and plan.prices is not None:
        rows.append((f"  cost, {plan.prices.currency}", f"{plan.cost:,.2f}"))
    tables.table(f"plan of {relative(plan.run)}", ["", ""], rows)
    allocation, busiest = plan.allocation, max(plan.reading_seconds, plan.working_seconds)
    stages = [
        ("read", plan.readers, allocation.cpus_per_task, 0.0, reading, plan.reading_seconds),
        ("work and write", allocation.actors, allocation.cpus_per_actor, allocation.gpus_per_actor, working,
         plan.working_seconds),
    ]  # fmt: skip
    tables.table(
        "stages",
        ["", "workers", "CPUs each", "GPUs each", "memory each", "documents/s each", "busy %"],
        [
            (name, count, f"{cpus:g}", f"{gpus:g}", _bytes(trial.memory), _rate(plan.documents / count, seconds),
             percent(seconds / busiest if busiest else 0.0))
            for name, count, cpus, gpus, trial, seconds in stages
        ],
        _notes(plan),
    )  # fmt: skip


def _notes(plan: Plan) -> list[str]:
    assert plan.reading is not None, "it was tried"
    assert plan.working is not None, "it was tried"
    cluster, bounds = plan.cluster, plan.allocation.bounds
    store, tried = cluster.get("object_store_memory", 0.0), plan.working
    grows = f"from {bounds[0]} to {bounds[1]:,} actors, {plan.allocation.actors} at the start; " if bounds else ""
    return [
        f"{grows}{counted(plan.nodes, 'node')}: {cluster.get('CPU', 0):g} CPUs, {cluster.get('GPU', 0):g} GPUs, "
        f"{_bytes(cluster.get('memory', 0))} of memory; object store {_bytes(store)}, of which chunks take about "
        f"{_bytes(plan.waiting_bytes)}",
        f"tried on {counted(plan.reading.tried, 'document')} read and {counted(tried.tried, 'document')} "
        f"({counted(round(tried.mentions / tried.workers), 'mention')}) done; workers start and load their models in "
        f"{duration(tried.before)}",
        "nothing was written; other work on the machines, and documents unlike those that were tried, change it",
    ]


def _rate(count: float, seconds: float) -> str:
    return f"{count / seconds:,.1f}" if seconds else ""


def _hours(hours: float) -> str:
    return f"{hours:,.3f}" if hours < 1 else f"{hours:,.1f}"


def _bytes(size: float) -> str:
    """Return a size in the largest decimal unit that gives at least 1."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"
