"""Runs that were compared with gold, side by side with published figures; what all views of a comparison say alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from raybel.evaluation.changes import CHANGED, GAINED, LOST, OTHER
from raybel.evaluation.comparison import Comparison
from raybel.evaluation.metrics import METRICS

#: A share of 1 with its lower and upper bound; None where it isn't known.
Score = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Standing:
    """A line of a leaderboard.

    Args:
        name: The run with its letter, or the system.
        scores: By metric.
        difference: The row of `comparison.COMPARED` of its Acc@1; None for the first run and for published figures.
        source: Who published it, and where; "" for a run.
    """

    name: str
    scores: Mapping[str, Score]
    difference: Mapping[str, Any] | None = None
    source: str = ""


def letter(number: int) -> str:
    """Return what a run is called beside others: A, B, ... Z, AA, AB, ...

    Args:
        number: Its place among the runs, from 0.
    """
    rest, last = divmod(number, len(ascii_uppercase))
    return (letter(rest - 1) if rest else "") + ascii_uppercase[last]


def policies(comparison: Comparison) -> list[str]:
    """Return the policies that runs were scored by."""
    return list(dict.fromkeys(comparison.table["policy"].to_pylist()))


def standings(comparison: Comparison, policy: str, group: tuple[str, str] = ("all", "all")) -> list[Standing]:
    """Return the runs, and published figures of the same policy and group, as a leaderboard.

    Two runs alone stay in their order; else the best Acc@1 is first, what is equal in the order of the runs.

    Args:
        comparison: With gold.
        policy: As the table has it.
        group: Kind and name.
    """
    rows = [
        row
        for row in comparison.table.to_pylist()
        if row["policy"] == policy and (row["group_kind"], row["group"]) == group
    ]
    by_run: list[dict[str, dict[str, Any]]] = [
        {row["metric"]: row for row in rows[start : start + len(METRICS)]}
        for start in range(0, len(rows), len(METRICS))
    ]
    if not by_run:
        return []
    first = Standing(f"A {comparison.runs[0]}", _scores(by_run[0], "first"))
    others = [
        Standing(f"{letter(number)} {run}", _scores(own, "second"), own[METRICS[0]])
        for number, (run, own) in enumerate(zip(comparison.runs[1:], by_run, strict=True), 1)
    ]
    published = [
        Standing(f"{figure.system} (published)", {METRICS[0]: (figure.value, None, None)}, source=figure.source)
        for figure in comparison.anchors.figures
        if (figure.policy, figure.group) == (policy.split()[0], group)
    ]
    found = [first, *others, *published]
    if len(found) > 2:
        found.sort(key=lambda standing: -(standing.scores[METRICS[0]][0] or 0.0))
    return found


def _scores(rows: Mapping[str, Mapping[str, Any]], run: str) -> dict[str, Score]:
    return {metric: (row[f"{run}_value"], row[f"{run}_low"], row[f"{run}_high"]) for metric, row in rows.items()}


def anchored_groups(comparison: Comparison, policy: str) -> list[tuple[str, str]]:
    """Return the groups, other than that of all mentions, of which figures by a policy are published."""
    own = [figure.group for figure in comparison.anchors.figures if figure.policy == policy.split()[0]]
    return [group for group in dict.fromkeys(own) if group != ("all", "all")]


def kind_titles(first: str, second: str) -> dict[str, str]:
    """Return what is said above the changes of each kind.

    Args:
        first: The first run's letter.
        second: The second one's.
    """
    return {
        GAINED: f"Gained: right in {second}, wrong in {first}",
        LOST: f"Lost: right in {first}, wrong in {second}",
        OTHER: "Changed, as right or as wrong as before",
        CHANGED: "Changed links",
    }


def p_text(p_value: float | None) -> str:
    """Return a p-value with three decimals, `<0.001` below that; "" for None."""
    if p_value is None:
        return ""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def points(difference: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign; "" for None."""
    if difference is None:
        return ""
    rounded = f"{100 * difference:+.1f}"
    return "0.0" if rounded in ("+0.0", "-0.0") else rounded.replace("-", "−")


def difference_text(row: Mapping[str, Any], between: str = " ") -> str:
    """Return a difference of `comparison.COMPARED` in percentage points with its interval; "" where there is none.

    Args:
        row: Of the table.
        between: What stands between both.
    """
    if row["low"] is None:
        return points(row["difference"])
    return f"{points(row['difference'])}{between}[{points(row['low'])}, {points(row['high'])}]"


def link_text(link: str | None, names: Mapping[str, str]) -> str:
    """Return a concept's id with its name, as far as it is known; `(not linked)` for None."""
    if link is None:
        return "(not linked)"
    return f"{link}  {names[link]}" if link in names else link


def gold_text(gold: Sequence[str] | None, names: Mapping[str, str]) -> str:
    """Return a mention's gold ids with their names; `(no concept)` for NIL."""
    return " | ".join(link_text(one, names) for one in gold or ()) or "(no concept)"
