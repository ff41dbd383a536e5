"""Scoring: predictions against a gold corpus, with the policy that says which mentions count. Needs no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.reading import SetAside
from raybel.errors import ConfigError, MismatchError
from raybel.evaluation import metrics, predictions, run_ontologies
from raybel.evaluation.anchors import Anchors, anchors_beside
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.gold import corpus_rows, read_gold
from raybel.evaluation.judging import Judged, judge
from raybel.evaluation.policy import ConceptNumbers, category, foreign_types
from raybel.evaluation.seen import seen_columns, seen_sentence, training_ids
from raybel.files import storage, tables
from raybel.ontology import Ontology
from raybel.runs.run_directory import Routes

GROUPS = pa.schema(
    [
        ("group_kind", pa.string()),
        ("group", pa.string()),
        ("mentions", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("policy", pa.string()),
    ]
)
#: Columns that say whether the gold is among a mention's first 1, 5, 10 or all concepts; named as published, in the
#: order of the scores.
AT_COLUMNS = (*(f"at_{cutoff}" for cutoff in metrics.CUTOFFS), "at_all")
#: `rank` is 0-based and null where the gold isn't in the ranking; the scores are null where the mention doesn't count.
SCORED = pa.schema(
    [
        ("doc_id", pa.string()),
        ("mention_id", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("surface", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("predicted", pa.string()),
        ("category", pa.string()),
        ("counts", pa.bool_()),
        ("rank", pa.int32()),
        *((name, pa.bool_()) for name in AT_COLUMNS),
        ("reciprocal_rank", pa.float64()),
        ("surface_seen", pa.bool_()),
        ("concept_seen", pa.bool_()),
        ("pair_seen", pa.bool_()),
        ("policy", pa.string()),
        ("sure", pa.bool_()),
    ]
)

#: Kinds of groups that split the mentions in two: the column that says which, and the groups' names.
SPLITS = (
    ("surface", "surface_seen", "seen", "unseen"),
    ("concept", "concept_seen", "seen", "unseen"),
    ("sure", "sure", "sure", "unsure"),
)


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Args:
        groups: Of `GROUPS`, a row for each group and score, as shares of 1; of several policies, one after the other. A
            group without mentions has null scores; `low` and `high` are null where there are fewer than two documents
            to resample.
        mentions: Of `SCORED`, a row for each gold mention in the order of the corpus, those that don't count too; of
            several policies, so for each.
        sentences: The policies, with counts, in words.
        anchors: Published figures of the corpus by the same policies; of the test split, and not measured here.
    """

    groups: pa.Table
    mentions: pa.Table
    sentences: tuple[str, ...]
    anchors: Anchors = field(default_factory=Anchors)

    def write_mentions(self, uri: str) -> None:
        """Write the mentions: `.csv` as the published system, those that count only; else all of `mentions`.

        The CSV's columns are `id,at_1,at_5,at_10,at_all`: `<doc_id>_<start>_<end>`, then 1 (right) or 0; of several
        policies, `policy` too.
        """
        if not storage.name_of(uri).endswith(".csv"):
            tables.write_rows(uri, self.mentions)
            return
        rows = [row for row in self.mentions.to_pylist() if row["counts"]]
        ids = [f"{row['doc_id']}_{row['start']}_{row['end']}" for row in rows]
        right = {cut: pa.array([int(row[cut]) for row in rows], pa.int8()) for cut in AT_COLUMNS}
        policies = pa.array([row["policy"] for row in rows], pa.string())
        several = {"policy": policies} if len(policies.unique()) > 1 else {}
        tables.write_rows(uri, pa.table({"id": pa.array(ids, pa.string()), **right, **several}))

    def write_summary(self, uri: str) -> None:
        """Write `groups` in the format that the file's suffix says."""
        tables.write_rows(uri, self.groups)


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Score predictions against a gold corpus.

    Raises:
        ConfigError: An input isn't there, no gold mention is annotated, none counts under the policy, or `config.spans`
            is set (`evaluate_spans` scores spans).
        InputError: A file can't be read, or a gold document's mentions can't be located.
        MismatchError: The predictions hold none of the gold's documents.
    """
    if config.spans:
        raise ConfigError("spans are scored by evaluate_spans")
    files, recorded = predictions.prediction_files(config.pred_corpus)
    ontology = open_ontology(config, recorded)
    train_set_aside = SetAside()
    gold = read_gold(config)
    golds = gold.ids
    try:
        joined = predictions.join(gold.documents, files)
    except MismatchError as error:
        named = ", ".join(config.gold_corpus), ", ".join(config.pred_corpus)
        raise MismatchError(f"{' and '.join(named)}: {error}") from error
    training = training_ids(corpus_rows(config.train_corpus, config, train_set_aside))
    concepts = numbers_of(ontology, golds, [joined], training)
    columns: dict[str, list[Any]] = {"type": [mention["type"] for mention in joined.mentions]}
    if config.train_corpus:
        columns |= seen_columns(training, joined.mentions, concepts)
    categories = [category(ids, concepts) for ids in golds]
    judged, sentences = judge(config, joined, concepts, categories, columns.get("pair_seen"))
    sentences += joined.notes
    sentences += foreign_types(columns["type"], golds, concepts)
    if config.train_corpus:
        sentences.append(seen_sentence(config))
    sentences += _split_by_sure(joined, columns)
    most = max((len(ranking) for ranking in joined.rankings if ranking), default=0)
    sentences.append(f"recall@all counts all links of a mention: in these predictions at most {most}.")
    sentences += filter(None, (gold.problems, train_set_aside.sentence()))
    resampled = sorted(len(np.unique(joined.documents[each.counts])) for each in judged)
    sentences.append(interval_sentence(config, resampled[-1], resampled[0]))
    groups = [
        row
        for each in judged
        for kind, name, members in groups_of(columns, each.counts)
        for row in _scores(kind, name, each.ranks[members], joined.documents[members], each.policy, config)
    ]
    table = pa.concat_tables([_mentions(joined, categories, each, columns) for each in judged])
    anchors = anchors_beside(config, columns["type"], golds)
    return Evaluation(pa.Table.from_pylist(groups, schema=GROUPS), table, tuple(sentences), anchors)


def numbers_of(
    ontology: Ontology | None,
    golds: Sequence[Sequence[str] | None],
    joined: Sequence[predictions.Joined],
    training: Mapping[str, set[str]],
) -> ConceptNumbers:
    """Return the numbers of all ids of gold, of predictions and their links, and of training."""
    parts = (part for each in joined for parts in each.parts.values() for part in parts)
    rankings = (ranking for each in joined for ranking in each.rankings)
    links = (linked for each in joined for linked in each.links)
    ids = (*golds, *rankings, *links, *parts, *training.values())
    return ConceptNumbers(ontology, (one for several in ids for one in several or ()))


def _split_by_sure(joined: predictions.Joined, columns: dict[str, list[Any]]) -> list[str]:
    """Add the column that says which mentions weren't re-ranked, where predictions know; return what it means."""
    if all(value is None for value in joined.sure):
        return []
    columns["sure"] = joined.sure
    return [
        "Sure: settled before re-ranking; unsure: re-ranked by the cross-encoder. Mentions without a link aren't split."
    ]


