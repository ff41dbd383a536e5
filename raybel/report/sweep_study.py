"""Optuna's own plots of a sweep: which hyper-parameters mattered, and what each of their values gave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from raybel.display import counted
from raybel.report import charts
from raybel.report.charts import Chart
from raybel.tuning.search import study_of
from raybel.tuning.space import Space
from raybel.tuning.trials import Trial, best_trial, maximised

#: Trials from which on importances say something, and the most that they are computed of.
LEAST_TRIALS, MOST_TRIALS = 4, 2_000
#: Curves in a chart.
MOST_CURVES = 20


def importances(trials: Sequence[Trial], space: Space, metric: str) -> Chart | None:
    """Draw how much of the metric's variance each hyper-parameter explains (Hutter et al., fANOVA, ICML 2014).

    None where there are too few trials, or all have the same value.
    """
    ended = _ended(trials)
    if len(ended) < LEAST_TRIALS or len({trial.value for trial in ended}) < 2:
        return None
    import optuna

    study = study_of(space, ended, maximised(metric))
    varied = [name for name in space.searched if len({repr(trial.parameters[name]) for trial in ended}) > 1]
    if not varied:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied)
    figure = optuna.visualization.plot_param_importances(study, evaluator=evaluator, params=varied)
    rows = [[name, f"{100 * share:.1f}"] for name, share in found.items()]
    of = counted(len(ended), "trial")
    caption = f"How much of the differences in {metric} each hyper-parameter explains, of {of}."
    figure.update_layout(title=None, showlegend=False, xaxis_title="share explained", yaxis_title=None)
    figure.update_traces(marker_color=charts.BLUE)
    return Chart(figure, caption, ["hyper-parameter", "%"], rows, 90 + 34 * len(rows))


def slices(trials: Sequence[Trial], space: Space, metric: str) -> Chart | None:
    """Draw the metric by the values of each hyper-parameter; None where there are too few trials."""
    ended = _ended(trials)
    if len(ended) < 2:
        return None
    import optuna

    study = study_of(space, ended, maximised(metric))
    figure = optuna.visualization.plot_slice(study, target_name=charts.plain(metric))
    scale = [[0.0, charts.GREY], [1.0, charts.BLUE]]
    figure.update_traces(marker={"colorscale": scale, "line": {"width": 0}, "size": 7})
    figure.update_layout(title=None)
    figure.for_each_xaxis(lambda axis: axis.update(title_font_size=12, fixedrange=True))
    caption = f"{metric} by the values of each hyper-parameter, later trials in blue; the table of trials has them all."
    return Chart(figure, caption, [], [], 360)


def epoch_curves(trials: Sequence[Trial], metric: str) -> Chart | None:
    """Draw the metric over the epochs of the best trials; None where no trial has several epochs."""
    several = [trial for trial in trials if len(_values(trial)) > 1]
    sign = -1 if maximised(metric) else 1
    several = sorted(several, key=lambda trial: (sign * (trial.value or 0.0), trial.number))[:MOST_CURVES]
    if not several:
        return None
    several.sort(key=lambda trial: trial.number)
    epochs = list(range(1, max(len(_values(trial)) for trial in several) + 1))
    best = best_trial(several, maximised(metric))
    series: dict[str, list[float | None]] = {}
    for trial in several:
        values: list[float | None] = [*_values(trial)]
        name = f"trial {trial.number}" + (" (best)" if trial is best else "")
        series[name] = [*values, *[None] * (len(epochs) - len(values))]
    which = "" if len(several) == len([each for each in trials if len(_values(each)) > 1]) else f"best {len(several)} "
    percent = maximised(metric)
    caption = f"{metric} after each epoch of the {which}trials that have several epochs."
    axis = f"{metric} (%)" if percent else metric
    chart = charts.lines(caption, "epoch", charts.plain(axis), [float(each) for each in epochs], series, percent)
    chart.figure.update_layout(xaxis_dtick=max(1, math.ceil(len(epochs) / 12)))
    return chart


def _ended(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.value is not None and trial.status != "cut"][:MOST_TRIALS]


def _values(trial: Trial) -> list[Any]:
    return [epoch.get("value") for epoch in trial.epochs if epoch.get("value") is not None]
