"""`raybel detect`."""

from __future__ import annotations

import sys
from typing import Any

import click

from raybel.cli.common import CONTEXT, INCOMPLETE, gather_paths
from raybel.cli.link import summary
from raybel.cli.options import options
from raybel.cli.plan import dry_run_options, show_dry_run
from raybel.config import configured
from raybel.jobs.detect.config import DetectConfig


@click.command(context_settings=CONTEXT)
@click.argument("more", nargs=-1, metavar="[PATH]...")
@options(DetectConfig, optional=("in_corpus",))
@dry_run_options
def detect(more: tuple[str, ...], values: dict[str, Any], dry_run: bool, prices: str | None) -> None:
    """Find the mentions in a corpus's text, and annotate them.

    `raybel link --detector` finds and links in one job. Writes a run directory as that does, without links:
    DIR/shards holds the documents with annotations.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel detect --in-corpus pubmed26n0001.xml.gz --dictionary models/diseases --out-corpus runs/found
      raybel detect --in-corpus 'BioCXML.*.tar.gz' --detector models/detector --existing-annotations replace \\
          --out-corpus s3://bucket/runs/found
    """
    gather_paths(values, more)
    config = configured(DetectConfig, values)
    from raybel.cli.progress import detecting, show_progress
    from raybel.jobs.detect import job  # Ray takes a second to import

    if dry_run:
        show_dry_run(job.plan_detect, config, prices)
        return
    with show_progress(detecting) as watch:
        result = job.detect(config, watch)
    summary(result, links=False)
    if result.incomplete:
        sys.exit(INCOMPLETE)
