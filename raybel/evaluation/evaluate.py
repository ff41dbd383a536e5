"""Scoring: predictions against a gold corpus, with the policy that says which mentions count. Needs no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.documents import DocumentRow, ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.display import counted, relative
from raybel.errors import ConfigError, MismatchError
from raybel.evaluation import metrics, predictions
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import ConceptNumbers, category, describe_policy, foreign_types, which_count
from raybel.files import storage, tables
from raybel.ontology import Ontology

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
        groups: Of `GROUPS`, a row for each group and score, as shares of 1. A group without mentions has null scores;
            `low` and `high` are null where there are fewer than two documents to resample.
        mentions: Of `SCORED`, a row for each gold mention in the order of the corpus, those that don't count too.
        sentences: The policy, with counts, in words.
    """

    groups: pa.Table
    mentions: pa.Table
    sentences: tuple[str, ...]

    def write_mentions(self, uri: str) -> None:
        """Write the mentions: `.csv` as the published system, those that count only; else all of `mentions`.

        The CSV's columns are `id,at_1,at_5,at_10,at_all`: `<doc_id>_<start>_<end>`, then 1 (right) or 0.
        """
        if not storage.name_of(uri).endswith(".csv"):
            tables.write_rows(uri, self.mentions)
            return
        rows = [row for row in self.mentions.to_pylist() if row["counts"]]
        ids = [f"{row['doc_id']}_{row['start']}_{row['end']}" for row in rows]
        right = {cut: pa.array([int(row[cut]) for row in rows], pa.int8()) for cut in AT_COLUMNS}
        tables.write_rows(uri, pa.table({"id": pa.array(ids, pa.string()), **right}))

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
    gold, predicted = ", ".join(config.gold_corpus), ", ".join(config.pred_corpus)
    gold_set_aside, train_set_aside = SetAside(), SetAside()
    documents = [(row.doc_id, row.mentions) for row in _rows(config.gold_corpus, config, gold_set_aside)]
    golds = [mention["gold"] for _, mentions in documents for mention in mentions]
    if all(ids is None for ids in golds):
        content = f"{counted(len(documents), 'document')} with {counted(len(golds), 'mention')}"
        problems = gold_set_aside.sentence()
        raise ConfigError(
            f"{gold}: no mention of {content} has a gold annotation (infon {config.mentions.gold_infon}; --gold-infon "
            "names another one)" + (f". {problems}" if problems else "")
        )
    try:
        joined = predictions.join(documents, files)
    except MismatchError as error:
        raise MismatchError(f"{gold} and {predicted}: {error}") from error
    train_surfaces, train_ids = _training(config, train_set_aside)
    every_id = (concept_id for ids in (*golds, *joined.rankings, train_ids) for concept_id in ids or ())
    concepts = ConceptNumbers(ontology, every_id)
    categories = [category(ids, concepts) for ids in golds]
    counts = which_count(categories, config.policy)
    sentences = describe_policy(config.policy, concepts, golds, joined.rankings) + joined.notes
    sentences += foreign_types([mention["type"] for mention in joined.mentions], golds, concepts)
    if not counts.any():
        raise ConfigError(f"{gold}: there is nothing to score. {' '.join(sentences[:2])}")
    ranks = metrics.gold_ranks(
        (concepts.of(ranking or ()) for ranking in joined.rankings), (concepts.of(ids or ()) for ids in golds)
    )
    columns: dict[str, list[Any]] = {"type": [mention["type"] for mention in joined.mentions]}
    if config.train_corpus:
        train_concepts = set(concepts.of(train_ids))
        columns["surface_seen"] = [mention["surface"] in train_surfaces for mention in joined.mentions]
        columns["concept_seen"] = [train_concepts.issuperset(concepts.of(ids)) if ids else None for ids in golds]
        sentences.append(_seen_sentence(config))
    sentences += _split_by_sure(joined, columns)
    most = max((len(ranking) for ranking in joined.rankings if ranking), default=0)
    sentences.append(f"recall@all counts all links of a mention: in these predictions at most {most}.")
    sentences += [sentence for problems in (gold_set_aside, train_set_aside) if (sentence := problems.sentence())]
    sentences.append(interval_sentence(config, len(np.unique(joined.documents[counts]))))
    policy = config.policy if ontology else f"{config.policy} without ontology"
    groups = [
        row
        for kind, name, members in _groups(columns, counts)
        for row in _scores(kind, name, ranks[members], joined.documents[members], policy, config)
    ]
    table = _mentions(joined, categories, counts, ranks, columns)
    return Evaluation(pa.Table.from_pylist(groups, schema=GROUPS), table, tuple(sentences))


