"""How good a run's links are where there is gold: scores, calibration, confusions, and which stage erred."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import Evaluation, evaluate
from raybel.report.links import mention_batches
from raybel.report.tallies import sample_key
from raybel.runs.run_directory import RunDirectory

#: Intervals of a calibration curve.
BINS = 10
MOST_CONFUSIONS, MOST_EXAMPLES = 20, 3
#: Characters on each side of a mention in an example.
CONTEXT = 90
#: What becomes of a mention with one gold concept: names of the outcomes, right ones first.
RIGHT, REPAIRED = "right in both stages", "put right by the re-ranker"
SPOILT, BOTH = "put wrong by the re-ranker", "among the candidates, but never first"
BEHIND, FIRST = "among the candidates, but not first", "right"
LOST, UNLINKED, ABSENT = "not among the candidates", "not linked", "not a mention in the run"
_COLUMNS = ("doc_id", "start", "end", "text", "shard", "document", "link_id", "link_name", "link_score", "ranking")
#: A mention's document, start and end.
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Example:
    """A mention in its context.

    Args:
        doc_id: Its document.
        before: Text before it.
        mention: Its own text.
        after: Text behind it.
    """

    doc_id: str
    before: str
    mention: str
    after: str


@dataclass(frozen=True)
class Confusion:
    """Mentions of a concept that were linked to another one.

    Args:
        gold: Ids of the gold, as corpora join them.
        predicted: The id that was linked.
        count: How many mentions.
        examples: A few, drawn at random.
    """

    gold: tuple[str, ...]
    predicted: str
    count: int
    examples: list[Example]


@dataclass(frozen=True)
class Judgement:
    """What is known of a gold mention.

    Args:
        gold: Its ids.
        counts: Whether it counts under the policy.
        right: Whether its link is right; False where it doesn't count.
    """

    gold: tuple[str, ...]
    counts: bool
    right: bool


@dataclass
class QualityFigures:
    """How good the links are.

    Args:
        evaluation: Scores with intervals, as `raybel evaluate` has them.
        policy: Which mentions count.
        calibration: Of each interval of scores that has links: (mean score, share right, links).
        calibration_error: The expected calibration error, a share; None where scores aren't between 0 and 1.
        reranked: Whether there was a second stage.
        outcomes: Mentions with one gold concept, by type and outcome.
        confusions: The most frequent ones.
        wrong: How many links are wrong in all.
        judged: What is known of each gold mention.
        documents: Documents of the run that are in the gold corpus: (shard, place in it, id).
    """

    evaluation: Evaluation
    policy: str
    calibration: list[tuple[float, float, int]] = field(default_factory=list)
    calibration_error: float | None = None
    reranked: bool = False
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    confusions: list[Confusion] = field(default_factory=list)
    wrong: int = 0
    judged: dict[Place, Judgement] = field(default_factory=dict)
    documents: list[tuple[str, int, str]] = field(default_factory=list)


def quality_figures(run: RunDirectory, config: EvaluateConfig, reranked: bool, seed: int) -> QualityFigures:
    """Compare a run with a gold corpus.

    Memory: the gold corpus's mentions with their rankings; of the run, a batch at a time.

    Args:
        run: The run.
        config: The gold corpus, the training corpus, and one policy.
        reranked: Whether the run has a second stage.
        seed: Of the examples.

    Raises:
        ConfigError, InputError, MismatchError: As `evaluate`.
    """
    evaluation = evaluate(config)
    golds = evaluation.mentions.to_pylist()
    rows, documents = _rows_of(run, {gold["doc_id"] for gold in golds})
    figures = QualityFigures(evaluation, config.policies[0], reranked=reranked, documents=documents)
    confused: dict[tuple[tuple[str, ...], str], list[dict[str, Any]]] = {}
    scores, rights = [], []
    for gold in golds:
        waiting = rows.get((gold["doc_id"], gold["start"], gold["end"]))
        row = waiting.popleft() if waiting else None
        ids = tuple(gold["gold"] or ())
        right = bool(gold["counts"] and gold["rank"] == 0)
        place = (gold["doc_id"], gold["start"], gold["end"])
        if gold["gold"] is not None:
            figures.judged.setdefault(place, Judgement(ids, gold["counts"], right))
        if not gold["counts"]:
            continue
        if gold["category"] == "single":
            figures.outcomes[gold["type"] or "no type", outcome(gold["rank"], row, reranked)] += 1
        if row is not None and row["link_id"] is not None:
            scores.append(row["link_score"])
            rights.append(right)
            if not right:
                confused.setdefault((ids, row["link_id"]), []).append({**gold, "text": row["text"]})
    figures.wrong = sum(map(len, confused.values()))
    figures.calibration, figures.calibration_error = calibration(np.array(scores), np.array(rights, bool))
    figures.confusions = _confusions(config, confused, seed)
    return figures


def outcome(rank: int | None, row: Mapping[str, Any] | None, reranked: bool) -> str:
    """Return what became of a mention with one gold concept.

    Args:
        rank: The gold's place in its ranking, from 0; None where it isn't there.
        row: Its row of the mentions table; None where the run has no such mention.
        reranked: Whether the run has a second stage.
    """
    ranking = (row["ranking"] or []) if row is not None else []
    if row is None:
        return ABSENT
    if not ranking:
        return UNLINKED
    if rank is None or rank >= len(ranking):
        return LOST
    if not reranked:
        return FIRST if rank == 0 else BEHIND
    was_first = ranking[rank]["first_rank"] == 0
    if rank == 0:
        return RIGHT if was_first else REPAIRED
    return SPOILT if was_first else BOTH


def outcomes_of(reranked: bool) -> tuple[str, ...]:
    """Return the outcomes that a run's mentions can have, in the order in which they are shown."""
    ends = (LOST, UNLINKED, ABSENT)
    return (RIGHT, REPAIRED, SPOILT, BOTH, *ends) if reranked else (FIRST, BEHIND, *ends)


