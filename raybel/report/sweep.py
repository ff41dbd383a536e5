"""The page of a sweep: the best value so far, what mattered, how values go together, and the table of its trials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from raybel.display import counted, duration
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION, WorkDirectory
from raybel.report import charts
from raybel.report.charts import Chart
from raybel.report.page import Page, Section, facts, note, table, text
from raybel.report.related import directory_name, pages_beside, siblings
from raybel.report.sweep_study import epoch_curves, importances, slices
from raybel.tuning.space import Range, Space
from raybel.tuning.trials import Trial, best_trial, load_trials, maximised, score_text, value_text

_COLOURS = {"finished": charts.BLUE, "stopped": charts.GREY, "cut": charts.ORANGE}
_LABELS = {"finished": "finished", "stopped": "stopped early", "cut": "cut short by the time"}
#: Rows of the table of trials.
MOST_TRIALS = 1_000
KIND = "sweep"


def sweep_page(
    title: str,
    trials: Sequence[Trial],
    space: Space,
    metric: str,
    best: Trial | None,
    about: Mapping[str, str],
    failure: str | None = None,
    related: Sequence[tuple[str, str]] = (),
) -> Page:
    """Return the page of a sweep.

    Args:
        title: Above it.
        trials: By number.
        space: What was searched.
        metric: What the trials' `value` is of; shown in percent, but for a loss.
        best: The trial that is marked.
        about: Shown above the figures, name and value.
        failure: What a person must know first: why there is no best trial, or that there is more to come; None for
            nothing.
        related: Other pages: (relative path, text).
    """
    valued = [trial for trial in trials if trial.value is not None]
    found: list[Markup | Chart] = [facts(about)]
    if valued:
        found.append(best_so_far(valued, metric))
    sections = [Section("What was found", found)]
    if valued and space.searched:
        blocks: list[Markup | Chart] = [parallel_coordinates(valued, space, metric)]
        for chart in (importances(valued, space, metric), slices(valued, space, metric)):
            blocks += [chart] if chart else []
        sections.append(Section("Hyper-parameters", blocks))
    if (curves := epoch_curves(valued, metric)) is not None:
        sections.append(Section("Epochs", [curves]))
    sections.append(Section("Trials", _trials(trials, space, metric, best)))
    return Page(title, sections, "", [failure] if failure else [], related, evaluates=bool(valued))


def page_of_sweep(directory: str, page: str) -> Page:
    """Return the page of a sweep's directory, of the trials that there are.

    Args:
        directory: Path or URI.
        page: Where it will lie, for links to others.

    Raises:
        InputError: The directory's description is damaged.
    """
    description = WorkDirectory(directory, KIND, "a sweep").read() or {}
    identity = description.get("identity", {})
    space = Space.read(identity.get("space", {}), join(directory, DESCRIPTION))
    choices = {name: dimension.values for name, dimension in space.searched.items() if not isinstance(dimension, Range)}
    trials, metric = load_trials(directory, choices), identity.get("metric", "")
    best = best_trial(trials, maximised(metric))
    unfinished = "This sweep isn't finished: the page is of the trials that have ended."
    return sweep_page(
        f"Sweep over {identity.get('target', 'hyper-parameters')}: {directory_name(directory)}",
        trials,
        space,
        metric,
        best,
        description.get("about") or _about(identity, trials, metric, best),
        None if description.get("finished") else unfinished,
        pages_beside(page, siblings(directory)),
    )


def _about(identity: Mapping[str, Any], trials: Sequence[Trial], metric: str, best: Trial | None) -> dict[str, str]:
    """Return what can be said of a sweep that hasn't said it itself."""
    statuses = Counter(trial.status for trial in trials)
    return {
        "search": str(identity.get("search", "")),
        "seed": str(identity.get("seed", "")),
        "trials": ", ".join(f"{count} {status}" for status, count in statuses.items()) or "none",
        "best": f"trial {best.number}, {metric} {score_text(metric, best.value)}" if best else "none",
        "time": f"{duration(sum(trial.seconds for trial in trials))} of work in trials",
    }


