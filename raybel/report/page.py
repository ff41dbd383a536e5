"""The page that all reports share: one HTML file with its style, its scripts and its figures, which needs no network.

A page is sections of blocks: text, lists of facts, tables, charts (`raybel.report.charts`). What is put into one is
untrusted text and is escaped; only `Markup` isn't. Its content security policy lets nothing run but the scripts that
are in it by name, and loads nothing from anywhere. Without JavaScript it has the tables and lacks the drawings.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from markupsafe import Markup, escape

from raybel.report.charts import Chart, themes

#: What isn't a number to look at: a column of these stands to the left.
_NOT_NUMBER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Section:
    """A section of a page, with a place in its navigation.

    Args:
        title: Its heading; the titles of a page's sections differ.
        blocks: What is in it, in order.
    """

    title: str
    blocks: Sequence[Markup | Chart]


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        title: Its heading, and the browser's title.
        sections: In order.
        summary: A sentence or two below the heading; "" for none.
        notices: What a person must know before reading on, such as that the run isn't finished.
        related: Other pages that this one links to: (relative path or address, text).
        scripts: Files of this package, run in order once the page is there; they find data by `raybel.data(name)`.
        data: JSON values for them, by name.
        evaluates: Whether its charts need functions made of text, as parallel coordinates do.
    """

    title: str
    sections: Sequence[Section]
    summary: str = ""
    notices: Sequence[str] = ()
    related: Sequence[tuple[str, str]] = ()
    scripts: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    evaluates: bool = False

    def html(self) -> str:
        """Return the page; the same content gives the same text."""
        charts: list[Chart] = []
        sections = [_section(number, section, charts) for number, section in enumerate(self.sections, 1)]
        scripts = [_file(name) for name in ("page.js", *self.scripts)]
        data = {**self.data, "charts": [chart.json() for chart in charts], "themes": themes()} if charts else self.data
        return "\n".join(
            [
                "<!doctype html>",
                '<html lang="en">',
                "<head>",
                '<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format(self._policy(scripts)),
                Markup("<title>{}</title>").format(self.title),
                f"<style>\n{_file('style.css')}</style>",
                "</head>",
                "<body>",
                '<a class="skip" href="#content">Skip to the content</a>',
                self._header(),
                self._navigation(),
                '<main id="content" tabindex="-1">',
                *(Markup('<p class="notice" role="note">{}</p>').format(notice) for notice in self.notices),
                *sections,
                "</main>",
                "<footer>Made by raybel. This file needs no network.</footer>",
                *(_data_block(name, value) for name, value in data.items()),
                *([f'<script type="text/plain" id="data-plotly">{_packed_plotly()}</script>'] if charts else []),
                *(f"<script>{script}</script>" for script in scripts),
                "</body>",
                "</html>",
                "",
            ]
        )

    def _policy(self, scripts: Iterable[str]) -> str:
        """Return the content security policy: plotly runs from a blob that this page's own script makes."""
        digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
        allowed = " ".join([*(f"'sha256-{digest}'" for digest in digests), "blob:"])
        unsafe = " 'unsafe-eval'" if self.evaluates else ""
        return (
            f"default-src 'none'; script-src {allowed}{unsafe}; style-src 'unsafe-inline'; img-src data: blob:; "
            "base-uri 'none'; form-action 'none'"
        )

    def _header(self) -> Markup:
        summary = Markup("<p>{}</p>").format(self.summary) if self.summary else Markup()
        links = [Markup('<li><a href="{}">{}</a></li>').format(safe_link(href), text) for href, text in self.related]
        related = Markup('<nav class="related" aria-label="Related pages"><ul>{}</ul></nav>').format(_joined(links))
        return Markup("<header><h1>{}</h1>{}{}</header>").format(self.title, summary, related if links else "")

    def _navigation(self) -> Markup:
        entries = [
            Markup('<li><a href="#section-{}">{}</a></li>').format(number, section.title)
            for number, section in enumerate(self.sections, 1)
        ]
        return Markup('<nav class="contents" aria-label="Sections of this page"><ul>{}</ul></nav>').format(
            _joined(entries)
        )


def text(sentence: str) -> Markup:
    """Return a paragraph."""
    return Markup("<p>{}</p>").format(sentence)


def note(sentence: str) -> Markup:
    """Return a paragraph that says how something was made or is to be read, smaller than the text."""
    return Markup('<p class="note">{}</p>').format(sentence)


def heading(title: str) -> Markup:
    """Return a heading within a section."""
    return Markup("<h3>{}</h3>").format(title)