def _split_by_sure(joined: predictions.Joined, columns: dict[str, list[Any]]) -> list[str]:
    """Add the column that says which mentions weren't re-ranked, where predictions know; return what it means."""
    if all(value is None for value in joined.sure):
        return []
    columns["sure"] = joined.sure
    return ["Sure: the first stage settled the mention, and it wasn't re-ranked. Mentions without a link aren't split."]


def _rows(uris: Sequence[str], config: EvaluateConfig, set_aside: SetAside) -> Iterator[DocumentRow]:
    files = [file for file, _ in corpus_files(uris)] if uris else []
    return read_rows(files, ReadOptions(config.mentions), set_aside)


def open_ontology(config: EvaluateConfig, recorded: Sequence[str]) -> Ontology | None:
    """Open the ontology that the configuration names, else the one that the runs used; None if there is neither.

    Args:
        config: What to score.
        recorded: The ontologies that the run directories name.

    Raises:
        ConfigError: The runs used several, or one that isn't there.
    """
    if not config.ontology and len(recorded) > 1:
        raise ConfigError(f"the runs used several ontologies ({', '.join(recorded)}): choose one with --ontology")
    if not config.ontology and recorded and storage.identity(recorded[0]) is None:
        raise ConfigError(f"the run's ontology {recorded[0]} isn't there: say where it is with --ontology")
    uri = config.ontology or (recorded[0] if recorded else None)
    return Ontology.open(uri) if uri else None


def _training(config: EvaluateConfig, set_aside: SetAside) -> tuple[set[str], set[str]]:
    """Return the surfaces and the concept ids of the training mentions that have a concept."""
    surfaces: set[str] = set()
    ids: set[str] = set()
    for row in _rows(config.train_corpus, config, set_aside):
        for mention in row.mentions:
            if mention["gold"]:
                surfaces.add(mention["surface"])
                ids.update(mention["gold"])
    return surfaces, ids


def _seen_sentence(config: EvaluateConfig) -> str:
    expanded = "expanded by their own document" if config.mentions.expand_abbreviations else "as they stand"
    return (
        f"Seen: a mention of {', '.join(map(relative, config.train_corpus))} has the same surface (case, typography "
        f"and white space folded, abbreviations {expanded}), or the same concept."
    )


def interval_sentence(config: EvaluateConfig, documents: int) -> str:
    """Say what the intervals are, or why there are none; `documents` is how many are resampled."""
    if not config.bootstrap or documents < 2:
        return f"No intervals: {'--bootstrap is 0' if not config.bootstrap else 'all mentions are in one document'}."
    return (
        f"In brackets: 95 % intervals, percentile bootstrap over documents ({documents:,} with a mention that counts; "
        f"{config.bootstrap:,} resamples, seed {config.seed}), since a document's mentions depend on each other."
    )


def _groups(columns: dict[str, list[Any]], counts: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (kind, name, which of the mentions that count: bool (mentions,)) for each group."""
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
    joined: predictions.Joined,
    categories: Sequence[str],
    counts: np.ndarray,
    ranks: np.ndarray,
    columns: dict[str, list[Any]],
) -> pa.Table:
    """Return the table of `SCORED`; the scores of mentions that don't count are null."""
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
    }
    absent = [None] * len(counts)
    return pa.table({name: table.get(name, absent) for name in SCORED.names}, schema=SCORED)
