"""Scoring of detection: where mentions were found and what they were linked to, against gold. Needs no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.errors import ConfigError, MismatchError
from raybel.evaluation import predictions
from raybel.evaluation import span_sentences as words
from raybel.evaluation import spans as places
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import GROUPS, Evaluation, interval_sentence, open_ontology
from raybel.evaluation.policy import ConceptNumbers, category, foreign_types, which_count
from raybel.evaluation.span_corpora import Corpora, Side, read_corpora
from raybel.evaluation.span_marks import Family, Marks, document_family, family_of, link_marks, span_marks
from raybel.files import tables

#: What is scored, in the order in which it is shown; a metric's name is one of these and one of `spans.MEASURES`.
FAMILIES = ("strict", "overlapping", "linked strict", "linked overlapping", "document")
#: Of a span, by what of the other side shares characters with it: the same span, one of other boundaries, one of
#: another type, none.
OUTCOMES = ("exact", "other boundaries", "other type", "none")
#: A row for each gold and each predicted mention. `partner` is the other side's span that it has most to do with, null
#: where none shares a character. `concepts` are gold ids (null where it isn't annotated), or the ranking. The last four
#: columns say whether it counts as found (gold) or right (predicted); null where it doesn't count.
SPANS = pa.schema(
    [
        ("side", pa.string()),
        ("doc_id", pa.string()),
        ("mention_id", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("text", pa.string()),
        ("concepts", pa.list_(pa.string())),
        ("category", pa.string()),
        ("outcome", pa.string()),
        ("partner", pa.string()),
        ("strict", pa.bool_()),
        ("overlapping", pa.bool_()),
        ("linked_strict", pa.bool_()),
        ("linked_overlapping", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class SpanEvaluation(Evaluation):
    """The result of `evaluate_spans`.

    Args:
        groups: Of `evaluate.GROUPS`, a row for each group and score, as shares of 1. `mentions` is how many gold items
            the recall counts: mentions, or (document, concept) pairs. A score that isn't defined is null (nothing
            predicted, or no gold), and so are `low` and `high` where there are fewer than two documents to resample.
        mentions: Of `SPANS`, the gold mentions in the order of their corpus, then the predicted ones.
        sentences: What counts and what is left out, with counts, in words.
        apart: Where gold and predictions share no type, so that no score is above 0: which types they have, and how to
            map them; it is the first of `sentences`. Else "".
    """

    apart: str = ""

    def write_mentions(self, uri: str) -> None:
        """Write all of `mentions` in the format that the file's suffix says."""
        tables.write_rows(uri, self.mentions)


def evaluate_spans(config: EvaluateConfig) -> SpanEvaluation:
    """Score predicted mentions, which have annotations of their own, against a gold corpus.

    Raises:
        ConfigError: `config.spans` isn't set, an input isn't there, or the gold corpus has no annotation to score.
        InputError: A file can't be read.
        MismatchError: The predictions hold none of the gold's documents.
    """
    if not config.spans:
        raise ConfigError("evaluate_spans scores spans: set spans=True, or use evaluate")
    files, recorded = predictions.prediction_files(config.pred_corpus)
    names = ", ".join(config.gold_corpus), ", ".join(config.pred_corpus)
    ontology = open_ontology(config, recorded)
    try:
        corpora = read_corpora(config, files)
    except MismatchError as error:
        raise MismatchError(f"{names[0]} and {names[1]}: {error}") from error
    gold, predicted = corpora.gold, corpora.predicted
    if not len(gold):
        raise ConfigError(f"{names[0]}: {words.nothing_to_score(config, corpora)}")
    kinds = [""] if config.ignore_types else sorted({*gold.types, *predicted.types})
    codes = dict.fromkeys((*gold.types, *predicted.types), 0)
    codes |= {} if config.ignore_types else {kind: code for code, kind in enumerate(kinds)}
    pairs = places.overlapping_pairs(gold.spans(codes), predicted.spans(codes))
    every_id = (concept_id for ids in (*gold.concepts, *predicted.concepts) for concept_id in ids or ())
    concepts = ConceptNumbers(ontology, every_id)
    categories = [category(ids, concepts) for ids in gold.concepts]
    counts = which_count(categories, config.policies[0])
    marks = span_marks(gold, predicted, pairs)
    sentences = words.span_sentences(config, corpora)
    if not any(predicted.concepts):
        sentences.append("No predicted mention has a link: spans alone are scored.")
    elif not counts.any():
        sentences.append(words.no_links_to_score(gold, concepts, categories, counts, config))
    else:
        marks |= link_marks(gold, predicted, pairs, concepts, counts, config)
        left_out = sum(mark is None for mark in marks["linked strict"][1])
        sentences += words.link_sentences(config, gold, concepts, categories, counts, left_out)
        sentences += foreign_types(gold.types, gold.concepts, concepts)
    families = {name: family_of(gold, predicted, codes, *both) for name, both in marks.items()}
    if "linked strict" in families:
        families["document"] = document_family(gold, predicted, codes, concepts, config)
    sentences += corpora.notes
    present = {*gold.documents, *predicted.documents}
    sentences.append(interval_sentence(config, len(present)))
    linked_policy = config.policies[0] + ("" if ontology else " without ontology")
    groups = [
        row
        for kind, name, code in _groups(gold, predicted, codes, config)
        for row in _rows(kind, name, code, families, corpora.documents, linked_policy, config)
    ]
    table = _mentions(corpora, pairs, categories, marks)
    return SpanEvaluation(
        pa.Table.from_pylist(groups, schema=GROUPS), table, tuple(sentences), apart=words.types_apart(config, corpora)
    )


