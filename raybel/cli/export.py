"""`raybel export`: a run in another program's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.cli.progress import show_progress
from raybel.config import configured
from raybel.display import counted, relative
from raybel.exports.config import ExportConfig

if TYPE_CHECKING:
    from raybel.exports.export import ExportProgress


@click.command(context_settings=CONTEXT)
@click.argument("run")
@options(ExportConfig, leave=("run",))
def export(run: str, values: dict[str, Any]) -> None:
    """Write a run as PubTator text, as BELB's records, as JSON Lines, or for spaCy.

    RUN is a directory of `raybel link` or `raybel pubmed`. Every mention is written that was to be linked, with its
    link, or without one; documents in the quarantine, and annotations that can't be used, are left out.

    \b
    Examples:
      raybel export runs/test --format pubtator --out exports/pubtator
      raybel export runs/test --format jsonl --top-k 3 --out exports/test.jsonl.gz
      raybel export runs/test --format spacy --threshold 0.5 --out exports/test.spacy
    """
    config = configured(ExportConfig, values, run=run)
    from raybel.exports.export import export as run_export

    with show_progress(_exporting, "from the beginning") as watch:
        result = run_export(config, watch)
    tally = result.tally
    rows: list[tuple[str, object]] = [
        ("files", len(result.files)),
        ("documents", tally.documents),
        ("mentions", tally.mentions),
        ("  linked", tally.linked),
    ]
    tables.table(f"{config.format} {relative(config.out)}", ["", "count"], rows, result.notes)


def _exporting(progress: ExportProgress) -> str:
    """Return an export's progress as one line."""
    done = [counted(progress.tally.documents, "document"), counted(progress.tally.mentions, "mention")]
    return f"export: shards {progress.shards}/{progress.shards_total}, {', '.join(done)}"
