"""A comparison of runs as a page: scores, differences with their tests, and the mentions that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from raybel.display import counted
from raybel.errors import without_secrets
from raybel.evaluation import leaderboard
from raybel.evaluation.changes import CHANGED, GAINED, LOST, OTHER, Change, Changes
from raybel.evaluation.comparison import Comparison
from raybel.evaluation.evaluate import group_name
from raybel.evaluation.metrics import METRICS
from raybel.report import charts
from raybel.report.page import Page, Section, facts, heading, in_context, isolated, note, table
from raybel.report.quality_section import MOST_GROUPS, WHAT_SCORES_ARE
from raybel.report.related import directory_name

_ACCURACY = METRICS[0]
Blocks = list[Markup | charts.Chart]


def comparison_page(result: Comparison) -> Page:
    """Return the page of a comparison."""
    names = list(map(directory_name, result.runs))
    sections = [
        Section("Runs", [facts({leaderboard.letter(n): without_secrets(run) for n, run in enumerate(result.runs)})])
    ]
    if result.has_gold:
        sections += [_scores_section(result, policy) for policy in leaderboard.policies(result)]
    else:
        sections.append(_agreement_section(result))
    for number, changes in enumerate(result.changes_shown(), 1):
        sections.append(_changes_section(result, changes, leaderboard.letter(number)))
    sections.append(Section("How it was compared", [*map(note, result.sentences)]))
    title = " and ".join(names) if len(names) == 2 else f"{len(names)} runs"
    return Page(f"{title} compared", sections, _summary(result), result.warnings)


def _summary(result: Comparison) -> str:
    """Return what came of it, in a sentence; "" for the agreement of several runs."""
    if len(result.runs) > 2:
        return _best(result) if result.has_gold else ""
    if not result.has_gold:
        row = result.table.slice(0, 1).to_pylist()[0]
        share = f"{100 * row['agreement']:.1f} %"
        return f"B has the same links as A for {share} of {counted(row['mentions'], 'mention')}."
    row = next(row for row in result.table.to_pylist() if row["metric"] == _ACCURACY)
    p_value = "" if row["p_value"] is None else f", p {_related(row['p_value'])} by randomisation over documents"
    return (
        f"{_ACCURACY} is {100 * row['first_value']:.1f} % in A and {100 * row['second_value']:.1f} % in B: "
        f"{leaderboard.difference_text(row)} points{p_value}."
    )


def _best(result: Comparison) -> str:
    """Say which of several runs has the highest Acc@1 by the first policy."""
    policy = leaderboard.policies(result)[0]
    best = next(standing for standing in leaderboard.standings(result, policy) if not standing.source)
    score = charts.interval_text(*best.scores[_ACCURACY])
    return f"{best.name} has the highest {_ACCURACY} of the runs, {score} %, by policy {policy}."


def _related(p_value: float) -> str:
    shown = leaderboard.p_text(p_value)
    return shown if shown.startswith("<") else f"= {shown}"


def _scores_section(result: Comparison, policy: str) -> Section:
    """Return the leaderboard and the differences by a policy."""
    found = leaderboard.standings(result, policy)
    rows = [[one.name, *(_score(one.scores.get(metric)) for metric in METRICS)] for one in found]
    points = {one.name: one.scores[_ACCURACY] for one in found}
    blocks: Blocks = [
        table(f"Scores in % by policy {policy}, with 95 % intervals", ["run", *METRICS], rows),
        note(WHAT_SCORES_ARE),
        charts.intervals(
            f"{_ACCURACY} by policy {policy}, with 95 % intervals", "run", f"{_ACCURACY} (%)", {_ACCURACY: points}
        ),
    ]
    for group in leaderboard.anchored_groups(result, policy):
        of_group = leaderboard.standings(result, policy, group)
        rows = [[one.name, _score(one.scores[_ACCURACY]), one.source] for one in of_group]
        blocks.append(
            table(f"{_ACCURACY} in % by policy {policy}: type {group[1]}", ["run", _ACCURACY, "published in"], rows)
        )
    blocks += map(note, result.anchors.sentences if policy.split()[0] in ("belb", "biosyn") else ())
    for number, run in enumerate(result.runs[1:], 1):
        other = leaderboard.letter(number)
        blocks.append(heading(f"{other} against A"))
        own = [
            row
            for row in result.table.to_pylist()
            if (row["policy"], row["second"], row["metric"]) == (policy, run, _ACCURACY)
        ]
        blocks += _differences(own, other, policy)
    return Section(f"Scores by policy {policy}", blocks)


def _differences(rows: Sequence[dict[str, Any]], other: str, policy: str) -> Blocks:
    """Return the differences of one run's Acc@1 as a table, and as a chart where there are several groups."""
    rare = {row["group"] for row in [row for row in rows if row["group_kind"] == "type"][MOST_GROUPS:]}
    rows = [row for row in rows if row["group_kind"] != "type" or row["group"] not in rare]
    header = ["", "mentions", "documents", "A", other, "difference", "gained", "lost", "p", "p, McNemar"]
    cells = [
        [
            group_name(row["group_kind"], row["group"]),
            row["mentions"],
            row["documents"],
            _percent(row["first_value"]),
            _percent(row["second_value"]),
            leaderboard.difference_text(row),
            row["gained"],
            row["lost"],
            *(leaderboard.p_text(row[name]) for name in ("p_value", "p_mcnemar")),
        ]
        for row in rows
    ]
    shown = {
        group_name(row["group_kind"], row["group"]): (row["difference"], row["low"], row["high"])
        for row in rows
        if row["mentions"]
    }
    caption = f"{_ACCURACY} of {other} less that of A by policy {policy}, in percentage points"
    made: Blocks = [
        table(f"{_ACCURACY} in % by policy {policy}, and {other}'s difference to A in points", header, cells)
    ]
    if len(shown) > 1:
        chart = charts.intervals(caption, "mentions", "difference (points)", {"difference": shown})
        made.append(replace(chart, header=[]))  # the table above has its figures
    if rare:
        made.append(note(f"Not shown: {counted(len(rare), 'type')} with fewer mentions; --summary-file has them."))
    return made


