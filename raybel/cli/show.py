"""`raybel show`: read linked text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import relative
from raybel.evaluation.config import ShowConfig
from raybel.evaluation.selection import SelectedDocument, select
from raybel.files import storage
from raybel.report.config import check_page_name


@click.command(context_settings=CONTEXT)
@click.argument("run")
@options(ShowConfig)
@click.option("--html", metavar="FILE", help="Write the same as a page, in place of printing it: one .html file.")
def show(run: str, values: dict[str, Any], html: str | None) -> None:
    """Show linked documents of a run: their text with mentions marked, and what each was linked to.

    Without options it is the first document. --doc-id finds a document wherever it is in the run. --concept, --wrong
    and --unsure show the mentions of that kind with their passages; together, those that are of each kind.

    \b
    Examples:
      raybel show runs/val --documents 2
      raybel show runs/val --doc-id 8808605 --html 8808605.html
      raybel show runs/val --concept D009369 --unsure
      raybel show runs/val --wrong --gold-corpus data/val.bioc.xml.gz --documents 50 --html wrong.html
    """
    if html is not None:
        check_page_name("--html", html)
    selection = select(configured(ShowConfig, values, run=run))
    if html is not None:
        from raybel.report.documents import documents_page

        storage.publish(html, documents_page(selection).html().encode())
        tables.out.print(f"written: {relative(html)}", markup=False, soft_wrap=True)
        return
    for document in selection.documents():
        _show(document, selection.config)
    if said := [*selection.explanations, *selection.notes]:
        tables.out.print()
        tables.print_notes(said)


def _show(document: SelectedDocument, config: ShowConfig) -> None:
    """Print a document's text, or the passages with mentions that were asked for, and a table of the mentions."""
    tables.out.print()
    tables.out.print(f"document {tables.plain(document.doc_id)}", style="bold", markup=False, soft_wrap=True)
    if document.problem is not None:
        tables.out.print(tables.plain(f"Its text can't be shown: {document.problem}"), markup=False)
    mark = marked if not tables.out.is_terminal else _coloured
    mentions = [mention for mention in document.mentions if mention["chosen"]]
    for offset, text in document.passages:
        spans = [(mention["start"] - offset, mention["end"] - offset) for mention in mentions]
        inside = [(start, end) for start, end in spans if 0 <= start < end <= len(text)]
        if inside or not config.chooses:
            tables.out.print(mark(tables.plain(text), inside))
    if mentions:
        _show_links(mentions, config.wrong)
    else:
        tables.print_notes(["no mentions"])


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


def _show_links(mentions: list[dict[str, Any]], with_gold: bool) -> None:
    """Print what each distinct mention was linked to, how often, and with which score: the lowest of its mentions'."""
    scores: dict[tuple[str, ...], list[float | None]] = {}
    for mention in mentions:
        best = mention["ranking"][0] if mention["ranking"] else None
        concept = (best["concept_id"], best["name"]) if best else ("", "(no candidate)")
        plain = " ".join(mention["text"].lower().split())
        surface = mention["surface"] if mention["surface"] != plain else ""
        gold = ("|".join(mention["gold"] or ()) or "(no concept)",) if with_gold else ()
        scores.setdefault((mention["text"], surface, *gold, *concept), []).append(best["score"] if best else None)
    header = ["mention", "looked up as", *(["gold"] if with_gold else []), "concept", "name", "score", "times"]
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
