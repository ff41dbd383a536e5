"""`raybel evaluate`: score links against a gold corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, gather_paths
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import counted, relative
from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import Evaluation, group_name
from raybel.evaluation.evaluate import evaluate as score_links
from raybel.evaluation.evaluate_spans import SpanEvaluation, evaluate_spans
from raybel.evaluation.metrics import METRICS
from raybel.evaluation.spans import MEASURES
from raybel.files import storage
from raybel.files.tables import SUFFIXES


@click.command(context_settings=CONTEXT)
@click.argument("more", nargs=-1, metavar="[RUN]...")
@options(EvaluateConfig, optional=("pred_corpus",))
@click.option(
    "--metric-file",
    multiple=True,
    metavar="FILE",
    help="Write a row per mention: .csv (id,at_1,at_5,at_10,at_all), .parquet or .json (all there is). "
    "With --spans, all there is in each of them, gold and predicted mentions. Repeatable.",
)
@click.option(
    "--summary-file",
    multiple=True,
    metavar="FILE",
    help="Write the scores as shares of 1, with intervals: .csv, .parquet or .json. Repeatable.",
)
def evaluate(
    more: tuple[str, ...], values: dict[str, Any], metric_file: tuple[str, ...], summary_file: tuple[str, ...]
) -> None:
    """Score links against gold annotations: Acc@1, recall@5, @10, @all and MRR, overall and by mention type.

    RUN is what --pred-corpus takes, too. Mentions are joined by document, annotation id and span; a gold mention that
    the predictions lack counts as wrong. Of several policies, the table has a row each; of NCBI Disease and BC5CDR,
    published figures stand beside those of the same policy.

    \b
    Examples:
      raybel evaluate runs/val --gold-corpus data/val.bioc.xml.gz \\
          --train-corpus data/train.bioc.xml.gz --metric-file val.csv --summary-file val.json
      raybel evaluate runs/test --gold-corpus data/test.bioc.xml.gz --policy belb,biosyn

    With --spans, the predictions hold mentions of their own, which a detector found. Scored are their spans (strict:
    same start, end and type; overlapping: a character in common), spans with their links, and each document's set of
    concepts: precision, recall and F1.

    \b
    Examples:
      raybel evaluate runs/found --spans --gold-corpus data/val.bioc.xml.gz
      raybel evaluate runs/found --spans --gold-corpus gold/ --mention-types Disease \\
          --type-names SpecificDisease=Disease,Modifier=Disease --metric-file mentions.csv
    """
    gather_paths(values, more, "pred_corpus")
    for option, paths in (("--metric-file", metric_file), ("--summary-file", summary_file)):
        check_names(option, paths)
    config = configured(EvaluateConfig, values)
    result: Evaluation
    if config.spans:
        result = spans = evaluate_spans(config)
        show_span_scores(spans)
    else:
        result = score_links(config)
        show_scores(result)
    for path in metric_file:
        result.write_mentions(path)
    for path in summary_file:
        result.write_summary(path)
    for path in (*metric_file, *summary_file):
        tables.out.print(f"written: {relative(path)}", markup=False, soft_wrap=True)


def check_names(option: str, paths: Iterable[str]) -> None:
    """Refuse a table's name whose format isn't known before the work begins, not after it.

    Args:
        option: Spelled as it is given.
        paths: What it was given.

    Raises:
        ConfigError: The suffix is none of a table's.
    """
    for path in paths:
        if not storage.name_of(path).endswith(SUFFIXES):
            raise ConfigError(f"{option} {path}: the name must end in {' or '.join(SUFFIXES)}")


def show_span_scores(result: SpanEvaluation) -> None:
    """Print the scores of spans; where the types of both sides have nothing in common, that in their place."""
    if result.apart:
        tables.out.print(result.apart, markup=False, soft_wrap=True)
        return
    cells = span_rows(result)
    headings = [name.rjust(len(text)) for name, text in zip(MEASURES, cells[0][1:], strict=True)]
    tables.table("Scores in %", ["", *headings], cells, result.sentences)


def show_scores(result: Evaluation) -> None:
    """Print the scores, and published figures beside them where there are any.

    Of one policy, all scores of all groups; of several, all scores by policy, then Acc@1 by group and policy.
    """
    policies = list(dict.fromkeys(result.groups["policy"].to_pylist()))
    if len(policies) == 1:
        tables.table("Scores in %", ["", *METRICS], rows(result), result.sentences)
    else:
        tables.table("Scores in %, by policy", ["", *METRICS], policy_rows(result))
        if cells := group_rows(result, policies):
            tables.table(f"{METRICS[0]} in %, by group and policy", ["", *policies], cells)
        tables.print_notes(result.sentences)
    if result.anchors.figures:
        title = f"{METRICS[0]} in % beside other systems' published figures"
        tables.table(title, ["", "policy", "here", "published"], anchor_rows(result), result.anchors.sentences)
    else:
        tables.print_notes(result.anchors.sentences)


def policy_rows(result: Evaluation) -> Iterator[list[str]]:
    """Yield a table row for each policy: its scores over all mentions that count."""
    every = (row for row in result.groups.to_pylist() if row["group_kind"] == "all")
    for (policy, mentions), scores in groupby(every, key=lambda row: (row["policy"], row["mentions"])):
        yield [f"{policy}\n{counted(mentions, 'mention')}", *map(cell, scores)]


def group_rows(result: Evaluation, policies: Sequence[str]) -> list[list[str]]:
    """Return a table row for each group but the one of all: its Acc@1 and its mentions under each policy.

    The groups are those of any policy, by kind, in the order of the first policy that has them.
    """
    scores = {
        (row["group_kind"], row["group"], row["policy"]): row
        for row in result.groups.to_pylist()
        if row["metric"] == METRICS[0] and row["group_kind"] != "all"
    }
    groups = list(dict.fromkeys((kind, group) for kind, group, _ in scores))
    kinds = list(dict.fromkeys(kind for kind, _ in groups))
    cells = []
    before = kinds[0] if kinds else ""
    for kind, group in sorted(groups, key=lambda item: kinds.index(item[0])):
        if kind != before:
            cells.append([""] * (1 + len(policies)))
        before = kind
        own = [scores.get((kind, group, policy)) for policy in policies]
        shown = [f"{cell(row)}\n({row['mentions']:,})" if row and row["mentions"] else "(0)" for row in own]
        cells.append([group_name(kind, group), *shown])
    return cells


def anchor_rows(result: Evaluation) -> Iterator[list[str]]:
    """Yield a table row for each group and policy with published figures: ours, and theirs by system."""
    scores = {
        (row["group_kind"], row["group"], row["policy"].split()[0]): row
        for row in result.groups.to_pylist()
        if row["metric"] == METRICS[0]
    }
    for (group, policy), figures in groupby(result.anchors.figures, key=lambda anchor: (anchor.group, anchor.policy)):
        if (*group, policy) in scores:
            own = cell(scores[*group, policy]).replace("\n", " ")
            published = ", ".join(f"{anchor.system} {100 * anchor.value:.1f}" for anchor in figures)
            yield [group_name(*group), policy, own, published]


def rows(result: Evaluation) -> Iterator[list[str]]:
    """Yield a table row for each group, and an empty one between two kinds of groups.

    A row is two lines high: 80 columns hold five scores only with the intervals below them.
    """
    before = "all"
    for (kind, group, mentions), scores in groupby(
        result.groups.to_pylist(), key=lambda row: (row["group_kind"], row["group"], row["mentions"])
    ):
        if kind != before:
            yield [""] * (1 + len(METRICS))
        before = kind
        yield [f"{group_name(kind, group)}\n{counted(mentions, 'mention')}", *map(cell, scores)]


def span_rows(result: SpanEvaluation) -> list[list[str]]:
    """Return for each group a row with the numbers of its mentions, and a row for each kind of score.

    An interval stands behind its score: 80 columns hold three of them. All cells but the first are equally wide.
    """
    numbers: Counter[tuple[str, str, str]] = Counter()
    for side, kind in zip(*(result.mentions[name].to_pylist() for name in ("side", "type")), strict=True):
        numbers[side, "all", "all"] += 1
        numbers[side, "type", kind or "no type"] += 1
    cells: list[list[str]] = []
    for (kind, group), scores in groupby(result.groups.to_pylist(), key=lambda row: (row["group_kind"], row["group"])):
        predicted, gold = (numbers[side, kind, group] for side in ("predicted", "gold"))
        cells.append([group, f"{predicted:,} predicted", f"{gold:,} gold", ""])
        for family, measures in groupby(scores, key=lambda row: str(row["metric"]).rsplit(" ", 1)[0]):
            cells.append([f"  {family}", *(cell(row).replace("\n", " ") for row in measures)])
    width = max(len(text) for _, *shown in cells for text in shown)
    return [[name, *(text.rjust(width) for text in shown)] for name, *shown in cells]


def cell(row: dict[str, Any]) -> str:
    """Return a score in percent, its interval on a second line; `-` where there are no mentions."""
    if row["value"] is None:
        return "-"
    value = f"{100 * row['value']:.1f}"
    return value if row["low"] is None else f"{value}\n[{_percent(row['low'])}–{_percent(row['high'])}]"


def _percent(share: float) -> str:
    return "100" if share > 0.9995 else f"{100 * share:.1f}"
