"""Comparing runs: with gold which of them is better, and else how far they agree (`agreement`). Needs no Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.documents import format_gold, parse_gold
from raybel.corpus.reading import SetAside
from raybel.display import counted, relative
from raybel.errors import MismatchError
from raybel.evaluation import metrics, paired, predictions
from raybel.evaluation.agreement import compare_links
from raybel.evaluation.anchors import anchors_beside
from raybel.evaluation.changes import GAINED, LOST, OTHER, Changes
from raybel.evaluation.comparison import COMPARED, NAMED, Comparison, warnings_about
from raybel.evaluation.config import CompareConfig, EvaluateConfig
from raybel.evaluation.evaluate import groups_of, interval_sentence, numbers_of, open_ontology
from raybel.evaluation.gold import Gold, corpus_rows, read_gold
from raybel.evaluation.judging import Judged, judge
from raybel.evaluation.policy import ConceptNumbers, category, foreign_types
from raybel.evaluation.seen import seen_columns, seen_sentence, training_ids
from raybel.ontology import Ontology


def compare(config: CompareConfig, keep_rows: bool = False) -> Comparison:
    """Compare runs with the first one: their scores where there is gold, else their links.

    Args:
        config: Which runs, and how.
        keep_rows: Whether every mention that changed is kept, for `Comparison.write_mentions`.

    Raises:
        ConfigError: An input isn't there, or has no mentions; no gold mention is annotated, or counts under the policy.
        InputError: A file can't be read.
        MismatchError: A run has none of the gold's documents, or two runs have no mention in common.
    """
    return compare_with_gold(config, keep_rows) if config.gold_corpus else compare_links(config, keep_rows)


def compare_with_gold(config: CompareConfig, keep_rows: bool = False) -> Comparison:
    """Score runs on the same gold mentions, and compare each with the first one.

    Memory: the gold's mentions, and each run's rankings of them.

    Raises:
        ConfigError: An input isn't there, or no gold mention counts under the policy.
        InputError: A file can't be read.
        MismatchError: A run holds none of the gold's documents.
    """
    scoring = config.scoring(config.runs[0])
    names = tuple(map(relative, config.runs))
    read = [predictions.prediction_files([run]) for run in config.runs]
    recorded = list(dict.fromkeys(routes for _, of_run in read for routes in of_run))
    ontology = open_ontology(scoring, recorded)
    gold, train_set_aside = read_gold(scoring, with_context=True), SetAside()
    joined = [_join(gold, files, config, name) for (files, _), name in zip(read, names, strict=True)]
    training = training_ids(corpus_rows(config.train_corpus, scoring, train_set_aside))
    concepts = numbers_of(ontology, gold.ids, joined, training)
    mentions = joined[0].mentions
    columns: dict[str, list[Any]] = {"type": [mention["type"] for mention in mentions]}
    if config.train_corpus:
        columns |= seen_columns(training, mentions, concepts)
    categories = [category(ids, concepts) for ids in gold.ids]
    judged, said = [], []
    for each in joined:
        of_run, sentences = judge(scoring, each, concepts, categories, columns.get("pair_seen"))
        judged.append(of_run)
        said.append([*sentences, *each.notes])
    rows: list[dict[str, Any]] = []
    changes: list[Changes] = []
    for other in range(1, len(names)):
        sure = joined[other].sure
        split = columns if all(value is None for value in sure) else {**columns, "sure": sure}
        for pair in zip(judged[0], judged[other], strict=True):
            runs = {"first": names[0], "second": names[other], "policy": pair[0].policy}
            rows += ({**runs, **row} for row in _compared(pair, joined[0].documents, split, scoring))
            tally = Changes(runs, keep_rows)
            _add_changes(tally, pair, joined[0], joined[other], concepts)
            changes.append(tally)
    resampled = sorted(len(np.unique(joined[0].documents[each.counts])) for each in judged[0])
    sentences = [
        *_together(names, said),
        *_only_in_some(names, joined),
        *foreign_types(columns["type"], gold.ids, concepts),
        *([seen_sentence(scoring)] if config.train_corpus else []),
        *filter(None, (gold.problems, train_set_aside.sentence())),
        *(sentence for each in changes for sentence in each.sentences()),
        interval_sentence(scoring, resampled[-1], resampled[0]),
        *_tests(config),
    ]
    anchors = anchors_beside(scoring, columns["type"], gold.ids)
    table = pa.Table.from_pylist(rows, schema=COMPARED)
    warnings = tuple(warnings_about(config))
    known = _names(ontology, changes)
    return Comparison(names, table, tuple(changes), tuple(sentences), anchors, known, config.examples, warnings)


def _join(gold: Gold, files: Sequence[str], config: CompareConfig, name: str) -> predictions.Joined:
    try:
        return predictions.join(gold.documents, files)
    except MismatchError as error:
        named = ", ".join(map(relative, config.gold_corpus))
        raise MismatchError(f"{named} and {name}: {error}") from error


def _compared(
    pair: tuple[Judged, Judged], documents: np.ndarray, columns: Mapping[str, Sequence[Any]], config: EvaluateConfig
) -> Iterator[dict[str, Any]]:
    """Yield a row of `COMPARED`, without its runs, for each group and score of two runs."""
    for kind, group, members in groups_of(columns, pair[0].counts):
        own = [each.ranks[members] for each in pair]
        scores = [metrics.summarise(ranks) for ranks in own]
        bounds = [metrics.bootstrap(ranks, documents[members], config.bootstrap, config.seed) or {} for ranks in own]
        found = paired.differences(own[0], own[1], documents[members], config.bootstrap, config.seed)
        for metric in metrics.METRICS:
            row: dict[str, Any] = {"group_kind": kind, "group": group, "mentions": len(own[0]), "metric": metric}
            row["documents"] = len(np.unique(documents[members]))
            for run, score, bound in zip(("first", "second"), scores, bounds, strict=True):
                low, high = bound.get(metric, (None, None))
                row |= {f"{run}_value": score[metric], f"{run}_low": low, f"{run}_high": high}
            if difference := found.get(metric):
                names = ("low", "high", "p_value", "gained", "lost", "p_mcnemar")
                row |= {"difference": difference.value, **{name: getattr(difference, name) for name in names}}
            yield row


def _add_changes(
    tally: Changes,
    pair: tuple[Judged, Judged],
    first: predictions.Joined,
    second: predictions.Joined,
    concepts: ConceptNumbers,
) -> None:
    """Count the mentions that count, and that two runs link differently or of which only one is right."""
    for place in np.flatnonzero(pair[0].counts).tolist():
        links = first.links[place], second.links[place]
        right = [each.ranks[place] == 0 for each in pair]
        numbers = [concepts.of(linked) for linked in links]
        if right[0] != right[1] or numbers[0] != numbers[1]:
            kind = OTHER if right[0] == right[1] else GAINED if right[1] else LOST
            mention = {**first.mentions[place], "doc_id": first.doc_ids[place]}
            tally.add(kind, _written(links[0]), _written(links[1]), mention)


def _written(links: Sequence[str]) -> str | None:
    """Return what a mention is linked to as `changes.CHANGES` has it."""
    return (links[0] if len(links) == 1 else format_gold(links)) if links else None


def _together(names: Sequence[str], said: Sequence[Sequence[str]]) -> list[str]:
    """Return what is said of all runs once, then what is said of some of them with their names."""
    shared = [sentence for sentence in said[0] if all(sentence in other for other in said)]
    own = [
        f"{name}: {sentence}"
        for name, sentences in zip(names, said, strict=True)
        for sentence in sentences
        if sentence not in shared
    ]
    return shared + own


def _only_in_some(names: Sequence[str], joined: Sequence[predictions.Joined]) -> list[str]:
    """Say which gold mentions only some of the runs have."""
    lacking = [{place for place, ranking in enumerate(each.rankings) if ranking is None} for each in joined]
    nowhere = set.intersection(*lacking)
    sentences = [f"No run has {counted(len(nowhere), 'gold mention')}."] if nowhere else []
    for name, places in zip(names, lacking, strict=True):
        if only := sorted(places - nowhere):
            examples = (f"{joined[0].doc_ids[place]} {joined[0].mentions[place]['text']!r}" for place in only[:NAMED])
            sentences.append(
                f"{name} lacks {counted(len(only), 'gold mention')} that another run has, such as "
                f"{', '.join(examples)}: as if linked to nothing."
            )
    return sentences


def _tests(config: CompareConfig) -> list[str]:
    intervals = (
        "Intervals of differences: the same resampled documents are scored for both runs; of groups with fewer than "
        f"{paired.FEWEST_DOCUMENTS} documents there is none."
    )
    tests = (
        "p: of no difference, two-sided, by randomisation over documents: how often a difference is as large if which "
        "run gave a document's links is left to chance. McNemar: exact, on mentions that only one run has right, as if "
        "mentions didn't depend on each other. Neither is adjusted for the number of groups and runs."
    )
    return [*([intervals] if config.bootstrap else []), tests]


def _names(ontology: Ontology | None, changes: Sequence[Changes]) -> dict[str, str]:
    """Return the names of the concepts of changes, and of their examples' gold, by the ontology."""
    if ontology is None:
        return {}
    listed = [change for each in changes for kind in (GAINED, LOST, OTHER) for change in each.of(kind)]
    links = dict.fromkeys(link for change in listed for link in (change.first, change.second) if link is not None)
    of_composites = {link: parts for link in links if len(parts := parse_gold(link) or []) > 1}
    golds = (one for change in listed for one in change.example["gold"] or ())
    distinct = list(dict.fromkeys([*links, *(one for parts in of_composites.values() for one in parts), *golds]))
    rows = ontology.indices(distinct)
    names = ontology.table["name"].take(pa.array(np.maximum(rows, 0))).to_pylist() if len(ontology) else []
    known = {one: name for one, row, name in zip(distinct, rows.tolist(), names, strict=True) if row >= 0}
    for link, parts in of_composites.items():
        if any(part in known for part in parts):
            known.setdefault(link, "|".join(known.get(part, part) for part in parts))
    return known
