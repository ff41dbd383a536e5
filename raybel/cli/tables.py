"""What a person sees: tables, notes and numbers on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from raybel.errors import without_secrets
from raybel.reporting import logs

_LOG = logging.getLogger(__name__)
#: Characters that a column keeps at least, where it has so many, however narrow the terminal is.
_LEAST_WIDTH = 8
#: Control characters but for line feeds and tabs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STYLES = {logging.ERROR: "red", logging.WARNING: "yellow", logging.INFO: "dim"}
#: Results go to standard output, progress and complaints to standard error.
out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else 160)


def not_read(reasons: Iterable[str]) -> None:
    """Print why files couldn't be read."""
    for reason in reasons:
        say(f"not read: {reason}", logging.ERROR)


def say(text: str, level: int = logging.INFO, style: str | None = None) -> None:
    """Print a line to standard error, or log it where lines of JSON are wanted.

    Args:
        text: The line.
        level: Of logging.
        style: How it is printed; None for the level's: an error is red, a warning yellow, news dim.
    """
    text = without_secrets(text)
    if logs.is_json():
        _LOG.log(level, text)
    else:
        err.print(text, style=_STYLES[level] if style is None else style, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()) -> None:
    """Print a table: texts left-aligned, numbers right; whole numbers with thousands separators.

    Args:
        title: Shown above the table.
        columns: Headings; none is shown where all are empty.
        rows: Cells; None is shown as an empty cell.
        notes: Lines below the table.
    """
    view = Table(box=None, pad_edge=False)
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[place]) for row in cells) for place in range(len(columns))]
    total = 0
    for place, column in enumerate(columns):
        side: Literal["left", "right"] = "left" if place == 0 or not numeric[place] else "right"
        # Where the terminal is narrow, texts and headings wrap, numbers stay whole; no column is squeezed to nothing.
        width = max([0, *(len(line) for row in cells for line in row[place].splitlines())])
        word = max([0, *map(len, column.split())])
        least = max(width, word) if numeric[place] else min(_LEAST_WIDTH, max(width, word))
        total += least + 2
        view.add_column(Text(column), justify=side, overflow="fold", min_width=least)
    view.collapse_padding = total > out.width
    view.show_header = any(columns)
    for row in cells:
        view.add_row(*map(Text, row))
    out.print()
    out.print(title, style="bold", markup=False, soft_wrap=True)  # a table's own title is as narrow as the table
    out.print(view)
    print_notes(notes)


def print_notes(notes: Iterable[str]) -> None:
    """Print lines below a table."""
    for note in notes:
        out.print(note, style="dim", markup=False)


def _is_number(text: str) -> bool:
    return not any(character.isalpha() for character in text) and (not text or any(map(str.isdigit, text)))


def plain(text: str) -> str:
    """Return untrusted text as it can be printed: a terminal would obey its control characters."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return plain(str(value))
