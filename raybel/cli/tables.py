"""What a person sees: tables, notes and numbers on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Results go to standard output, progress and complaints to standard error.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()) -> None:
    """Print a table: the first column left-aligned, the others right; whole numbers with thousands separators.

    Args:
        title: Stands above the table.
        columns: Headings.
        rows: Cells; None is shown as an empty cell.
        notes: Lines below the table.
    """
    view = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        side: Literal["left", "right"] = "left" if number == 0 else "right"
        view.add_column(Text(column), justify=side, no_wrap=number > 0, overflow="fold")
    for row in rows:
        view.add_row(*(Text(cell(value)) for value in row))
    out.print()
    out.print(view)
    for note in notes:
        out.print(note, style="dim", markup=False)


def cell(value: object) -> str:
    """Return a value as it stands in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)