def _agreement_section(result: Comparison) -> Section:
    letters = {run: leaderboard.letter(number) for number, run in enumerate(result.runs)}
    header = [
        "mentions",
        "number",
        "same link, %",
        "other link",
        "newly linked",
        "no longer linked",
        "same candidates, %",
    ]
    blocks: Blocks = []
    for run in dict.fromkeys(result.table["second"].to_pylist()):
        cells = [
            [
                group_name(row["group_kind"], row["group"]),
                row["mentions"],
                _percent(row["agreement"]),
                *(row[name] for name in ("changed", "newly_linked", "no_longer_linked")),
                _percent(row["overlap"]),
            ]
            for row in result.table.to_pylist()
            if row["second"] == run
        ]
        blocks.append(table(f"{letters[run]} against A", header, cells))
    blocks.append(
        note(
            "Same link: where neither run links the mention, too. Same candidates: of those that any of the two runs "
            "has for a mention, the share that both have; the mean over mentions."
        )
    )
    return Section("Agreement", blocks)


def _changes_section(result: Comparison, changes: Changes, other: str) -> Section:
    """Return what changed from the first run to another one."""
    titles = leaderboard.kind_titles("A", other)
    blocks: Blocks = []
    for kind in (GAINED, LOST, OTHER, CHANGED):
        found = changes.of(kind)
        if not found:
            continue
        total = counted(changes.totals[kind], "mention")
        cut = f"; the {result.shown:,} most frequent of {len(found):,} changes (--examples)"
        caption = f"{other}, {kind}: {total}{cut if len(found) > result.shown else ''}"
        header = ["for example", "times", "A", other, *(["gold"] if kind == OTHER else [])]
        rows = [_change_row(change, result) for change in found[: result.shown]]
        blocks += [heading(titles[kind]), table(caption, header, rows) if rows else note(caption)]
    title = f"What {other} changed"
    return Section(title, blocks or [note("Every mention that counts has the same link in both runs.")])


def _change_row(change: Change, result: Comparison) -> list[object]:
    gold = change.example.get("gold")
    links: Iterable[Markup] = (_link(one, result) for one in (change.first, change.second))
    of_gold = [Markup("<br>").join(_link(one, result) for one in gold or (None,))] if change.kind == OTHER else []
    return [in_context(change.example), change.times, *links, *of_gold]


def _link(link: str | None, result: Comparison) -> Markup:
    if link is None:
        return Markup('<span class="quiet">none</span>')
    name = result.names.get(link)
    if name is None:
        return isolated(link)
    return Markup('{} <span class="quiet">{}</span>').format(isolated(name), isolated(link))


def _score(score: leaderboard.Score | None) -> str:
    return "" if score is None else charts.interval_text(*score)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
