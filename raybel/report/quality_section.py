"""The quality of links on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from raybel.display import counted
from raybel.evaluation.evaluate_spans import SpanEvaluation
from raybel.evaluation.metrics import METRICS
from raybel.report import charts
from raybel.report.charts import Chart, interval_text
from raybel.report.concepts import ConceptText, joined_ids
from raybel.report.page import Section, details, heading, isolated, note, shown, table, text
from raybel.report.quality import Confusion, QualityFigures, outcomes_of

#: Groups of mentions in charts and tables: of 10,000 types, so many.
MOST_GROUPS = 24
#: The scores that are drawn; all are in the table.
DRAWN = ("Acc@1", "recall@10")
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
    return "all mentions" if kind == "all" else f"{kind} {group}" if kind in ("surface", "concept") else group


def _scores(figures: QualityFigures) -> list[Block]:
    rows = figures.evaluation.groups.to_pylist()
    groups = [
        (group_name(kind, group), mentions, {row["metric"]: row for row in scores})
        for (kind, group, mentions), scores in groupby(
            rows, key=lambda row: (row["group_kind"], row["group"], row["mentions"])
        )
    ]
    kept, left_out = _cut_groups(rows, groups)
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
    ]
    if left_out:
        blocks.append(note(f"Not shown: {counted(left_out, 'type')} with fewer mentions; `raybel evaluate` has all."))
    policy, *others = figures.evaluation.sentences
    sentences = Markup("").join(Markup("<li>{}</li>").format(each) for each in others)
    return [text(policy), *blocks, details("What is counted, and how", [Markup("<ul>{}</ul>").format(sentences)])]


def _cut_groups(
    rows: Sequence[Mapping[str, Any]], groups: Sequence[tuple[str, int, Any]]
) -> tuple[list[tuple[str, int, Any]], int]:
    """Leave out the rarest types where there are more than `MOST_GROUPS`."""
    types = [row["group"] for row in rows if row["group_kind"] == "type" and row["metric"] == METRICS[0]]
    rare = set(types[MOST_GROUPS:])
    return [each for each in groups if each[0] not in rare], len(rare)


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
        "A concept that isn't among the candidates is the first stage's error: no re-ranker can bring it back."
        if figures.reranked
        else "There was no re-ranker. It could put right what is among the candidates, and nothing else."
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
            _concept(each.gold, concepts),
            _concept((each.predicted,), concepts),
            counted(each.count, "mention"),
            _examples(each),
        )
        for each in figures.confusions
    ]
    return [
        heading("The most frequent confusions"),
        text(f"{listed:,} of {counted(figures.wrong, 'wrong link')}, with mentions drawn at random as examples."),
        Markup('<ol class="confusions">{}</ol>').format(Markup("\n").join(items)),
    ]


def _concept(ids: Sequence[str], concepts: Mapping[str, ConceptText]) -> Markup:
    names = [concepts[each].name for each in ids if each in concepts and concepts[each].name]
    return Markup('<b>{}</b> <span class="quiet">{}</span>').format(
        shown(", ".join(names)) if names else "", shown(joined_ids(ids))
    )


def _examples(confusion: Confusion) -> Markup:
    lines = [
        Markup('<div class="context" dir="auto">{}<b>{}</b>{} <span class="quiet">({})</span></div>').format(
            each.before, each.mention, each.after, isolated(each.doc_id)
        )
        for each in confusion.examples
    ]
    return Markup("\n").join(lines)


def spans_section(spans: SpanEvaluation) -> Section:
    """Return the section on where mentions were found, of a run that detected them."""
    if spans.apart:
        return Section("Mentions found", [text(spans.apart)])
    rows = spans.groups.to_pylist()
    cells = [
        [group_name(kind, group), metric, interval_text(*_bounds(row))]
        for row in rows[: 12 * MOST_GROUPS]
        for kind, group, metric in [(row["group_kind"], row["group"], row["metric"])]
    ]
    sentences = Markup("").join(Markup("<li>{}</li>").format(each) for each in spans.sentences)
    drawn = {
        name: {
            group_name(row["group_kind"], row["group"]): _bounds(row)
            for row in rows[: 12 * MOST_GROUPS]
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
            details("What is counted, and how", [Markup("<ul>{}</ul>").format(sentences)]),
        ],
    )
