"""`raybel lookup`: candidates for a corpus's distinct surfaces, found once."""

from __future__ import annotations

import sys

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE
from raybel.config import Resources


@click.command(context_settings=CONTEXT)
@click.option(
    "--in-corpus",
    "--train-corpus",
    "--val-corpus",
    "in_corpus",
    multiple=True,
    required=True,
    metavar="PATH",
    help="BioC files, a directory or a glob. Repeatable.",
)
@click.option(
    "--output", "--output-file", "output", required=True, metavar="PATH", help="A directory, or a published .json.gz."
)
@click.option("--ontology", required=True, metavar="FILE", help="The ontology that the generator was made from.")
@click.option("--ngrams-model", metavar="DIR", help="Candidates from an n-gram generator.")
@click.option("--dense-index", metavar="DIR", help="Candidates from a dense index; with --ngrams-model, both fused.")
@click.option("--top-k", type=click.IntRange(1), default=10, help="Candidates of a surface.")
@click.option(
    "--expand-abbreviations/--no-expand-abbreviations", default=True, help="As the link job that will use it."
)
@click.option("--ranges", type=click.IntRange(1), default=32, help="Files of the lookup.")
@click.option("--actors", type=int, help="Actors that hold the generator.  [default: one per CPU or GPU]")
@click.option("--gpus-per-actor", type=float, help="GPUs of an actor with an encoder.  [default: 1 if there are any]")
@click.option("--metric-file", metavar="FILE", help="Write counts and seconds here (JSON).")
def lookup(
    in_corpus: tuple[str, ...],
    output: str,
    ontology: str,
    ngrams_model: str | None,
    dense_index: str | None,
    top_k: int,
    expand_abbreviations: bool,
    ranges: int,
    actors: int | None,
    gpus_per_actor: float | None,
    metric_file: str | None,
) -> None:
    """Find candidates for the distinct surfaces of a corpus, for `link --candidates-lookup`.

    \b
    Example:
      raybel lookup --in-corpus 'pubmed/*.xml.gz' --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --output lookups/pubmed
    """
    from raybel.jobs.lookup.config import LookupConfig
    from raybel.jobs.lookup.job import make_lookup

    resources = Resources(actors=actors, gpus_per_actor=gpus_per_actor)
    done = make_lookup(
        LookupConfig(
            *(in_corpus, output, ontology, ngrams_model, dense_index),
            *(top_k, expand_abbreviations, ranges, resources, metric_file),
        )
    )
    rows: list[tuple[str, object]] = [
        ("mentions", done.mentions),
        ("distinct surfaces", done.surfaces),
        ("  with candidates", done.found),
        ("documents that couldn't be read", done.bad_documents),
    ]
    tables.table(f"lookup {output}", ["", "count"], rows)
    for reason in done.failed.values():
        tables.err.print(f"not read: {reason}", style="red", markup=False, soft_wrap=True)
    if done.failed:
        sys.exit(INCOMPLETE)
