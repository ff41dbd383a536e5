"""Charts: plotly's figures in colours that are seen on white and on black, each with its figures as a table."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Contrast of at least 3:1 with the page in either scheme; told apart by people who see fewer colours, too.
BLUE, ORANGE, GREEN, PURPLE, RED, TEAL, GREY = (
    "#2f7fc1",
    "#c8671b",
    "#2a8f5c",
    "#8f63c4",
    "#cf4545",
    "#168f9c",
    "#7b8794",
)
COLOURS = (BLUE, ORANGE, PURPLE, GREEN, TEAL, RED, GREY)
HEIGHT = 340
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
#: Of text, grid and the label under the pointer, in each scheme.
_SCHEMES = {
    "light": {"text": "#1c2126", "grid": "#d8dde3", "label": "#ffffff"},
    "dark": {"text": "#e4e7eb", "grid": "#3a424c", "label": "#262c33"},
}


@dataclass(frozen=True)
class Chart:
    """A chart on a page.

    Args:
        figure: Of plotly; its template and its size are the page's.
        caption: What it shows, in a sentence; read aloud in its place.
        header: Of the table with its figures; [] where another table of the page has them.
        rows: Of that table.
        height: In pixels.
    """

    figure: Any
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    height: int = HEIGHT

    def json(self) -> dict[str, Any]:
        """Return the figure as plotly's script takes it, without a template."""
        value: dict[str, Any] = json.loads(self.figure.to_json())
        layout = {name: each for name, each in value["layout"].items() if name not in ("template", "width", "height")}
        return {"data": value["data"], "layout": layout}


def plain(words: str, most: int = 60) -> str:
    """Return untrusted text as plotly shows it, not as the markup that it may look like; long texts are cut."""
    line = " ".join(words.split())
    return html.escape(line if len(line) <= most else line[: most - 1] + "…", quote=False)


def themes() -> dict[str, Any]:
    """Return plotly's templates by colour scheme."""
    return {name: {"layout": _template(**colours)} for name, colours in _SCHEMES.items()}


def _template(text: str, grid: str, label: str) -> dict[str, Any]:
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "tickcolor": grid,
        "automargin": True,
        "fixedrange": True,
        "title": {"standoff": 8},
    }
    return {
        "colorway": list(COLOURS),
        "font": {"color": text, "family": _FONT, "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": axis,
        "margin": {"t": 16, "r": 16, "b": 48, "l": 56},
        "dragmode": False,
        "hoverlabel": {"bgcolor": label, "bordercolor": grid, "font": {"color": text, "family": _FONT}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False},
        "bargap": 0.12,
    }


def lines(
    caption: str,
    x_title: str,
    y_title: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    percent: bool = False,
    shape: str = "linear",
) -> Chart:
    """Draw lines over a common axis.

    Args:
        caption: See `Chart`.
        x_title: What the axis is, with its unit; the table's first column.
        y_title: What the lines are of.
        x: Where their points are.
        series: Each line's values by its name, None for a gap.
        percent: Whether values are shares, shown in percent.
        shape: Of plotly's lines: `hv` for steps.
    """
    from plotly import graph_objects as go

    figure = go.Figure()
    scaled = {name: [_scaled(value, percent) for value in values] for name, values in series.items()}
    mode = "lines" if len(x) > 40 else "lines+markers"
    for name, values in scaled.items():
        figure.add_scatter(x=list(x), y=values, name=plain(name), mode=mode, line={"shape": shape})
    figure.update_layout(xaxis_title=x_title, yaxis_title=y_title, showlegend=len(series) > 1)
    rows = [[point, *each] for point, *each in zip(x, *scaled.values(), strict=True)]
    return Chart(figure, caption, [x_title, *series], rows)


def bars(
    caption: str,
    of: str,
    x_title: str,
    values: Mapping[str, float],
    colour: str = BLUE,
    percent: bool = False,
) -> Chart:
    """Draw horizontal bars, the first above.

    Args:
        caption: See `Chart`.
        of: What the bars are; the table's first column.
        x_title: What their lengths are.
        values: By name.
        colour: Of all bars.
        percent: Whether values are shares, shown in percent.
    """
    from plotly import graph_objects as go

    shown = [_scaled(value, percent) for value in values.values()]
    figure = go.Figure(go.Bar(x=shown, y=list(range(len(values))), orientation="h", marker={"color": colour}))
    figure.update_layout(xaxis_title=x_title, yaxis=_named_axis(list(values)), showlegend=False)
    rows = [[name, value] for name, value in zip(values, shown, strict=True)]
    return Chart(figure, caption, [of, x_title], rows, _height(len(values)))


def intervals(
    caption: str,
    of: str,
    x_title: str,
    series: Mapping[str, Mapping[str, tuple[float | None, float | None, float | None]]],
) -> Chart:
    """Draw points with their intervals, a row for each name, in percent.

    Args:
        caption: See `Chart`.
        of: What the rows are; the table's first column.
        x_title: What the points are.
        series: For each series and name a share with its lower and its upper bound, which are None where unknown; a
            name without a value in a series has no point in it.
    """
    from plotly import graph_objects as go

    names = list(dict.fromkeys(name for values in series.values() for name in values))
    figure = go.Figure()
    step = 0.7 / max(len(series), 1)
    for number, (title, values) in enumerate(series.items()):
        placed = [(names.index(name), *value) for name, value in values.items() if value[0] is not None]
        value, low, high = ([_scaled(each[place], True) for each in placed] for place in (1, 2, 3))
        spans = [
            (0.0, 0.0) if middle is None or least is None or most is None else (middle - least, most - middle)
            for middle, least, most in zip(value, low, high, strict=True)
        ]
        figure.add_scatter(
            x=value,
            y=[each[0] + (number - (len(series) - 1) / 2) * step for each in placed],
            name=plain(title),
            mode="markers",
            marker={"size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [above for _, above in spans],
                "arrayminus": [below for below, _ in spans],
            },
        )
    figure.update_layout(xaxis_title=x_title, yaxis=_named_axis(names), showlegend=len(series) > 1)
    rows = [[name, *(interval_text(*values.get(name, (None,) * 3)) for values in series.values())] for name in names]
    header = [of, *(series if len(series) > 1 else (x_title,))]
    return Chart(figure, caption, header, rows, _height(len(names) * max(1, len(series) * 0.75)))


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """Return a share in percent with its interval, "" for None."""
    if value is None:
        return ""
    if low is None or high is None:
        return f"{100 * value:.1f}"
    between = "–" if low >= 0 else " to "  # a dash before a minus is hard to read
    return f"{100 * value:.1f} [{100 * low:.1f}{between}{100 * high:.1f}]"


def _named_axis(names: Sequence[str]) -> dict[str, Any]:
    """Return an axis of rows, the first one above; rows are numbered, since names may look like dates or repeat."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [plain(name, 44) for name in names],
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
    }


def _height(rows: float) -> int:
    return int(max(150, 90 + 30 * rows))


def _scaled(value: float | None, percent: bool) -> float | None:
    return None if value is None else round(100 * value, 2) if percent else value
