"""`raybel calibrate`, and what commands that make models say of their calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import counted, percent, relative
from raybel.jobs.calibrate.config import CalibrateConfig

if TYPE_CHECKING:
    from raybel.candidates.calibration import FittedCalibration
    from raybel.rerank.cascade import Cascade


@click.command(context_settings=CONTEXT)
@options(CalibrateConfig)
def calibrate(values: dict[str, Any]) -> None:
    """Fit probabilities to a finished generator, or to a cross-encoder the rule of what is sure.

    Training does so by itself where it has a validation corpus. This is for models that were made without one, for a
    generator that fuses two, and for another kind of text. Links then have other scores: runs begin anew.

    \b
    Examples:
      raybel calibrate --ontology data/ontology.arrow --ngrams-model models/ngrams --dense-index models/dense \\
          --val-corpus data/val.bioc.xml.gz
      raybel calibrate --ontology data/ontology.arrow --dense-index models/dense --reranker-model models/tree \\
          --val-corpus data/val.bioc.xml.gz
    """
    config = configured(CalibrateConfig, values)
    from raybel.jobs.calibrate.job import calibrate_generator, calibrate_reranker

    if config.reranker_model is None:
        for note in generator_notes(calibrate_generator(config)):
            tables.out.print(note, markup=False)
    else:
        show_cascade(calibrate_reranker(config), f"cross-encoder {relative(config.reranker_model)}")


def generator_notes(fitted: FittedCalibration | None) -> list[str]:
    """Say what a generator's scores are worth.

    Args:
        fitted: On the validation corpus; None where there is none, or nothing to fit.
    """
    if fitted is None:
        return [
            "scores are the generator's own, no probabilities: nothing was fitted to them (that takes a validation "
            "corpus with right and wrong candidates)"
        ]
    figures = fitted.figures
    notes = [
        f"scores become probabilities, fitted on {counted(int(figures['mentions'] or 0), 'validation mention')}: "
        f"expected calibration error {_points(figures['ECE'])} points (judged on documents that weren't fitted on), "
        f"of the generator's own scores {_points(figures['ECE_of_scores'])}"
    ]
    return [*notes, *threshold_notes(fitted.threshold, figures)]


def _points(value: float | None) -> str:
    return percent(value) or "unknown"


def threshold_notes(threshold: float | None, figures: Any) -> list[str]:
    """Say which threshold is recommended, and why.

    Args:
        threshold: None where no validation mention lacks a concept.
        figures: What it was chosen by.
    """
    if threshold is None:
        return ["no --threshold to recommend: all validation mentions have a concept of the ontology"]
    return [
        f"recommended --threshold {threshold:.2f}: F1 of links {_points(figures['F1'])} on the validation corpus, "
        f"without one {_points(figures['F1_without_threshold'])}; "
        f"{counted(int(figures['without_concept']), 'mention')} there have no concept of the ontology"
    ]


def _rule(cascade: Cascade) -> list[str]:
    """Say what isn't scored by the model, and what that saves."""
    figures = cascade.figures
    order = "the first stage's order" if cascade.settled is None else "the order by first stage and prior"
    rule = ["no mention is sure"]
    if cascade.sure_from is not None:
        rule = [f"sure from a probability of {cascade.sure_from:.2f}: these have {order}"]
    if cascade.pruned_below is not None:
        rule.append(
            f"unsure mentions' candidates of a probability below {cascade.pruned_below:.3f} aren't scored, "
            "nor one that alone is left"
        )
    if cascade.sure_from is None and cascade.pruned_below is None:
        return ["no mention is sure: all will be re-ranked"]
    tokens = f", and {_points(figures['tokens_saved'])} % of the tokens" if "tokens_saved" in figures else ""
    return [*rule, f"pairs of mention and candidate that this saves: {_points(figures['pairs_saved'])} %{tokens}"]


def show_cascade(cascade: Cascade | None, title: str) -> None:
    """Print the table of what is sure.

    Args:
        cascade: The rule; None where there was nothing to fit.
        title: Of the table.
    """
    if cascade is None:
        tables.out.print("nothing to fit a rule of what is sure to: all mentions will be re-ranked", markup=False)
        return
    figures = cascade.figures
    share = figures["sure"] or 0.0
    stages = {"first stage": "first_stage_right_of_"}
    if cascade.settled is not None:
        stages["with the prior"] = "settled_right_of_"
    stages["re-ranked"] = "reranked_right_of_"
    rows = [
        [f"{name} ({percent(part)} %)", *(percent(figures[f"{stage}{name}"]) for stage in stages.values())]
        for name, part in (("sure", share), ("unsure", 1 - share))
    ]
    notes = [
        *_rule(cascade),
        f"right of all mentions with candidates: {_points(figures['right'])}, "
        f"if all are re-ranked {_points(figures['right_if_all_are_reranked'])}",
        f"expected calibration error {_points(figures['ECE'])} points, on the mentions that it was fitted on",
        *threshold_notes(cascade.threshold, figures),
    ]
    tables.table(f"{title}: Acc@1 on the validation corpus, %", ["", *stages], rows, notes)
