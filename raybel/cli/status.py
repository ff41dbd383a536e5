"""`raybel status`."""

from __future__ import annotations

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.jobs.status import status as status_of


@click.command(context_settings=CONTEXT)
@click.argument("directory")
def status(directory: str) -> None:
    """Say how far a run, pipeline, sweep, training, index, lookup or sample is, wherever its directory is seen.

    \b
    Examples:
      raybel status runs/val
      raybel status runs/pubmed
      raybel status s3://bucket/sweeps/multi
    """
    job = status_of(directory)
    tables.table(job.title, ["", ""], [("state", job.state), *job.figures], job.notes)
