"""`raybel compare`: where runs differ, and which is better."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.evaluate import cell, check_names
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import counted, relative
from raybel.evaluation import leaderboard
from raybel.evaluation.changes import CHANGED, GAINED, LOST, OTHER, Change, Changes
from raybel.evaluation.compare import compare as compare_runs
from raybel.evaluation.comparison import Comparison
from raybel.evaluation.config import CompareConfig
from raybel.evaluation.evaluate import group_name
from raybel.evaluation.metrics import METRICS
from raybel.files import storage
from raybel.report.config import check_page_name


@click.command(context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN_A RUN_B [RUN_C ...]")
@options(CompareConfig)
@click.option("--out", "--html", "out", metavar="FILE", help="Write the comparison as a page, too: one .html file.")
@click.option(
    "--metric-file",
    multiple=True,
    metavar="FILE",
    help="Write a row for each mention that changed: .csv, .parquet or .json. Repeatable.",
)
@click.option(
    "--summary-file",
    multiple=True,
    metavar="FILE",
    help="Write the scores, differences and tests, or how far runs agree, by group: .csv, .parquet or .json. "
    "Repeatable.",
)
def compare(
    runs: tuple[str, ...],
    values: dict[str, Any],
    out: str | None,
    metric_file: tuple[str, ...],
    summary_file: tuple[str, ...],
) -> None:
    """Compare runs: with gold which is better, else how far they agree; in each case, which mentions changed.

    Each run is compared with the first one, RUN_A. A run is a directory of `raybel link` or `raybel pubmed`, or BioC
    files with links. With gold, differences have a 95 % interval by paired bootstrap and a p-value by randomisation,
    both over documents, and one by McNemar's exact test over mentions; several runs make a leaderboard, with published
    figures of NCBI Disease and BC5CDR where the policy is theirs. Mentions that only one run has are counted and named.

    \b
    Examples:
      raybel compare runs/ngrams runs/dense --gold-corpus data/val.bioc.xml.gz --out compared.html
      raybel compare runs/old runs/new --metric-file changed.csv
      raybel compare runs/ngrams runs/dense runs/reranked --gold-corpus data/test.bioc.xml.gz \\
          --policy belb,biosyn --summary-file leaderboard.csv
    """
    for option, paths in (("--metric-file", metric_file), ("--summary-file", summary_file)):
        check_names(option, paths)
    if out is not None:
        check_page_name("--out", out)
    config = configured(CompareConfig, values, runs=runs)
    result = compare_runs(config, keep_rows=bool(metric_file))
    show_comparison(result)
    for path in metric_file:
        result.write_mentions(path)
    for path in summary_file:
        result.write_summary(path)
    if out is not None:
        from raybel.report.compare import comparison_page

        storage.publish(out, comparison_page(result).html().encode())
    for path in (*metric_file, *summary_file, *([out] if out else [])):
        tables.out.print(f"written: {relative(path)}", markup=False, soft_wrap=True)


def show_comparison(result: Comparison) -> None:
    """Print a comparison: scores and differences, or agreement; then, of two runs, what changed."""
    for warning in result.warnings:
        tables.say(warning, logging.WARNING)
    if result.has_gold:
        _show_scores(result)
    else:
        _show_agreement(result)
    if len(result.runs) == 2:
        show_changes(result, result.changes_shown()[0])
    tables.print_notes(result.sentences)
    if len(result.runs) > 2:
        tables.print_notes(
            ["`raybel compare` of two runs shows which mentions changed; --out does for each against A."]
        )


def _show_scores(result: Comparison) -> None:
    policies = leaderboard.policies(result)
    for policy in policies:
        by = f" by policy {policy}" if len(policies) > 1 else ""
        rows = [
            [one.name, *(_score(one.scores.get(metric)) for metric in METRICS)]
            for one in leaderboard.standings(result, policy)
        ]
        tables.table(f"Scores in %{by}", ["", *METRICS], rows)
        for group in leaderboard.anchored_groups(result, policy):
            found = leaderboard.standings(result, policy, group)
            rows = [[one.name, _score(one.scores[METRICS[0]]), one.source] for one in found]
            tables.table(f"{METRICS[0]} in %{by}: {group_name(*group)}", ["", METRICS[0], "published"], rows)
        several = len(result.runs) > 2
        title = f"{METRICS[0]} in %{by}: " + ("each run against A" if several else "B against A")
        scores = [METRICS[0]] if several else ["A", "B"]
        heads = ["", *scores, "difference", "gained", "lost", "p", "p McNemar"]
        tables.table(title, heads, _difference_rows(result, policy))
    if result.anchors.figures:
        names = dict.fromkeys(f"{figure.system}: {figure.source}" for figure in result.anchors.figures)
        tables.print_notes([f"Published: {'; '.join(names)}."])
    tables.print_notes(result.anchors.sentences)


def _difference_rows(result: Comparison, policy: str) -> Iterable[list[str]]:
    """Yield a row for each group of two runs; of several runs, one for each."""
    rows = [row for row in result.table.to_pylist() if row["policy"] == policy and row["metric"] == METRICS[0]]
    several = len(result.runs) > 2
    if several:
        rows = [row for row in rows if row["group_kind"] == "all"]
    for kind, of_kind in groupby(rows, key=lambda row: row["group_kind"]):
        if kind != "all":
            yield [""] * (7 if several else 8)
        for number, row in enumerate(of_kind, 1):
            name = f"{leaderboard.letter(number)} {row['second']}" if several else group_name(kind, row["group"])
            scores = [_percent(row[run]) for run in ("first_value", "second_value")[several:]]
            counts = ["" if row[side] is None else f"{row[side]:,}" for side in ("gained", "lost")]
            tests = [leaderboard.p_text(row[test]) for test in ("p_value", "p_mcnemar")]
            of_mentions = f"{name}\n{counted(row['mentions'], 'mention')}\n{counted(row['documents'], 'document')}"
            yield [of_mentions, *scores, leaderboard.difference_text(row, "\n"), *counts, *tests]


def _show_agreement(result: Comparison) -> None:
    several = len(result.runs) > 2
    rows = result.table.to_pylist()
    letters = {run: leaderboard.letter(number) for number, run in enumerate(result.runs)}
    cells: list[list[object]] = []
    before = "all"
    for row in rows:
        if several and row["group_kind"] != "all":
            continue
        if row["group_kind"] != before:
            cells.append([""] * 7)
        before = row["group_kind"]
        name = f"{letters[row['second']]} {row['second']}" if several else group_name(before, row["group"])
        counts = [f"{row[column]:,}" for column in ("mentions", "changed", "newly_linked", "no_longer_linked")]
        shares = [_percent(row[column]) for column in ("agreement", "overlap")]
        cells.append([name, counts[0], shares[0], *counts[1:], shares[1]])
    heads = ["", "mentions", "same link", "other link", "newly linked", "no longer linked", "same candidates"]
    for number, run in enumerate(result.runs):
        tables.out.print(f"{leaderboard.letter(number)} {tables.plain(run)}", markup=False, soft_wrap=True)
    title = "Each run against A, shares in %" if several else "B against A, shares in %"
    tables.table(title, heads, cells)


def show_changes(result: Comparison, changes: Changes) -> None:
    """Print the most frequent changes of each kind, with an example of each in its context."""
    titles = leaderboard.kind_titles("A", "B")
    for kind in (GAINED, LOST, OTHER, CHANGED):
        found = changes.of(kind)
        if not found or not result.shown:
            continue
        total = counted(changes.totals[kind], "mention")
        cut = f"; the {result.shown:,} most frequent of {len(found):,} changes" if len(found) > result.shown else ""
        rows = [row for change in found[: result.shown] for row in _change_rows(change, result)]
        tables.table(f"{titles[kind]} ({total}{cut})", ["", "", ""], rows)


def _change_rows(change: Change, result: Comparison) -> Iterable[list[object]]:
    """Yield the lines of a change: how often, an example, both links, and gold where neither is it."""
    example = change.example
    marked = f"{example.get('before', '')}«{example['text']}»{example.get('after', '')}"
    yield [f"{change.times:,}×", "", marked]
    yield ["", "A", leaderboard.link_text(change.first, result.names)]
    yield ["", "B", leaderboard.link_text(change.second, result.names)]
    if change.kind == OTHER:
        yield ["", "gold", leaderboard.gold_text(example["gold"], result.names)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _score(score: leaderboard.Score | None) -> str:
    """Return a score as `evaluate` shows it; "" for one that wasn't published."""
    return "" if score is None else cell(dict(zip(("value", "low", "high"), score, strict=True)))
