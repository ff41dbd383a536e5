"""`raybel lookup`: candidates for a corpus's distinct surfaces, found once."""

from __future__ import annotations

import sys
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, INCOMPLETE
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import relative
from raybel.jobs.lookup.config import LookupConfig


@click.command(context_settings=CONTEXT)
@options(LookupConfig)
def lookup(values: dict[str, Any]) -> None:
    """Find candidates for the distinct surfaces of a corpus, for `link --candidates-lookup`.

    With --frequent, a surface's candidates are the concepts that its mentions have in the corpus.

    \b
    Examples:
      raybel lookup --in-corpus 'pubmed/*.xml.gz' --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --output lookups/pubmed
      raybel lookup --frequent --in-corpus data/train.bioc.xml.gz --ontology data/ontology.arrow \\
          --output lookups/frequent
    """
    config = configured(LookupConfig, values)
    from raybel.jobs.lookup.job import make_lookup  # Ray takes a second to import

    result = make_lookup(config)
    rows: list[tuple[str, object]] = [
        ("mentions", result.mentions),
        ("distinct surfaces", result.surfaces),
        ("  with candidates", result.found),
        ("documents that couldn't be read", result.bad_documents),
    ]
    tables.table(f"lookup {relative(config.output)}", ["", "count"], rows)
    tables.not_read(result.failed)
    if result.failed:
        sys.exit(INCOMPLETE)