def open_ontology(config: EvaluateConfig, recorded: Sequence[Routes]) -> Ontology | None:
    """Open the ontology that the configuration names, else the one that the runs used; None if there is neither.

    Args:
        config: What to score.
        recorded: The distinct routes that the run directories name.

    Raises:
        ConfigError: The runs used several, or one that isn't there.
    """
    return Ontology.open(config.ontology) if config.ontology else run_ontologies.open_recorded(recorded)


def interval_sentence(config: EvaluateConfig, documents: int, fewest: int | None = None) -> str:
    """Say what the intervals are, or why there are none.

    Args:
        config: What is scored.
        documents: How many are resampled.
        fewest: Under several policies, the fewest of them; None for as many.
    """
    if not config.bootstrap or documents < 2:
        return f"No intervals: {'--bootstrap is 0' if not config.bootstrap else 'all mentions are in one document'}."
    resampled = f"{documents:,}" if fewest in (None, documents) else f"{fewest:,} to {documents:,}"
    return (
        f"In brackets: 95 % intervals, percentile bootstrap over documents ({resampled} with a mention that counts; "
        f"{config.bootstrap:,} resamples, seed {config.seed}), since a document's mentions depend on each other."
    )


def groups_of(columns: Mapping[str, Sequence[Any]], counts: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (kind, name, which of the mentions that count: bool (mentions,)) for each group.

    Args:
        columns: Each mention's `type`, and the columns of `SPLITS` that are known.
        counts: bool (mentions,), which of them count.
    """
    yield "all", "all", counts
    types = np.array(columns["type"], dtype=object)
    frequency = Counter(types[counts].tolist())
    if set(frequency) != {""}:
        for name in sorted(frequency, key=lambda name: (-frequency[name], name)):
            yield "type", name or "no type", counts & (types == name)
    for kind, column, *names in SPLITS:
        if column in columns:
            values = np.array(columns[column], dtype=object)
            for name, value in zip(names, (True, False), strict=True):
                yield kind, name, counts & (values == value)


def group_name(kind: str, group: str) -> str:
    """Return a group's name for people."""
    return f"{kind} {group}" if kind in ("surface", "concept") else group


def _scores(
    kind: str, name: str, ranks: np.ndarray, documents: np.ndarray, policy: str, config: EvaluateConfig
) -> Iterator[dict[str, Any]]:
    intervals = metrics.bootstrap(ranks, documents, config.bootstrap, config.seed) or {}
    for metric, value in metrics.summarise(ranks).items():
        low, high = intervals.get(metric, (None, None))
        yield {
            "group_kind": kind,
            "group": name,
            "mentions": len(ranks),
            "metric": metric,
            "value": value,
            "low": low,
            "high": high,
            "policy": policy,
        }


def _mentions(
    joined: predictions.Joined, categories: Sequence[str], judged: Judged, columns: dict[str, list[Any]]
) -> pa.Table:
    """Return the table of `SCORED` under a policy; the scores of mentions that don't count are null."""
    counts, ranks = judged.counts, judged.ranks
    table: dict[str, Any] = {
        name: [mention[name] for mention in joined.mentions]
        for name in ("mention_id", "start", "end", "surface", "gold")
    }
    scores = metrics.per_mention(ranks)
    for place, name in enumerate(AT_COLUMNS):
        table[name] = pa.array(scores[:, place] > 0, mask=~counts)
    table |= {
        **columns,
        "doc_id": joined.doc_ids,
        "predicted": [ranking[0] if ranking else None for ranking in joined.rankings],
        "category": categories,
        "counts": counts,
        "rank": pa.array(ranks, mask=~counts | (ranks < 0)),
        "reciprocal_rank": pa.array(scores[:, -1], mask=~counts),
        "policy": [judged.policy] * len(counts),
    }
    absent = [None] * len(counts)
    return pa.table({name: table.get(name, absent) for name in SCORED.names}, schema=SCORED)
