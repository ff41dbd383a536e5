"""A sweep as a web page: the best value so far, parallel coordinates, and the table of its trials."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from raybel.tuning.space import Range, Space
from raybel.tuning.trials import Trial, maximised, score_text, value_text

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content auto; gap: .2rem 1rem; } dt { color: #666; } dd { margin: 0; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
td, th { padding: .2rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e4e4e4; }
tr.best td { background: #e9f5e9; font-weight: 600; } tr.failed td { color: #a33; }
td.error { text-align: left; white-space: normal; }
"""
_COLOURS = {"finished": "#1f6fb4", "stopped": "#b0b7bf", "cut": "#e2c26b"}
_LABELS = {"finished": "finished", "stopped": "stopped early", "cut": "cut short by the time"}


def sweep_page(
    title: str,
    trials: Sequence[Trial],
    space: Space,
    metric: str,
    best: Trial | None,
    facts: dict[str, str],
    failure: str | None = None,
) -> str:
    """Return a page that needs nothing else than itself.

    Args:
        title: Above it.
        trials: By number.
        space: What was searched.
        metric: What the trials' `value` is of; shown in percent, but for a loss.
        best: The trial that is marked.
        facts: Shown above the figures, name and value.
        failure: Why there is no best trial; None where there is one.
    """
    valued = [trial for trial in trials if trial.value is not None]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1><dl>",
        *(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items()),
        "</dl>",
        *([f"<p><strong>{html.escape(failure)}</strong></p>"] if failure else []),
    ]
    if valued:
        figures = (
            ("Best so far", best_so_far(valued, metric)),
            ("Parallel coordinates", parallel_coordinates(valued, space, metric)),
        )
        for number, (heading, figure) in enumerate(figures):
            script = "inline" if number == 0 else False
            drawn = figure.to_html(full_html=False, include_plotlyjs=script, config={"displaylogo": False})
            parts.append(f"<h2>{heading}</h2>{drawn}")
    names = list(space.searched)
    head = ["trial", "status", metric, "epochs", "s", *names, "error"]
    parts.append("<h2>Trials</h2><div class='wide'><table><tr>")
    parts += [*(f"<th>{html.escape(name)}</th>" for name in head), "</tr>"]
    for trial in trials:
        mark = " class='best'" if trial is best else " class='failed'" if trial.status == "failed" else ""
        score = score_text(metric, trial.value)
        cells = [trial.number, trial.status, score, len(trial.epochs), f"{trial.seconds:.1f}"]
        cells += [value_text(trial.parameters.get(name)) for name in names]
        row = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
        parts.append(f"<tr{mark}>{row}<td class='error'>{html.escape(trial.error or '')}</td></tr>")
    return "\n".join([*parts, "</table></div></body></html>\n"])


def _shown(trial: Trial, metric: str) -> float:
    """Return the value of a trial that has one as it is drawn: in percent, but for a loss."""
    value = trial.value or 0.0
    return 100 * value if maximised(metric) else value


def _axis(metric: str) -> str:
    return f"{metric} (%)" if maximised(metric) else metric


def best_so_far(trials: Sequence[Trial], metric: str) -> Any:
    """Draw a point for each trial, and a line for the best one so far."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for status, colour in _COLOURS.items():
        of_status = [trial for trial in trials if trial.status == status]
        if not of_status:
            continue
        figure.add_scatter(
            x=[trial.number for trial in of_status],
            y=[_shown(trial, metric) for trial in of_status],
            text=[trial.values_text for trial in of_status],
            mode="markers",
            name=_LABELS[status],
            marker={"color": colour, "size": 8},
        )
    uncut = [trial for trial in trials if trial.status != "cut"]  # as `best_trial` has it
    values = list(accumulate((_shown(trial, metric) for trial in uncut), max if maximised(metric) else min))
    figure.add_scatter(
        x=[trial.number for trial in uncut],
        y=values,
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": "#d1602a"},
    )
    figure.update_layout(
        template="plotly_white",
        height=380,
        margin={"t": 20},
        xaxis_title="trial",
        yaxis_title=_axis(metric),
        hovermode="closest",
    )
    return figure


def parallel_coordinates(trials: Sequence[Trial], space: Space, metric: str) -> Any:
    """Draw a line for each trial through its values, coloured by the metric."""
    from plotly import graph_objects as go

    axes: list[dict[str, Any]] = []
    for name, dimension in space.searched.items():
        values = [trial.parameters[name] for trial in trials]
        if isinstance(dimension, Range):
            shown = [math.log10(value) for value in values] if dimension.log else values
            axis: dict[str, Any] = {"label": name, "values": shown}
            if dimension.log:
                ticks = sorted({min(values), max(values), 10 ** ((min(shown) + max(shown)) / 2)})
                axis |= {
                    "tickvals": [math.log10(tick) for tick in ticks],
                    "ticktext": [f"{tick:.2g}" for tick in ticks],
                }
        else:
            texts = [value_text(value) for value in dimension.values]
            axis = {"label": name, "values": [texts.index(value_text(value)) for value in values]}
            axis |= {"tickvals": list(range(len(texts))), "ticktext": texts, "range": [0, max(len(texts) - 1, 1)]}
        axes.append(axis)
    shown = [_shown(trial, metric) for trial in trials]
    axes.append({"label": _axis(metric), "values": shown})
    # The dark end for the best: its lines are seen on white.
    line = {"color": shown, "colorscale": "Viridis", "showscale": True, "reversescale": maximised(metric)}
    figure = go.Figure(go.Parcoords(line=line, dimensions=axes))
    figure.update_layout(template="plotly_white", height=420, margin={"t": 60, "l": 90, "r": 40})
    return figure
