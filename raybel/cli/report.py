"""`raybel report`: a page to look at."""

from __future__ import annotations

from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import relative
from raybel.report.config import ReportConfig


@click.command(context_settings=CONTEXT)
@click.argument("directory")
@options(ReportConfig)
def report(values: dict[str, Any], directory: str) -> None:
    """Make a page of a run, a training or a sweep: one HTML file with charts, tables and linked text.

    It needs no network. Of a run it says what was run; how good the links are, where gold annotations are given, and
    which stage erred; what was linked to what; how fast it was; what is in quarantine. A sample of documents is in it
    with all that their mentions were linked to. Of a pipeline's directory, it is the page of the run in it that links.
    A run that isn't finished gets a page of what there is.

    \b
    Examples:
      raybel report runs/val --gold data/val.bioc.xml.gz --train-corpus data/train.bioc.xml.gz
      raybel report runs/pubmed --out pubmed.html
      raybel report sweeps/multi
    """
    from raybel.report.write import write_report  # plotly takes a second to import

    page = write_report(configured(ReportConfig, values, directory=directory))
    tables.out.print(f"written: {relative(page)}", markup=False, soft_wrap=True)
