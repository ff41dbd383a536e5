"""`raybel status`."""

from __future__ import annotations

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.runs.run_directory import RunDirectory


@click.command(context_settings=CONTEXT)
@click.argument("directory")
def status(directory: str) -> None:
    """Say how far a job is, from any shell that sees its directory.

    \b
    Example:
      raybel status runs/val
    """
    found = RunDirectory(directory).status()
    tables.table(found.title, ["", ""], [("state", found.state), *found.figures], found.notes)
