"""The quality of links on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from raybel.display import counted
from raybel.evaluation import evaluate
from raybel.evaluation.evaluate_spans import SpanEvaluation
from raybel.evaluation.metrics import METRICS
from raybel.report import charts
from raybel.report.charts import Chart, interval_text
from raybel.report.concepts import ConceptText, joined_ids
from raybel.report.page import Section, details, heading, in_context, note, shown, table, text
from raybel.report.quality import QualityFigures, outcomes_of

#: Groups of mentions in charts and tables: of 10,000 types, so many.
MOST_GROUPS = 24
#: The scores that are drawn; all are in the table.
DRAWN = ("Acc@1", "recall@10")
#: Under tables of scores, for those who don't know them.
WHAT_SCORES_ARE = (
    "Acc@1: mentions whose link, the first candidate, is right. recall@k: mentions with the right concept among their "
    "first k candidates. MRR: the mean of 1/rank of the right concept, 0 where it isn't among the candidates. A "
    "surface is a mention's text as it is looked up: abbreviations expanded, in lower case."
)
Block = Markup | Chart


def quality_section(figures: QualityFigures, concepts: Mapping[str, ConceptText], scores: str) -> Section:
    """Return the section.

    Args:
        figures: What was found.
        concepts: Names of the concepts that are confused.
        scores: What the links' scores are, in a sentence.
    """
    blocks: list[Block] = [
        *_scores(figures),
        *_calibration(figures, scores),
        *_outcomes(figures),
        *_confusions(figures, concepts),
    ]
    return Section("Quality", blocks)


def group_name(kind: str, group: str) -> str:
    """Return a group's name for people."""
    return "all mentions" if kind == "all" else evaluate.group_name(kind, group)


def _scores(figures: QualityFigures) -> list[Block]:
    rows, left_out = _cut_types(figures.evaluation.groups.to_pylist())
    kept = [
        (group_name(kind, group), mentions, {row["metric"]: row for row in scores})
        for (kind, group, mentions), scores in groupby(
            rows, key=lambda row: (row["group_kind"], row["group"], row["mentions"])
        )
    ]
    series = {
        metric: {name: _bounds(scores[metric]) for name, mentions, scores in kept if mentions} for metric in DRAWN
    }
    cells = [
        [name, mentions, *(interval_text(*_bounds(scores[metric])) for metric in METRICS)]
        for name, mentions, scores in kept
    ]
    blocks: list[Block] = [
        charts.intervals(
            f"{' and '.join(DRAWN)} in percent, with 95 % intervals: of all mentions, by type, and by what was seen in "
            "training or sure before re-ranking, where that is known.",
            "mentions",
            "%",
            series,
        ),
        table("Scores in percent, with 95 % intervals", ["", "mentions", *METRICS], cells),
        note(WHAT_SCORES_ARE),
        *_left_out(left_out, "raybel evaluate"),
    ]
    policy, *others = figures.evaluation.sentences
    sentences = Markup("").join(Markup("<li>{}</li>").format(each) for each in others)
    return [text(policy), *blocks, details("What is counted, and how", [Markup("<ul>{}</ul>").format(sentences)])]


