"""`raybel link` and `raybel status`."""

from __future__ import annotations

import sys
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import duration, rate
from raybel.jobs.link.config import LinkConfig


@click.command(context_settings=CONTEXT)
@click.argument("more", nargs=-1, metavar="[PATH]...")
@options(LinkConfig, optional=("in_corpus",))
def link(more: tuple[str, ...], values: dict[str, Any]) -> None:
    """Link every mention of a corpus to an ontology.

    Writes DIR/shards (BioC with links, one file per input file), DIR/mentions and DIR/documents (Parquet),
    DIR/quarantine (what couldn't be linked, and why), DIR/metrics.parquet and DIR/manifest.json.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --out-corpus runs/val
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --dense-index models/dense --reranker-model models/tree --top-k 5 --out-corpus runs/reranked
      raybel link --in-corpus 'pubmed/*.xml.gz' --config link.yaml --out-corpus s3://bucket/runs/pubmed
    """
    values["in_corpus"] = (*values.get("in_corpus", ()), *more)
    if not values["in_corpus"]:
        raise click.UsageError("Missing option '--in-corpus'.")
    config = configured(LinkConfig, values)
    from raybel.cli.progress import line, shown
    from raybel.jobs.link import job  # Ray takes a second to import

    with shown(line) as watch:
        done = job.link(config, watch)
    _summary(done, config.threshold)
    if done.failed:
        sys.exit(INCOMPLETE)


def _summary(done: Any, threshold: float | None) -> None:
    from raybel.linking.run_directory import COUNTS

    metrics, progress = done.metrics, done.progress
    totals = {name: sum(metrics[name].to_pylist()) for name in COUNTS}
    rows: list[tuple[str, object]] = [("shards", metrics.num_rows)]
    if progress.shards_before:
        rows.append(("  of them from earlier starts", progress.shards_before))
    rows += [("documents", totals["documents"]), ("mentions", totals["mentions"]), ("  linked", totals["linked"])]
    without = "  without candidates" + (f" of score {threshold:g} or more" if threshold is not None else "")
    rows += [(without, totals["without_candidates"]), ("  spans repaired", totals["repairs"])]
    rows.append(("documents in quarantine", totals["quarantined"]))
    if progress.chunks:
        rows.append(("time, without Ray's start", duration(progress.seconds)))
        rows.append(("documents/s", rate(progress.counts["documents"], progress.seconds)))
    notes = [*done.notes, *(f"quarantine: {reason}" for reason in done.top_errors)]
    count, examples = done.repeated
    if count:
        notes.append(f"{count:,} documents share their id with another one, such as {', '.join(examples[:3])}")
    tables.table(f"run directory {done.run}", ["", "count"], rows, notes)
    for reason in done.failed.values():
        tables.err.print(f"not read: {reason}", style="red", markup=False, soft_wrap=True)
    if done.failed:
        tables.err.print(
            f"{len(done.failed)} input files couldn't be read and have no shard; mend them and run the same command",
            style="red",
        )


@click.command(context_settings=CONTEXT)
@click.argument("run")
def status(run: str) -> None:
    """Say how far a run is, from any shell that sees its directory.

    \b
    Example:
      raybel status runs/val
    """
    import time

    from raybel.files import storage
    from raybel.files.locks import held
    from raybel.linking import run_directory

    manifest = run_directory.read_manifest(run)
    plan = storage.read_json(storage.join(run, "logs", "plan.json"))
    finished = {name.removesuffix(".json") for name in storage.names(storage.join(run, "state"))}
    done = sum(shard["name"] in finished for shard in plan)
    where = storage.join(run, "logs", "progress.json")
    progress = storage.read_json(where) if storage.exists(where) else None
    rows: list[tuple[str, object]] = [("state", _state(held(run), done, len(plan), progress))]
    rows.append(("shards", f"{done:,} of {len(plan):,}"))
    if progress:
        rows.append(("documents (this start)", progress["counts"]["documents"]))
        rows.append(("documents/s", rate(progress["counts"]["documents"], progress["seconds"])))
        rows.append(("documents in quarantine", progress["counts"]["quarantined"]))
        rows.append(("last news", f"{duration(time.time() - progress['time'])} ago"))
    tables.table(run, ["", ""], rows, [f"fingerprint {manifest['fingerprint']}"])


def _state(held: bool, done: int, total: int, progress: dict[str, Any] | None) -> str:
    if held:
        return "running"
    if done == total:
        return "finished"
    if progress and progress["finished"]:
        return f"finished, but {total - done} input files couldn't be read"
    return "stopped; run the same command to go on"
