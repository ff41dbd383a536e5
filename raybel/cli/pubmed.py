"""`raybel pubmed`."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE, gather_paths
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import duration, rate, relative
from raybel.jobs.pubmed.config import PubmedConfig


@click.command(context_settings=CONTEXT)
@click.argument("more", nargs=-1, metavar="[PATH]...")
@options(PubmedConfig, optional=("in_corpus",))
def pubmed(more: tuple[str, ...], values: dict[str, Any]) -> None:
    """Make links of a whole dump: find mentions, look their distinct surfaces up, link, count.

    Writes DIR/found and DIR/links (run directories), DIR/lookups, DIR/concepts.parquet (how often each concept is
    linked) and DIR/steps.json. The same command again skips the steps that are done.

    Exit status: 0 all done; 1 failed; 2 wrong usage; 3 done, but some input files couldn't be read.

    \b
    Examples:
      raybel pubmed --in-corpus pubmed-baseline --dictionary models/diseases --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --out-dir runs/pubmed
      raybel pubmed --in-corpus pubmed-baseline --detector models/detector --routes routes.yaml --out-dir runs/pubmed
    """
    gather_paths(values, more)
    config = configured(PubmedConfig, values)
    from raybel.cli.progress import linking, show_progress
    from raybel.jobs.pubmed.directory import STEPS
    from raybel.jobs.pubmed.job import pubmed as run  # Ray takes a second to import

    with show_progress(lambda state: linking(state[1], state[0])) as watch:
        result = run(config, lambda step, progress: watch((step, progress)))
    rows = [
        [
            STEPS[step["step"]],
            step.get("documents", ""),
            step.get("mentions", ""),
            step.get("surfaces", ""),
            step.get("linked", "") if step["step"] == "link" else "",
            "done before" if step["skipped"] else duration(step["seconds"]),
            "" if step["skipped"] or "documents" not in step else rate(step["own_documents"], step["seconds"]),
        ]
        for step in result.steps
    ]
    columns = ["", "documents", "mentions", "surfaces", "linked", "time", "documents/s"]
    tables.table(f"dump to links {relative(result.out_dir)}", columns, rows, result.notes)
    for reason in result.unread:
        tables.say(reason, logging.ERROR)
    if result.incomplete:
        tables.say("some input files couldn't be read; the quarantines in found/ and links/ say why", logging.ERROR)
        sys.exit(INCOMPLETE)