def _trials(trials: Sequence[Trial], space: Space, metric: str, best: Trial | None) -> list[Markup]:
    if not trials:
        return [text("No trial has ended.")]
    shown = list(trials[:MOST_TRIALS])
    if best is not None and best not in shown:
        shown.append(best)
    names = list(space.searched)
    rows, marks = [], {}
    for place, trial in enumerate(shown):
        if trial is best or trial.status == "failed":
            marks[place] = "best" if trial is best else "failed"
        cells = [str(trial.number), trial.status, score_text(metric, trial.value), len(trial.epochs)]
        values = [value_text(trial.parameters.get(name)) for name in names]
        rows.append([*cells, f"{trial.seconds:.1f}", *values, trial.error or ""])
    header = ["trial", "status", _axis(metric), "epochs", "s", *names, "error"]
    caption = "All trials" if len(shown) == len(trials) else f"The first {MOST_TRIALS:,} of {len(trials):,} trials"
    blocks = [table(f"{caption}; the best is marked", header, rows, marks)]
    if len(shown) < len(trials):
        blocks.append(note(f"{counted(len(trials) - len(shown), 'more trial')} are in `trials.parquet`."))
    return blocks


def _shown(trial: Trial, metric: str) -> float:
    """Return the value of a trial that has one as it is drawn: in percent, but for a loss."""
    value = trial.value or 0.0
    return 100 * value if maximised(metric) else value


def _axis(metric: str) -> str:
    return f"{metric} (%)" if maximised(metric) else metric


def best_so_far(trials: Sequence[Trial], metric: str) -> Chart:
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
            text=[charts.plain(trial.values_text, 400) for trial in of_status],
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
        line={"shape": "hv", "color": charts.PURPLE},
    )
    figure.update_layout(xaxis_title="trial", yaxis_title=charts.plain(_axis(metric)), hovermode="closest")
    rows = [[str(trial.number), f"{value:.4g}"] for trial, value in zip(uncut, values, strict=True)]
    return Chart(figure, f"{metric} of each trial, and the best so far.", ["trial", "best so far"], rows)


def parallel_coordinates(trials: Sequence[Trial], space: Space, metric: str) -> Chart:
    """Draw a line for each trial through its values, coloured by the metric."""
    from plotly import graph_objects as go

    axes: list[dict[str, Any]] = []
    for name, dimension in space.searched.items():
        values = [trial.parameters[name] for trial in trials]
        if isinstance(dimension, Range):
            shown = [math.log10(value) for value in values] if dimension.log else values
            axis: dict[str, Any] = {"label": charts.plain(name), "values": shown}
            if dimension.log:
                ticks = sorted({min(values), max(values), 10 ** ((min(shown) + max(shown)) / 2)})
                axis |= {
                    "tickvals": [math.log10(tick) for tick in ticks],
                    "ticktext": [f"{tick:.2g}" for tick in ticks],
                }
        else:
            texts = [value_text(value) for value in dimension.values]
            axis = {"label": charts.plain(name), "values": [texts.index(value_text(value)) for value in values]}
            axis |= {
                "tickvals": list(range(len(texts))),
                "ticktext": list(map(charts.plain, texts)),
                "range": [0, max(len(texts) - 1, 1)],
            }
        axes.append(axis)
    shown = [_shown(trial, metric) for trial in trials]
    axes.append({"label": charts.plain(_axis(metric)), "values": shown})
    # Its ends are seen on white and on black.
    scale = [[0.0, "#b9862a"], [0.5, "#2a8f8f"], [1.0, "#8a4fd0"]]
    line = {"color": shown, "colorscale": scale, "showscale": True, "reversescale": not maximised(metric)}
    figure = go.Figure(go.Parcoords(line=line, dimensions=axes))
    figure.update_layout(margin={"t": 60, "l": 90, "r": 40})
    caption = f"Each trial as a line through its values, coloured by its {metric}; the table of trials has them all."
    return Chart(figure, caption, [], [], 420)