def facts(values: Mapping[str, object]) -> Markup:
    """Return names with their values; a value may be `Markup`, None is left out."""
    rows = [
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, shown(value))
        for name, value in values.items()
        if value is not None
    ]
    return Markup("<dl>{}</dl>").format(_joined(rows))


def details(summary: str, blocks: Iterable[Markup]) -> Markup:
    """Return what is shown when it is asked for."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, _joined(blocks))


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], marks: Mapping[int, str] | None = None
) -> Markup:
    """Return a table; columns without letters are taken for numbers and stand to the right.

    Args:
        caption: What it shows; what can be scrolled must have a name.
        header: Of its columns.
        rows: Cells: texts, numbers (`shown`), or `Markup`.
        marks: Classes of rows by their place: `best` and `failed` have a style.
    """
    cells = [[shown(value) for value in row] for row in rows]
    numeric = [
        place > 0 and all(not _NOT_NUMBER.search(row[place].striptags()) for row in cells)
        for place in range(len(header))
    ]
    kinds = [Markup(' class="number"') if each else Markup() for each in numeric]
    head = [Markup('<th scope="col"{}>{}</th>').format(kind, name) for kind, name in zip(kinds, header, strict=True)]
    body = [
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="{}"').format(marks[number]) if marks and number in marks else "",
            _joined(Markup("<td{}>{}</td>").format(kind, cell) for kind, cell in zip(kinds, row, strict=True)),
        )
        for number, row in enumerate(cells)
    ]
    return Markup(
        '<div class="wide" role="region" tabindex="0" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table></div>"
    ).format(caption, caption, _joined(head), Markup("\n").join(body))


def shown(value: object) -> Markup:
    """Return a value as it is shown: whole numbers with thousands, texts isolated from the direction of others."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup()
    if isinstance(value, bool):
        return Markup("yes" if value else "no")
    if isinstance(value, int):
        return Markup(f"{value:,}")
    if isinstance(value, float):
        return Markup(f"{value:.2f}")
    return isolated(str(value)) if str(value) else Markup()


def isolated(words: str) -> Markup:
    """Return an untrusted text whose direction of writing, even an override, ends with it."""
    return escape(words) if words.isascii() else Markup("<bdi>{}</bdi>").format(words)


def in_context(mention: Mapping[str, Any]) -> Markup:
    """Return a mention with what stands around it, and its document's id.

    Args:
        mention: `text`, `doc_id` and, where they are known, `before` and `after`.
    """
    return Markup('<div class="context" dir="auto">{}<b>{}</b>{} <span class="quiet">({})</span></div>').format(
        mention.get("before", ""), mention["text"], mention.get("after", ""), isolated(mention["doc_id"])
    )


def safe_link(href: str) -> str:
    """Return a link's target, `#` in place of one that would run a script."""
    scheme = re.match(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):", href)
    return "#" if scheme and scheme[1].lower() not in ("http", "https", "file", "mailto") else href


def _section(number: int, section: Section, charts: list[Chart]) -> Markup:
    """Return a section, and add its charts to those of the page."""
    blocks: list[Markup] = []
    for block in section.blocks:
        if isinstance(block, Chart):
            blocks.append(_figure(len(charts), block))
            charts.append(block)
        else:
            blocks.append(block)
    return Markup(
        '<section id="section-{}" aria-labelledby="heading-{}">\n<h2 id="heading-{}">{}</h2>\n{}\n</section>'
    ).format(number, number, number, section.title, Markup("\n").join(blocks))


def _figure(number: int, chart: Chart) -> Markup:
    """Return the place of a chart, with its table, which is open until the chart is drawn."""
    figures = (
        Markup('<details class="of-chart" open><summary>As a table</summary>{}</details>').format(
            table(chart.caption, chart.header, chart.rows)
        )
        if chart.header
        else ""
    )
    return Markup(
        '<figure><figcaption>{}</figcaption><div class="plot" id="chart-{}" role="img" aria-label="{}" '
        'style="height: {}px" hidden></div>{}</figure>'
    ).format(chart.caption, number, chart.caption, chart.height, figures)


def _data_block(name: str, value: Any) -> str:
    """Return a value as JSON that no text in it can end."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    safe = written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<script type="application/json" id="data-{name}">{safe}</script>'


def _joined(pieces: Iterable[Markup]) -> Markup:
    return Markup().join(pieces)


@functools.cache
def _file(name: str) -> str:
    """Return a file of this package."""
    return resources.files("raybel.report").joinpath(name).read_text("utf-8")


@functools.cache
def _packed_plotly() -> str:
    """Return plotly's own script, gzipped, as base64: 2 MB in place of 5."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
