"""What was linked to what, on a page: what can be said without gold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from raybel.display import counted, percent
from raybel.evaluation.tallies import Frequent
from raybel.report import charts
from raybel.report.charts import Chart
from raybel.report.links import MOST_CONCEPTS, MOST_SURFACES, MOST_TYPES, LinkFigures
from raybel.report.page import Section, heading, note, table, text

Block = Markup | Chart
#: Bars of a chart; the table has all that are listed.
_BARS = 15
_SOURCES = {"": "not known", "name": "the concept's name", "alias": "an alias", "training": "a training mention"}


def links_section(figures: LinkFigures, scores: str, sure: dict[str, int]) -> Section:
    """Return the section.

    Args:
        figures: What was counted.
        scores: What the links' scores are, in a sentence.
        sure: Counts of `sure` and `unsure` mentions, `pairs` and `pairs_saved`; zeros where there is no such rule.
    """
    nil = figures.mentions - figures.linked
    share = percent(figures.linked / figures.mentions)
    blocks: list[Block] = [
        text(
            f"{figures.linked:,} of {counted(figures.mentions, 'mention')} are linked ({share} %); {nil:,} have no "
            "candidate, or none that reaches the threshold, and are left unlinked (NIL)."
        ),
        *_shares("ontology", figures.by_ontology(), "no route"),
        *_shares("type", figures.by_type(), "no type"),
        *_scores(figures, scores),
        *_sure(sure),
        *_concepts(figures),
        *_matched(figures.sources),
        *_uncertain(figures),
        *_unlinked(figures.unlinked),
    ]
    return Section("Links", blocks)


def _shares(what: str, rows: Sequence[tuple[str, int, int]], nameless: str) -> list[Block]:
    """Return a table of mentions by type or ontology, the rare ones together; nothing where there is only one."""
    if len(rows) < 2:
        return []
    kept, others = rows[:MOST_TYPES], rows[MOST_TYPES:]
    if others:
        kept = [*kept, (f"{len(others):,} others", sum(each[1] for each in others), sum(each[2] for each in others))]
    cells = [[name or nameless, every, linked, percent(linked / every)] for name, every, linked in kept]
    return [table(f"Mentions by {what}", [what, "mentions", "linked", "linked, %"], cells)]


def _scores(figures: LinkFigures, meaning: str) -> list[Block]:
    from plotly import graph_objects as go

    if not figures.linked:
        return []
    middles = (figures.edges[:-1] + figures.edges[1:]) / 2
    width = float(figures.edges[1] - figures.edges[0])
    figure = go.Figure(go.Bar(x=middles.tolist(), y=figures.scores.tolist(), width=width))
    figure.update_layout(xaxis_title="score", yaxis_title="links", bargap=0.05, showlegend=False)
    rows = [
        [f"{low:.3f}–{high:.3f}", count]
        for low, high, count in zip(figures.edges, figures.edges[1:], figures.scores.tolist(), strict=False)
        if count
    ]
    chart = Chart(figure, "How many links have which score.", ["score", "links"], rows)
    return [heading("Scores"), text(meaning), chart]


def _sure(counts: dict[str, int]) -> list[Block]:
    decided = counts["sure"] + counts["unsure"]
    if not decided:
        return []
    return [
        text(
            f"{counts['sure']:,} of {counted(decided, 'mention')} ({percent(counts['sure'] / decided)} %) were sure, "
            f"and weren't re-ranked; of {counts['pairs']:,} pairs of mention and candidate {counts['pairs_saved']:,} "
            "needn't be scored."
        )
    ]


def _concepts(figures: LinkFigures) -> list[Block]:
    listed = figures.concepts.top(MOST_CONCEPTS)
    if not listed:
        return []
    chart = charts.bars(
        f"The most linked of {_number(figures.concepts, 'concept')}.",
        "concept",
        "links",
        _distinct([((name or concept_id), count) for (concept_id, name), count in listed[:_BARS]]),
    )
    rows = [[name, concept_id, count, percent(count / figures.linked)] for (concept_id, name), count in listed]
    whole = Chart(chart.figure, chart.caption, ["concept", "id", "links", "of all links, %"], rows, chart.height)
    return [heading("Most linked concepts"), whole, *_error(figures.concepts)]


def _distinct(values: Sequence[tuple[str, int]]) -> dict[str, float]:
    """Return values by name, where names may repeat."""
    named: dict[str, float] = {}
    for name, value in values:
        while name in named:
            name += " "
        named[name] = value
    return named


def _matched(sources: Frequent[str]) -> list[Block]:
    if set(sources.counts) <= {""}:
        return []
    total = sum(sources.counts.values())
    rows = [
        [_SOURCES.get(name, f"an alias from {name}"), count, percent(count / total)]
        for name, count in sources.top(MOST_CONCEPTS)
    ]
    return [table("What mentions matched", ["the linked concept was found by", "links", "%"], rows)]


def _uncertain(figures: LinkFigures) -> list[Block]:
    rows = list(_uncertain_rows(figures))
    if not rows:
        return []
    return [
        heading("Least certain links"),
        table(
            f"The {len(rows)} lowest scores, each surface and concept once",
            ["mention", "type", "linked to", "id", "score", "document"],
            rows,
        ),
    ]


def _uncertain_rows(figures: LinkFigures) -> Iterator[list[object]]:
    for (_, concept_id), score, (_, doc_id, _, mention, name, kind) in figures.uncertain.items():
        yield [mention, kind, name, concept_id, f"{score:.3f}", doc_id]


def _unlinked(surfaces: Frequent[str]) -> list[Block]:
    listed = surfaces.top(MOST_SURFACES)
    title = heading("Surfaces without a link")
    if not listed:
        return [title, text("None: every mention is linked.")]
    return [
        title,
        table(
            f"The most frequent of {_number(surfaces, 'surface')} without a candidate that reaches the threshold",
            ["surface", "mentions"],
            [[surface or "(empty)", count] for surface, count in listed],
        ),
        *_error(surfaces),
    ]


def _number(tally: Frequent[Any], noun: str) -> str:
    return ("at least " if tally.error else "") + counted(len(tally), f"distinct {noun}")


def _error(tally: Frequent[Any]) -> list[Markup]:
    """Say by how much counts may be too low, where rare keys had to be forgotten."""
    if not tally.error:
        return []
    return [note(f"Counts may be too low by up to {tally.error:,}: rare ones were forgotten to keep memory bounded.")]
