"""`raybel show`: read linked text."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click
import pyarrow.parquet as pq
from rich.text import Text

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.corpus.chunks import read_documents
from raybel.corpus.documents import ReadOptions, passage_text
from raybel.corpus.formats.registry import CORPUS_SUFFIXES
from raybel.files import storage
from raybel.linking.run_directory import read_manifest


@click.command(context_settings=CONTEXT)
@click.argument("run")
@click.option("--documents", type=click.IntRange(1), default=1, help="How many documents to show.")
def show(run: str, documents: int) -> None:
    """Show linked documents of a run: their text with mentions marked, and what each was linked to.

    \b
    Example:
      raybel show runs/val --documents 2
    """
    read_manifest(run)
    left = documents
    for name in storage.names(storage.join(run, "shards")):
        if not name.endswith(CORPUS_SUFFIXES):
            continue
        table = pq.read_table(storage.localise(storage.join(run, "mentions", name + ".parquet")))
        rows = table.select(["document", "start", "end", "text", "surface", "ranking"]).to_pylist()
        uri = storage.join(run, "shards", name)
        found = (item for item in read_documents(uri, ReadOptions()) if not isinstance(item, bytes))
        for number, (document, _) in enumerate(islice(found, left)):
            _show(document, [row for row in rows if row["document"] == number])
            left -= 1
        if not left:
            return


def _show(document: Any, rows: list[dict[str, Any]]) -> None:
    tables.out.print()
    tables.out.print(f"document {document.id}", style="bold", markup=False)
    for passage in document.passages:
        text = Text(passage_text(passage))
        for row in rows:
            start, end = row["start"] - passage.offset, row["end"] - passage.offset
            if 0 <= start < end <= len(text):
                text.stylize("bold cyan underline", start, end)
        tables.out.print(text, soft_wrap=False)
    links: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        best = row["ranking"][0] if row["ranking"] else None
        name = f"{best['concept_id']}  {best['name']}" if best else "(no candidate)"
        entry = links.setdefault((row["text"], name), [row["surface"], best["score"] if best else None, 0])
        entry[2] += 1
    cells = [
        [text, surface if surface != " ".join(text.lower().split()) else None, name, score, count]
        for (text, name), (surface, score, count) in links.items()
    ]
    tables.table("links", ["mention", "looked up as", "concept", "score", "times"], cells)
