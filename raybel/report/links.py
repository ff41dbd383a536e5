"""What was linked to what, from one pass over a run's mentions tables: counts, scores, the ends of the distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.evaluation.tallies import Frequent, Least
from raybel.runs.mentions import mention_batches, mention_groups
from raybel.runs.run_directory import RunDirectory

#: Bars of the distribution of scores.
BINS = 40
#: How many concepts, surfaces, types and links a page lists.
MOST_CONCEPTS, MOST_SURFACES, MOST_TYPES, MOST_UNCERTAIN = 30, 30, 30, 30
_COLUMNS = (
    *("shard", "doc_id", "start", "text", "surface", "type", "detector", "ontology"),
    *("link_id", "link_name", "link_score", "alias_source"),
)


@dataclass
class LinkFigures:
    """What a run's mentions were linked to.

    Args:
        mentions: How many there are.
        linked: How many have a link.
        types: (mentions, linked) by type.
        ontologies: (mentions, linked) by what they were to be linked to; "" for what had no route.
        concepts: Links by (id, name).
        unlinked: Mentions without a link by surface.
        sources: Links by where the name is from that matched, "" where that isn't known.
        detectors: Mentions by what found them, "" for annotations.
        edges: Ends of the intervals of scores, float64 (BINS + 1,).
        scores: Links in each interval, int64 (BINS,).
        uncertain: The links with the lowest scores by (surface, concept's id).
    """

    mentions: int = 0
    linked: int = 0
    types: Frequent[tuple[str, bool]] = field(default_factory=Frequent)
    ontologies: Frequent[tuple[str, bool]] = field(default_factory=Frequent)
    concepts: Frequent[tuple[str, str]] = field(default_factory=Frequent)
    unlinked: Frequent[str] = field(default_factory=Frequent)
    sources: Frequent[str] = field(default_factory=Frequent)
    detectors: Frequent[str] = field(default_factory=Frequent)
    edges: np.ndarray = field(default_factory=lambda: np.linspace(0, 1, BINS + 1))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    uncertain: Least[tuple[str, str]] = field(default_factory=lambda: Least(MOST_UNCERTAIN))

    def by_type(self) -> list[tuple[str, int, int]]:
        """Return (type, mentions, linked), the most frequent first."""
        return _shares(self.types)

    def by_ontology(self) -> list[tuple[str, int, int]]:
        """Return (ontology, mentions, linked), the most frequent first."""
        return _shares(self.ontologies)


def link_figures(run: RunDirectory) -> LinkFigures:
    """Read a run's mentions tables, shard by shard, and count.

    Memory: as `mention_batches`, and at most `tallies.MOST_KEYS` concepts, surfaces and types each.

    Raises:
        InputError: A table isn't there, can't be read, or lacks a column.
    """
    figures = LinkFigures()
    figures.edges = _edges(run)
    for batch in mention_batches(run, _COLUMNS):
        _add(figures, batch)
    return figures


def _edges(run: RunDirectory) -> np.ndarray:
    """Return equal intervals from the lowest score to the highest, as the tables' own statistics say; 0 to 1 at least.

    Scores that aren't probabilities may lie beyond 0 and 1.
    """
    bounds = [found for group in mention_groups(run, ["link_score"]) if (found := group.bounds("link_score"))]
    low = min([0.0, *(least for least, _ in bounds)])
    high = max([1.0, *(most for _, most in bounds)])
    return np.linspace(low, min(high, 1.0) if high < 1.001 else high, BINS + 1)


def _add(figures: LinkFigures, batch: pa.Table) -> None:
    linked = pc.is_valid(batch["link_id"])
    figures.mentions += batch.num_rows
    figures.linked += pc.sum(linked).as_py() or 0
    for tally, column in ((figures.types, "type"), (figures.ontologies, "ontology")):
        tally.update(_pairs(_text(batch[column]), linked))
    figures.detectors.update(_counted(_text(batch["detector"])))
    with_link = batch.filter(linked)
    figures.concepts.update(_pairs(_text(with_link["link_id"]), _text(with_link["link_name"])))
    figures.sources.update(_counted(_text(with_link["alias_source"])))
    figures.unlinked.update(_counted(_text(batch.filter(pc.invert(linked))["surface"])))
    scores = pc.fill_null(with_link["link_score"].cast(pa.float64()), 0.0).to_numpy()
    figures.scores += np.histogram(np.clip(scores, figures.edges[0], figures.edges[-1]), figures.edges)[0]
    _add_uncertain(figures.uncertain, with_link, scores)


def _add_uncertain(least: Least[tuple[str, str]], links: pa.Table, scores: np.ndarray) -> None:
    """Take the links with low scores; those that can't be among the lowest any more are passed over at once."""
    candidates = np.arange(len(scores)) if least.bound is None else np.flatnonzero(scores <= least.bound)
    order = candidates[np.argsort(scores[candidates], kind="stable")]
    names = ("surface", "link_id", "shard", "doc_id", "start", "text", "link_name", "type")
    for start in range(0, len(order), 1000):
        places = order[start : start + 1000]
        if least.bound is not None and scores[places[0]] > least.bound:
            return
        rows = links.select(list(names)).take(pa.array(places)).to_pylist()
        for row, score in zip(rows, scores[places].tolist(), strict=True):
            item = tuple(row[name] for name in names[2:])
            least.add((row["surface"] or "", row["link_id"]), score, item)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(column.cast(pa.string()), "")


def _counted(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    for row in pc.value_counts(column).to_pylist():
        yield row["values"], row["counts"]


def _pairs(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Iterator[tuple[tuple[Any, Any], int]]:
    counts = pa.table({"a": first, "b": second}).group_by(["a", "b"]).aggregate([([], "count_all")])
    for a, b, count in zip(*(counts[name].to_pylist() for name in ("a", "b", "count_all")), strict=True):
        yield (a, b), count


def _shares(tally: Frequent[tuple[str, bool]]) -> list[tuple[str, int, int]]:
    """Return (name, all, linked) of counts by name and whether there is a link."""
    names: dict[str, list[int]] = {}
    for (name, is_linked), count in tally.counts.items():
        both = names.setdefault(name, [0, 0])
        both[0] += count
        both[1] += count if is_linked else 0
    shares = [(name, every, linked) for name, (every, linked) in names.items()]
    return sorted(shares, key=lambda each: (-each[1], each[0]))
