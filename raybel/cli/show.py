"""`raybel show`: read linked text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import click
import pyarrow.parquet as pq
from rich.text import Text

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.corpus.documents import ReadOptions, passage_text
from raybel.corpus.reading import read_documents
from raybel.files import storage
from raybel.runs.pipeline import run_with_links


@click.command(context_settings=CONTEXT)
@click.argument("run")
@click.option("--documents", type=click.IntRange(1), default=1, help="How many documents to show.")
def show(run: str, documents: int) -> None:
    """Show linked documents of a run: their text with mentions marked, and what each was linked to.

    \b
    Example:
      raybel show runs/val --documents 2
    """
    directory = run_with_links(run)
    directory.manifest()  # refuses what is no run
    remaining = documents
    for name in directory.shard_names():
        table = pq.read_table(storage.localise(directory.mentions_file(name)))
        mentions = table.select(["document", "start", "end", "text", "surface", "ranking"]).to_pylist()
        pieces = read_documents(directory.shard_file(name), ReadOptions())
        of_shard = (piece for piece in pieces if not isinstance(piece, bytes))
        for number, (document, _) in enumerate(islice(of_shard, remaining)):
            _show(document, [mention for mention in mentions if mention["document"] == number])
            remaining -= 1
        if not remaining:
            return


def _show(document: Any, mentions: list[dict[str, Any]]) -> None:
    """Print a document's text and a table of its mentions."""
    tables.out.print()
    tables.out.print(f"document {document.id}", style="bold", markup=False)
    mark = marked if not tables.out.is_terminal else _coloured
    for passage in document.passages:
        text = passage_text(passage)
        spans = [(mention["start"] - passage.offset, mention["end"] - passage.offset) for mention in mentions]
        tables.out.print(mark(text, [(start, end) for start, end in spans if 0 <= start < end <= len(text)]))
    _show_links(mentions)


def marked(text: str, spans: Sequence[tuple[int, int]]) -> Text:
    """Return a text with each span in quotation marks, as `«Anemia» is ...`; spans may lie in each other."""
    opening, closing = Counter(start for start, _ in spans), Counter(end for _, end in spans)
    pieces = []
    for place in range(len(text) + 1):
        pieces.append("»" * closing[place] + "«" * opening[place] + text[place : place + 1])
    return Text("".join(pieces))


def _coloured(text: str, spans: Sequence[tuple[int, int]]) -> Text:
    view = Text(text)
    for start, end in spans:
        view.stylize("bold cyan underline", start, end)
    return view


def _show_links(mentions: list[dict[str, Any]]) -> None:
    """Print what each distinct mention was linked to, how often, and with which score: the lowest of its mentions'."""
    scores: dict[tuple[str, str | None, str, str], list[float | None]] = {}
    for mention in mentions:
        best = mention["ranking"][0] if mention["ranking"] else None
        concept = (best["concept_id"], best["name"]) if best else ("", "(no candidate)")
        plain = " ".join(mention["text"].lower().split())
        surface = mention["surface"] if mention["surface"] != plain else None
        scores.setdefault((mention["text"], surface, *concept), []).append(best["score"] if best else None)
    header = ["mention", "looked up as", "concept", "name", "score", "times"]
    rows: list[list[object]] = [
        [*link, min((score for score in several if score is not None), default=None), len(several)]
        for link, several in scores.items()
    ]
    if not any(row[1] for row in rows):  # no abbreviation, no other typography
        header, rows = [header[0], *header[2:]], [[row[0], *row[2:]] for row in rows]
    notes = (
        ["score: the lowest, where a mention occurs several times"]
        if any(len(several) > 1 for several in scores.values())
        else []
    )
    tables.table("links", header, rows, notes)