def _groups(
    gold: Side, predicted: Side, codes: dict[str, int], config: EvaluateConfig
) -> Iterator[tuple[str, str, int | None]]:
    """Yield (kind, name, number of its type) for each group: all, then types, the most frequent in gold first."""
    yield "all", "all", None
    if config.ignore_types or set(codes) == {""}:
        return
    frequency, others = Counter(gold.types), Counter(predicted.types)
    for name in sorted(codes, key=lambda name: (-frequency[name], -others[name], name)):
        yield "type", name or "no type", codes[name]


def _rows(
    kind: str,
    name: str,
    code: int | None,
    families: dict[str, Family],
    documents: int,
    linked_policy: str,
    config: EvaluateConfig,
) -> Iterator[dict[str, Any]]:
    tallies = np.stack([family.tally(documents, code) for family in families.values()], axis=1)
    values = places.scores(tallies.sum(axis=0))
    intervals = places.bootstrap(tallies, config.bootstrap, config.seed)
    for number, family in enumerate(families):
        for place, measure in enumerate(places.MEASURES):
            low, high = (None, None) if intervals is None else map(_defined, intervals[number, place])
            yield {
                "group_kind": kind,
                "group": name,
                "mentions": int(tallies[:, number, places.GOLD].sum()),
                "metric": f"{family} {measure}",
                "value": _defined(values[number, place]),
                "low": low,
                "high": high,
                "policy": "all spans" if family in FAMILIES[:2] else linked_policy,
            }


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mentions(corpora: Corpora, pairs: places.Pairs, categories: Sequence[str], marks: dict[str, Marks]) -> pa.Table:
    """Return the table of `SPANS`."""
    gold, predicted = corpora.gold, corpora.predicted
    parts = []
    sides = ((gold, predicted, pairs.gold, pairs.predicted), (predicted, gold, pairs.predicted, pairs.gold))
    for number, (side, other, members, others) in enumerate(sides):
        partners = places.partners(pairs, members, others, len(side)).tolist()
        flags = {name: both[number] for name, both in marks.items()}
        columns: dict[str, Any] = {
            "side": [side.name] * len(side),
            "doc_id": side.doc_ids,
            "mention_id": side.mention_ids,
            "start": side.starts,
            "end": side.ends,
            "type": side.types,
            "text": side.texts,
            "concepts": side.concepts,
            "category": categories if side is gold else [None] * len(side),
            "outcome": [
                OUTCOMES[0 if strict else 1 if loose else 2 if partner >= 0 else 3]
                for strict, loose, partner in zip(flags["strict"], flags["overlapping"], partners, strict=True)
            ],
            "partner": [other.mention_ids[partner] if partner >= 0 else None for partner in partners],
        }
        columns |= {name.replace(" ", "_"): values for name, values in flags.items()}
        absent = [None] * len(side)
        parts.append(pa.table({name: columns.get(name, absent) for name in SPANS.names}, schema=SPANS))
    return pa.concat_tables(parts)
