"""`raybel status`."""

from __future__ import annotations

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.files import outages
from raybel.jobs.status import status as status_of

#: A person waits for the answer: a store that is away for so long is said to be.
PATIENCE_SECONDS = 10.0


@click.command(context_settings=CONTEXT)
@click.argument("directory")
def status(directory: str) -> None:
    """Say how far a run, array of runs, pipeline, sweep, training, index, lookup or sample is, from its directory.

    \b
    Examples:
      raybel status runs/val
      raybel status runs/pubmed
      raybel status s3://bucket/sweeps/multi
    """
    with outages.patience(PATIENCE_SECONDS):
        job = status_of(directory)
    tables.table(job.title, ["", ""], [("state", job.state), *job.figures], job.notes)
