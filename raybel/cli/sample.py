"""`raybel sample`: mentions drawn from a corpus, with the documents that they are in."""

from __future__ import annotations

import sys
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import relative
from raybel.jobs.sample.config import SampleConfig


@click.command(context_settings=CONTEXT)
@options(SampleConfig)
def sample(values: dict[str, Any]) -> None:
    """Draw mentions of each surface from a corpus, or confidently linked ones from a run.

    Writes DIR/shards, the documents that the drawn mentions are in, with these alone annotated, and DIR/mentions, a
    table of them. With --confident, each drawn mention is labelled with its link: a corpus to train on.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel sample --in-corpus runs/found --per-surface 5 --out-corpus samples/contexts
      raybel sample --in-corpus runs/pubmed --per-surface 10 --confident 0.95 --out-corpus samples/labelled
    """
    config = configured(SampleConfig, values)
    from raybel.jobs.sample.job import sample as run  # Ray takes a second to import

    result = run(config)
    rows: list[tuple[str, object]] = [
        ("mentions that can be drawn", result.mentions),
        ("  distinct surfaces", result.surfaces),
        ("mentions drawn", result.sampled),
        ("  documents that they are in", result.documents),
        ("documents that couldn't be read", result.bad_documents),
    ]
    tables.table(f"sample {relative(config.out_corpus)}", ["", "count"], rows)
    tables.not_read(result.failed)
    if result.failed:
        sys.exit(INCOMPLETE)
