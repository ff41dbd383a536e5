"""How good a run's links are where there is gold: scores, calibration, confusions, and which stage erred."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import Evaluation, evaluate
from raybel.evaluation.gold import Gold, read_gold
from raybel.evaluation.predictions import match_rows
from raybel.evaluation.tallies import sample_key
from raybel.runs.mentions import document_ids, mention_rows
from raybel.runs.run_directory import RunDirectory

#: Intervals of a calibration curve.
BINS = 10
MOST_CONFUSIONS, MOST_EXAMPLES = 20, 3
#: What becomes of a mention with one gold concept: names of the outcomes, right ones first.
RIGHT, REPAIRED = "right in both stages", "put right by the re-ranker"
SPOILT, BOTH = "put wrong by the re-ranker", "among the candidates, but never first"
BEHIND, FIRST = "among the candidates, but not first", "right"
LOST, UNLINKED, ABSENT = "not among the candidates", "not linked", "not a mention in the run"
_COLUMNS = (
    *("shard", "document", "ordinal", "mention_id", "start", "end", "text"),
    *("link_id", "link_score", "parts", "ranking"),
)
#: A mention of a run: its shard, its document's place in that, and its own place in the document (`ordinal`).
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Confusion:
    """Mentions of a concept that were linked to another one.

    Args:
        gold: Ids of the gold, as corpora join them.
        predicted: The id that was linked; several of a composite that was taken apart.
        count: How many mentions.
        examples: A few, drawn at random: `doc_id`, `text`, and what stands around it, `before` and `after`.
    """

    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    count: int
    examples: list[dict[str, Any]]


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
        judged: What is known of the mentions of the run that are gold mentions.
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

    Memory: the gold corpus's mentions with their rankings; of the run, a shard's table of documents and a row group.

    Args:
        run: The run.
        config: The gold corpus, the training corpus, and one policy.
        reranked: Whether the run has a second stage.
        seed: Of the examples.

    Raises:
        ConfigError, InputError, MismatchError: As `evaluate`.
    """
    evaluation = evaluate(config)
    gold = read_gold(config, with_context=True)
    rows, documents = _rows_of(run, gold)
    figures = QualityFigures(evaluation, config.policies[0], reranked=reranked, documents=documents)
    confused: dict[tuple[tuple[str, ...], tuple[str, ...]], list[dict[str, Any]]] = {}
    scores, rights = [], []
    mentions = ({**mention, "doc_id": doc_id} for doc_id, of_document in gold.documents for mention in of_document)
    for mention, scored, row in zip(mentions, evaluation.mentions.to_pylist(), rows, strict=True):
        ids = tuple(mention["gold"] or ())
        right = bool(scored["counts"] and scored["rank"] == 0)
        if row is not None and mention["gold"] is not None:
            figures.judged[row["shard"], row["document"], row["ordinal"]] = Judgement(ids, scored["counts"], right)
        if not scored["counts"]:
            continue
        if scored["category"] == "single":
            figures.outcomes[mention["type"] or "no type", outcome(scored["rank"], row, reranked)] += 1
        if row is not None and row["link_id"] is not None:
            scores.append(row["link_score"])
            rights.append(right)
            if not right:
                confused.setdefault((ids, linked(row)), []).append(mention)
    figures.wrong = sum(map(len, confused.values()))
    figures.calibration, figures.calibration_error = calibration(np.array(scores), np.array(rights, bool))
    figures.confusions = [
        Confusion(*pair, len(found), _drawn(found, seed))
        for pair, found in sorted(confused.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_CONFUSIONS]
    ]
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


def _rows_of(run: RunDirectory, gold: Gold) -> tuple[list[dict[str, Any] | None], list[tuple[str, int, str]]]:
    """Return each gold mention's row of the mentions tables, joined as `evaluate` joins them, and the run's documents.

    Returns:
        The rows, None for a mention that the run doesn't have; (shard, place in it, id) of the documents with mentions
        that are in the gold corpus.
    """
    waiting: dict[str, deque[int]] = {}
    for number, (doc_id, _) in enumerate(gold.documents):
        waiting.setdefault(doc_id, deque()).append(number)
    starts = np.cumsum([0, *(len(mentions) for _, mentions in gold.documents)]).tolist()
    wanted = pa.array(sorted(waiting), pa.string())
    rows: list[dict[str, Any] | None] = [None] * starts[-1]
    documents = []
    for shard in run.shard_names():
        table = document_ids(run, shard)
        numbers: dict[int, int] = {}
        for row in table.filter(pc.is_in(table["doc_id"], value_set=wanted)).to_pylist():
            if queue := waiting[row["doc_id"]]:  # an id that repeats is taken in order
                numbers[row["document"]] = queue.popleft()
                if row["mentions"]:
                    documents.append((shard, row["document"], row["doc_id"]))
        found = mention_rows(run, _COLUMNS, shard, numbers) if numbers else iter(())
        for document, of_document in groupby(found, key=lambda row: int(row["document"])):
            candidates = list(of_document)
            number = numbers[document]
            partners = match_rows(gold.documents[number][1], candidates)
            for place, partner in enumerate(partners, starts[number]):
                rows[place] = candidates[partner] if partner >= 0 else None
    return rows, documents


def linked(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a mention was linked to: of a composite, what each of its parts was."""
    ids = tuple(part["link_id"] for part in row["parts"] or () if part["link_id"] is not None)
    return ids or (row["link_id"],)


def _drawn(mentions: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Return a few mentions, drawn at random, of as many documents as there are."""
    names = ("doc_id", "start", "end", "mention_id")
    shuffled = sorted(mentions, key=lambda each: sample_key(seed, *(each[name] for name in names)))
    seen: Counter[str] = Counter()
    rounds = []
    for each in shuffled:
        rounds.append(seen[each["doc_id"]])
        seen[each["doc_id"]] += 1
    order = sorted(range(len(shuffled)), key=lambda place: (rounds[place], place))
    return [shuffled[place] for place in order[:MOST_EXAMPLES]]