def _cut_types(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Return the scores without those of the rarest types beyond `MOST_GROUPS`, and how many these are."""
    types = dict.fromkeys(row["group"] for row in rows if row["group_kind"] == "type")  # frequent ones come first
    rare = set(list(types)[MOST_GROUPS:])
    return [row for row in rows if row["group_kind"] != "type" or row["group"] not in rare], len(rare)


def _left_out(types: int, command: str) -> list[Markup]:
    if not types:
        return []
    return [note(f"Not shown: {counted(types, 'type')} with fewer mentions; `{command}` has all.")]


def _bounds(row: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    return row["value"], row["low"], row["high"]


def _calibration(figures: QualityFigures, meaning: str) -> list[Block]:
    blocks: list[Block] = [heading("Calibration: is a link as often right as its score says?")]
    if figures.calibration_error is None:
        return [*blocks, text("There is nothing to draw: no links, or scores that aren't between 0 and 1.")]
    scores = [score for score, _, _ in figures.calibration]
    shares = [share for _, share, _ in figures.calibration]
    chart = charts.lines(
        "Share of links that are right, by score; on the diagonal where scores are what they promise.",
        "score of the links (mean of an interval of a tenth)",
        "right (%)",
        [round(score, 3) for score in scores],
        {"right": shares, "as promised": scores},
        percent=True,
    )
    with_counts = Chart(
        chart.figure,
        chart.caption,
        ["mean score", "right (%)", "links"],
        [[score, round(100 * share, 1), count] for score, share, count in figures.calibration],
        chart.height,
    )
    chart.figure.update_layout(xaxis_range=[0, 1], yaxis_range=[0, 102])
    chart.figure.data[1].update(mode="lines", line={"dash": "dot", "color": charts.GREY})
    return [
        *blocks,
        text(
            f"{meaning} On average they are {100 * figures.calibration_error:.1f} points off (expected calibration "
            "error)."
        ),
        with_counts,
    ]


def _outcomes(figures: QualityFigures) -> list[Block]:
    names = [name for name in outcomes_of(figures.reranked) if any(kind[1] == name for kind in figures.outcomes)]
    totals = {name: sum(count for (_, each), count in figures.outcomes.items() if each == name) for name in names}
    every = sum(totals.values())
    if not every:
        return []
    by_type: dict[str, dict[str, int]] = {}
    for (kind, name), count in figures.outcomes.items():
        by_type.setdefault(kind, {})[name] = count
    ordered = sorted(by_type.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    rows = [[kind, sum(counts.values()), *(counts.get(name, 0) for name in names)] for kind, counts in ordered]
    title = "Which stage erred" if figures.reranked else "Where the first stage erred"
    why = (
        "The first stage proposes candidates, and the re-ranker orders them. A concept that isn't among the candidates "
        "is the first stage's error: no re-ranker can bring it back."
        if figures.reranked
        else "The first stage proposes candidates. There was no re-ranker, which could put right what is among them, "
        "and nothing else."
    )
    blocks: list[Block] = [
        heading(title),
        text(why),
        charts.bars(
            f"What became of the {every:,} mentions with one gold concept that count.",
            "outcome",
            "mentions",
            totals,
        ),
    ]
    if len(ordered) > 1:
        blocks.append(table("Outcomes by type of mention", ["type", "mentions", *names], rows[:MOST_GROUPS]))
    if rows[MOST_GROUPS:]:
        blocks.append(note(f"Not shown: {counted(len(rows) - MOST_GROUPS, 'type')} with fewer mentions."))
    return blocks


def _confusions(figures: QualityFigures, concepts: Mapping[str, ConceptText]) -> list[Block]:
    if not figures.confusions:
        return []
    listed = sum(each.count for each in figures.confusions)
    items = [
        Markup("<li>{} was linked to {}: {}{}</li>").format(
            concept_words(each.gold, concepts),
            concept_words(each.predicted, concepts),
            counted(each.count, "mention"),
            Markup("\n").join(map(in_context, each.examples)),
        )
        for each in figures.confusions
    ]
    return [
        heading("The most frequent confusions"),
        text(f"{listed:,} of {counted(figures.wrong, 'wrong link')}, with mentions drawn at random as examples."),
        Markup('<ol class="confusions">{}</ol>').format(Markup("\n").join(items)),
    ]


def concept_words(ids: Sequence[str], concepts: Mapping[str, ConceptText]) -> Markup:
    """Return the names of concepts, as far as they are known, and their ids."""
    names = [concepts[each].name for each in ids if each in concepts and concepts[each].name]
    return Markup('<b>{}</b> <span class="quiet">{}</span>').format(
        shown(", ".join(names)) if names else "", shown(joined_ids(ids))
    )


def spans_section(spans: SpanEvaluation) -> Section:
    """Return the section on where mentions were found, of a run that detected them."""
    if spans.apart:
        return Section("Mentions found", [text(spans.apart)])
    rows, left_out = _cut_types(spans.groups.to_pylist())
    cells = [
        [group_name(kind, group), metric, interval_text(*_bounds(row))]
        for row in rows
        for kind, group, metric in [(row["group_kind"], row["group"], row["metric"])]
    ]
    sentences = Markup("").join(Markup("<li>{}</li>").format(each) for each in spans.sentences)
    drawn = {
        name: {
            group_name(row["group_kind"], row["group"]): _bounds(row)
            for row in rows
            if row["metric"] == name and row["value"] is not None
        }
        for name in dict.fromkeys(row["metric"] for row in rows)
        if str(name).endswith("F1")
    }
    return Section(
        "Mentions found",
        [
            charts.intervals("F1 of the mentions that were found, in percent, with 95 % intervals.", "", "%", drawn),
            table("Precision, recall and F1 in percent", ["mentions", "score", "%"], cells),
            *_left_out(left_out, "raybel evaluate --spans"),
            details("What is counted, and how", [Markup("<ul>{}</ul>").format(sentences)]),
        ],
    )