def calibration(scores: np.ndarray, rights: np.ndarray) -> tuple[list[tuple[float, float, int]], float | None]:
    """Return a curve and the expected calibration error (Naeini, Cooper & Hauskrecht, AAAI 2015).

    Args:
        scores: Of links, float (links,).
        rights: Whether each is right, bool (links,).

    Returns:
        (mean score, share right, links) of each of `BINS` equal intervals that has any, and the mean distance between
        score and share, weighted by links; [] and None where scores aren't between 0 and 1.
    """
    if not len(scores) or scores.min() < 0 or scores.max() > 1.001:
        return [], None
    which = np.minimum((np.clip(scores, 0, 1) * BINS).astype(int), BINS - 1)
    curve = [
        (float(scores[which == place].mean()), float(rights[which == place].mean()), int((which == place).sum()))
        for place in range(BINS)
        if (which == place).any()
    ]
    return curve, sum(abs(score - share) * count for score, share, count in curve) / len(scores)


def _rows_of(
    run: RunDirectory, doc_ids: set[str]
) -> tuple[dict[Place, deque[dict[str, Any]]], list[tuple[str, int, str]]]:
    """Return the rows of some documents' mentions by their places, and the documents that have any."""
    wanted = pa.array(sorted(doc_ids), pa.string())
    rows: dict[Place, deque[dict[str, Any]]] = {}
    documents: dict[tuple[str, int, str], None] = {}
    for name in run.shard_names():
        if not any(_has_any(batch, wanted) for batch in mention_batches(run, name, ("doc_id",))):
            continue
        for batch in mention_batches(run, name, _COLUMNS):
            for row in batch.filter(pc.is_in(batch["doc_id"], value_set=wanted)).to_pylist():
                rows.setdefault((row["doc_id"], row["start"], row["end"]), deque()).append(row)
                documents[row["shard"], row["document"], row["doc_id"]] = None
    return rows, list(documents)


def _has_any(batch: pa.Table, wanted: pa.Array) -> bool:
    return bool(pc.any(pc.is_in(batch["doc_id"], value_set=wanted)).as_py())


def _confusions(
    config: EvaluateConfig, confused: Mapping[tuple[tuple[str, ...], str], Sequence[dict[str, Any]]], seed: int
) -> list[Confusion]:
    frequent = sorted(confused.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_CONFUSIONS]
    drawn = {pair: _drawn(mentions, seed) for pair, mentions in frequent}
    places = [place_of(each) for mentions in drawn.values() for each in mentions]
    examples = dict(_examples(config, places))
    return [
        Confusion(
            gold,
            predicted,
            len(confused[gold, predicted]),
            [examples[place_of(each)] for each in mentions if place_of(each) in examples],
        )
        for (gold, predicted), mentions in drawn.items()
    ]


def _drawn(mentions: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Return a few mentions, drawn at random, of as many documents as there are."""
    shuffled = sorted(mentions, key=lambda each: sample_key(seed, *place_of(each)))
    seen: Counter[str] = Counter()
    rounds = []
    for each in shuffled:
        rounds.append(seen[each["doc_id"]])
        seen[each["doc_id"]] += 1
    order = sorted(range(len(shuffled)), key=lambda place: (rounds[place], place))
    return [shuffled[place] for place in order[:MOST_EXAMPLES]]


def place_of(mention: Mapping[str, Any]) -> Place:
    """Return where a mention is."""
    return mention["doc_id"], mention["start"], mention["end"]


def _examples(config: EvaluateConfig, places: Iterable[Place]) -> Iterator[tuple[Place, Example]]:
    """Read the gold corpus once more, and yield mentions in their contexts."""
    wanted: dict[str, list[Place]] = {}
    for place in dict.fromkeys(places):
        wanted.setdefault(place[0], []).append(place)
    if not wanted:
        return
    files = [file for file, _ in corpus_files(config.gold_corpus)]
    for row in read_rows(files, ReadOptions(config.mentions), SetAside()):
        for place in wanted.pop(row.doc_id, ()):
            if example := _in_context(row.passages, place):
                yield place, example


def _in_context(passages: Iterable[Mapping[str, Any]], place: Place) -> Example | None:
    doc_id, start, end = place
    for passage in passages:
        text, first, last = passage["text"], start - passage["offset"], end - passage["offset"]
        if 0 <= first < last <= len(text):
            before, after = text[max(0, first - CONTEXT) : first], text[last : last + CONTEXT]
            return Example(
                doc_id,
                ("…" if first > CONTEXT else "") + before,
                text[first:last],
                after + ("…" if last + CONTEXT < len(text) else ""),
            )
    return None
