"""`raybel link`."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE
from raybel.config import Resources, read_file
from raybel.display import duration, rate
from raybel.errors import ConfigError
from raybel.jobs.link.config import LinkConfig

_TOP = {item.name for item in fields(LinkConfig)} - {"resources"}
_RESOURCES = {item.name for item in fields(Resources)}


@click.command(context_settings=CONTEXT)
@click.option("--in-corpus", multiple=True, metavar="PATH", help="BioC files, a directory or a glob. Repeatable.")
@click.argument("more", nargs=-1, metavar="[PATH]...")
@click.option("--out-corpus", metavar="DIR", help="The run directory; the same command again resumes a killed run.")
@click.option("--ontology", metavar="FILE", help="The ontology that the generator was made from.")
@click.option("--ngrams-model", metavar="DIR", help="Candidates from an n-gram generator.")
@click.option("--dense-index", metavar="DIR", help="Candidates from a dense index; with --ngrams-model, both fused.")
@click.option("--candidates-lookup", metavar="PATH", help="Candidates from a stored lookup (directory or .json.gz).")
@click.option("--reranker-model", metavar="DIR", help="A cross-encoder that ranks the candidates.")
@click.option("--crosstype", help="Type that the cross-encoder must have.  [default: whichever it has]")
@click.option("--any-ontology", is_flag=True, default=None, help="Use a cross-encoder of another ontology.")
@click.option("--precision", help="Of the cross-encoder: fp32, bf16, fp16.  [default: the fastest]")
@click.option("--top-k", type=int, help="Candidates of a mention.  [default: 10]")
@click.option("--threshold", type=float, help="Leave out candidates with a lower score (NIL if none is left).")
@click.option("--config", "config_file", metavar="FILE", help="Options by name (YAML or JSON); flags come first.")
@click.option("--metric-file", metavar="FILE", help="Copy the table of counts here (Parquet).")
@click.option("--expand-abbreviations/--no-expand-abbreviations", default=None, help="[default: expand]")
@click.option("--chunk-documents", type=int, help="Documents in a chunk, the unit of retry.  [default: 500]")
@click.option("--max-document-mb", type=int, help="A larger document makes its file unreadable.  [default: 256]")
@click.option("--max-bad-fraction", type=float, help="Fail above this share of bad documents.  [default: 0.01]")
@click.option("--overwrite", is_flag=True, default=None, help="Delete a run of another configuration first.")
@click.option("--actors", type=int, help="Actors that hold the generator.  [default: one per CPU]")
@click.option("--cpus-per-actor", type=float, help="Logical CPUs of an actor.  [default: 0.5]")
@click.option("--cpus-per-task", type=float, help="Logical CPUs of a reading task.  [default: 0.5]")
@click.option("--gpus-per-actor", type=float, help="GPUs of an actor with an encoder.  [default: 1 if there are any]")
@click.option("--max-restarts", type=int, help="Restarts of an actor before the job fails.  [default: 10]")
def link(config_file: str | None, more: tuple[str, ...], **flags: Any) -> None:
    """Link every mention of a corpus to an ontology.

    Writes DIR/shards (BioC with links, one file per input file), DIR/mentions and DIR/documents (Parquet),
    DIR/quarantine (what couldn't be linked, and why), DIR/counts.parquet and DIR/manifest.json.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --out-corpus runs/val
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --dense-index models/dense --reranker-model models/tree --top-k 5 --out-corpus runs/reranked
      raybel link --in-corpus 'pubmed/*.xml.gz' --config link.yaml --out-corpus s3://bucket/runs/pubmed
    """
    flags["in_corpus"] = (*flags["in_corpus"], *more) or None
    config = _config(flags, read_file(config_file) if config_file else {})
    from raybel.cli.progress import line, shown
    from raybel.jobs.link import job  # Ray takes a second to import

    with shown(line) as watch:
        done = job.link(config, watch)
    _summary(done, config.threshold)
    if done.failed:
        sys.exit(INCOMPLETE)


def _config(flags: dict[str, Any], held: dict[str, Any]) -> LinkConfig:
    """Flags over file over defaults."""
    unknown = sorted(set(held) - _TOP - _RESOURCES)
    if unknown:
        raise ConfigError(f"--config has unknown options: {', '.join(unknown)}")
    chosen = {**held, **{name: value for name, value in flags.items() if value is not None}}
    missing = [name for name in ("in_corpus", "out_corpus", "ontology") if not chosen.get(name)]
    if missing:
        raise click.UsageError("missing " + ", ".join(f"--{name.replace('_', '-')}" for name in missing))
    if isinstance(chosen["in_corpus"], str):
        chosen["in_corpus"] = [chosen["in_corpus"]]
    chosen["in_corpus"] = tuple(chosen["in_corpus"])
    resources = Resources(**{name: chosen.pop(name) for name in _RESOURCES & set(chosen)})
    try:
        return LinkConfig(**chosen, resources=resources)
    except TypeError as error:
        raise ConfigError(f"an option has a value of the wrong type: {error}") from error


def _summary(done: Any, threshold: float | None) -> None:
    from raybel.runs.parts import COUNTS

    counts, progress = done.counts, done.progress
    totals = {name: sum(counts[name].to_pylist()) for name in COUNTS}
    rows: list[tuple[str, object]] = [("shards", counts.num_rows)]
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
