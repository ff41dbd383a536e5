"""`raybel link`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE, gather_paths
from raybel.cli.options import options
from raybel.cli.plan import dry_run_options, show_dry_run
from raybel.config import configured
from raybel.display import counted, duration, percent, rate, relative
from raybel.jobs.link.config import LinkConfig

if TYPE_CHECKING:  # it imports Ray
    from raybel.jobs.shard_job import RunResult


@click.command(context_settings=CONTEXT)
@click.argument("more", nargs=-1, metavar="[PATH]...")
@options(LinkConfig, optional=("in_corpus",))
@dry_run_options
def link(more: tuple[str, ...], values: dict[str, Any], dry_run: bool, prices: str | None) -> None:
    """Link every mention of a corpus to an ontology, or each type to an ontology of its own.

    Mentions are the corpus's annotations, or what --detector or --dictionary finds. Writes DIR/shards (BioC with links,
    one file per input file), DIR/mentions and DIR/documents (Parquet), DIR/quarantine (what couldn't be linked, and
    why), DIR/counts.parquet and DIR/manifest.json.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --out-corpus runs/val
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --dense-index models/dense --reranker-model models/tree --top-k 5 --out-corpus runs/reranked
      raybel link --in-corpus 'pubmed/*.xml.gz' --config link.yaml --out-corpus s3://bucket/runs/pubmed
      raybel link --in-corpus 'pubmed/*.xml.gz' --detector models/detector --routes routes.yaml --out-corpus runs/all
      raybel link --config link.yaml --dry-run --prices prices.yaml
    """
    gather_paths(values, more)
    config = configured(LinkConfig, values)
    from raybel.cli.progress import linking, show_progress
    from raybel.jobs.link import job  # Ray takes a second to import

    if dry_run:
        show_dry_run(job.plan_link, config, prices)
        return
    with show_progress(linking) as watch:
        result = job.link(config, watch)
    summary(result, threshold=config.threshold)
    if result.incomplete:
        sys.exit(INCOMPLETE)


def summary(result: RunResult, links: bool = True, threshold: float | None = None) -> None:
    """Print what a run did: a table of counts, notes, and what couldn't be read.

    Args:
        result: What `link` or `detect` returned.
        links: Whether it linked mentions.
        threshold: The score that links must have.
    """
    from raybel.runs.parts import COUNTS

    counts, progress = result.counts, result.progress
    totals = {name: sum(counts[name].to_pylist()) for name in COUNTS}
    rows: list[tuple[str, object]] = [("shards", counts.num_rows)]
    if progress.shards_before:
        rows.append(("  of them from earlier starts", progress.shards_before))
    rows += [("documents", totals["documents"]), ("mentions", totals["mentions"])]
    without = "  without candidates" + (f" of score {threshold:g} or more" if threshold is not None else "")
    rows += [("  linked", totals["linked"]), (without, totals["without_candidates"])] if links else []
    if totals["pairs"]:
        sure = totals["sure"] / max(1, totals["sure"] + totals["unsure"])
        rows.append((f"  sure, not re-ranked ({percent(sure)} %)", totals["sure"]))
        saved = percent(totals["pairs_saved"] / totals["pairs"])
        rows.append((f"  pairs of mention and candidate that needn't be scored ({saved} %)", totals["pairs_saved"]))
    if read := result.tokens.get("reranking"):
        of = ", in this start" if progress.own["documents"] < totals["documents"] else ""
        rows.append((f"  tokens that the re-ranker read{of}", read))
    rows.append(("  spans repaired", totals["repairs"]))
    rows.append(("annotations set aside", totals["set_aside"]))
    rows.append(("documents in quarantine", totals["quarantined"]))
    rows += [("documents withdrawn by the input", totals["deleted"])] if totals["deleted"] else []
    if progress.chunks:
        rows.append(("time, without Ray's start", duration(progress.seconds)))
        rows.append(("documents/s", rate(progress.own["documents"], progress.seconds)))
    notes = [*result.notes, *(f"quarantine: {reason}" for reason in result.top_errors)]
    more = totals["quarantined"] + totals["set_aside"] - len(result.top_errors)
    if result.top_errors and more > 0:
        notes.append(f"quarantine: {more:,} more in {relative(result.run)}/quarantine")
    count, examples = result.repeated
    if count:
        notes.append(f"{counted(count, 'document')} with an id that another one has, such as {', '.join(examples[:3])}")
    if totals["passed_over"]:
        notes.append(
            f"{counted(totals['passed_over'], 'member')} of archives passed over: not named as a corpus's files"
        )
    tables.table(f"run directory {relative(result.run)}", ["", "count"], rows, notes)
    tables.not_read(result.failed.values())
    for reason in result.unreadable:
        tables.say(f"not read to its end: {reason}", logging.ERROR)
    if totals["unreadable"]:
        files = counted(totals["unreadable"], "file")
        tables.say(
            f"{files} of archives or groups couldn't be read to the end; {relative(result.run)}/quarantine says why",
            logging.ERROR,
        )
    if result.failed:
        tables.say(
            f"{counted(len(result.failed), 'input file')} couldn't be read: fix this and run the same command",
            logging.ERROR,
        )
