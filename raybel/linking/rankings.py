"""The rankings of a chunk's mentions as they are written: infons of annotations, columns of the mentions table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.documents import quote_id
from raybel.linking.matched_names import MatchedNames
from raybel.ontology import Ontology
from raybel.schemas import PART, RANKING

#: Infons that the job writes on an annotation, in place of those that an earlier run left there.
LINK_INFONS = ("link_id", "link_name", "link_score", "all_links", "link_sure")
_PARTS = pa.list_(PART)
#: Fields of `Rankings` that have a value for each mention, and for each candidate.
_OF_MENTIONS = ("alias", "alias_source", "sure", "pairs", "unscored", "label", "parts")
_OF_CANDIDATES = ("ids", "names", "score", "first_score", "first_rank")
#: Decimals of a score that a threshold is compared with.
THRESHOLD_DECIMALS = 5


def reaches(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return which scores reach a threshold, both rounded to `THRESHOLD_DECIMALS`.

    The same name scores 1 but for the last digit, which floating-point arithmetic doesn't keep.

    Args:
        scores: float64.
        threshold: From 0 to 1.
    """
    reached: np.ndarray = np.round(scores, THRESHOLD_DECIMALS) >= round(threshold, THRESHOLD_DECIMALS)
    return reached


@dataclass(frozen=True)
class Target:
    """What mentions are linked to.

    Args:
        ontology: The ontology that candidates refer to.
        label: What the mentions table calls it.
        names: Looks up the names that links matched; None where that isn't known.
        threshold: The score below which candidates are left out, both rounded to `THRESHOLD_DECIMALS`; None for none.
    """

    ontology: Ontology
    label: str
    names: MatchedNames | None = None
    threshold: float | None = None


@dataclass
class Rankings:
    """The candidates of some mentions that reach the threshold, one after the other.

    Args:
        counts: Number of candidates of each mention, int64.
        ids: Each candidate's concept id.
        names: Its concept's name.
        score: Its score, float32.
        first_score: The generator's own score of it, float32.
        first_rank: Its rank in the first stage, int16.
        alias: Of each mention, the name of its best candidate that matched; null where that isn't known.
        alias_source: Where that name is from.
        sure: Of each mention, whether it was settled without the model; null where there was no rule.
        pairs: Of each mention, how many candidates it had whatever the threshold, int64.
        unscored: How many of these no model scored, by that rule; 0 where there was none.
        label: Of each mention, what it was linked to; null where it wasn't to be linked to anything.
        parts: Of each mention, the links of its parts, as `schemas.PART`; null where it isn't a composite.
    """

    counts: np.ndarray
    ids: pa.Array
    names: pa.Array
    score: pa.Array
    first_score: pa.Array
    first_rank: pa.Array
    alias: pa.Array
    alias_source: pa.Array
    sure: pa.Array
    pairs: pa.Array
    unscored: pa.Array
    label: pa.Array
    parts: pa.Array

    @classmethod
    def of(cls, chunk: pa.Table, target: Target) -> Rankings:
        """Return the rankings of a chunk's mentions, as `add_candidates` or `rerank` returns it."""
        by_mention = pc.list_flatten(chunk["candidates"].combine_chunks())
        counts = pc.list_value_length(by_mention).to_numpy(zero_copy_only=False).astype(np.int64)
        candidates = pc.list_flatten(by_mention)
        pairs = pa.array(counts)
        if target.threshold is not None:
            reached = reaches(pc.struct_field(candidates, "score").to_numpy().astype(np.float64), target.threshold)
            mention_of = np.repeat(np.arange(len(counts)), counts)
            counts = np.bincount(mention_of[reached], minlength=len(counts))
            candidates = candidates.filter(pa.array(reached))
        fields = ("concept", "score", "first_score", "rank", "alias")
        concept, score, first_score, rank, alias = (pc.struct_field(candidates, name) for name in fields)
        table = target.ontology.table
        ids, names = (table[column].take(concept).combine_chunks() for column in ("concept_id", "name"))
        matched, source = _matched(target, counts, concept, alias)
        sure, unscored = pa.nulls(len(counts), pa.bool_()), pa.array(np.zeros(len(counts), np.int64))
        if "sure" in chunk.column_names:
            sure, unscored = (pc.list_flatten(chunk[name].combine_chunks()) for name in ("sure", "unscored"))
        label = pa.repeat(pa.scalar(target.label), len(counts))
        parts = pa.nulls(len(counts), _PARTS)
        return cls(counts, ids, names, score, first_score, rank, matched, source, sure, pairs, unscored, label, parts)

    @classmethod
    def none(cls, mentions: int) -> Rankings:
        """Return the rankings of mentions that aren't linked to anything."""
        nothing = pa.array([], pa.string())
        absent = pa.nulls(mentions, pa.string())
        scores, ranks = pa.array([], pa.float32()), pa.array([], pa.int16())
        unknown, none = pa.nulls(mentions, pa.bool_()), np.zeros(mentions, np.int64)
        pairs = pa.array(none)
        parts = pa.nulls(mentions, _PARTS)
        return cls(none, nothing, nothing, scores, scores, ranks, absent, absent, unknown, pairs, pairs, absent, parts)

    @classmethod
    def merged(cls, parts: Sequence[tuple[np.ndarray, Rankings]]) -> Rankings:
        """Return the rankings of all mentions out of those of some each.

        Args:
            parts: The places of a part's mentions, int64, and their rankings; each mention is in one part.
        """
        rankings = [part for _, part in parts]
        order = np.argsort(np.concatenate([places for places, _ in parts]), kind="stable")
        counts = np.concatenate([part.counts for part in rankings])
        starts = np.cumsum(counts) - counts
        ends = np.cumsum(counts[order])
        within = np.arange(int(counts.sum())) - np.repeat(ends - counts[order], counts[order])
        candidates, mentions = pa.array(np.repeat(starts[order], counts[order]) + within), pa.array(order)

        def joined(name: str, places: pa.Array) -> pa.Array:
            return pa.concat_arrays([getattr(part, name) for part in rankings]).take(places)

        return cls(
            counts[order],
            **{name: joined(name, candidates) for name in _OF_CANDIDATES},
            **{name: joined(name, mentions) for name in _OF_MENTIONS},
        )

    def folded(self, places: Mapping[int, Sequence[Mapping[str, Any]]]) -> Rankings:
        """Return the rankings of mentions out of those in which each composite's parts stand in its place.

        A composite's ranking has every part's best concept first, then every part's second one, and so on, each concept
        once. Its matched name is that of the ranking's first concept; it is sure if all its parts are.

        Args:
            places: The surface, start and end of each part of a composite, by the composite's place among the mentions
                that are returned.
        """
        if not places:
            return self
        parts_before = sum(len(parts) - 1 for parts in places.values())
        sizes = np.ones(len(self.counts) - parts_before, np.int64)
        for place, parts in places.items():
            sizes[place] = len(parts)
        first = np.cumsum(sizes) - sizes
        mention = np.repeat(np.repeat(np.arange(len(sizes)), sizes), self.counts)
        level = np.arange(len(mention)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        order = np.lexsort((np.arange(len(mention)), level, mention))
        concept = self.ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = mention[order] * (len(concept) + 1) + concept[order]
        kept = order[np.sort(np.unique(pairs, return_index=True)[1])]
        of_candidates = {name: getattr(self, name).take(pa.array(kept)) for name in _OF_CANDIDATES}
        of_mentions = {name: getattr(self, name).take(pa.array(first)) for name in ("label", "alias", "alias_source")}
        sure, links = self.sure.to_pylist(), self._links()
        alias, source = self.alias.to_pylist(), self.alias_source.to_pylist()
        columns: dict[str, list[Any]] = {name: column.to_pylist() for name, column in of_mentions.items()}
        columns["sure"] = [sure[row] for row in first.tolist()]
        columns["parts"] = [None] * len(sizes)
        for place, parts in places.items():
            rows = range(first[place], first[place] + len(parts))
            linked = next((row for row in rows if links[row]["link_id"] is not None), rows[0])
            columns["alias"][place], columns["alias_source"][place] = alias[linked], source[linked]
            of_parts = {sure[row] for row in rows}
            columns["sure"][place] = None if None in of_parts else all(of_parts)
            columns["parts"][place] = [{**part, **links[row]} for part, row in zip(parts, rows, strict=True)]
        return Rankings(
            np.bincount(mention[kept], minlength=len(sizes)).astype(np.int64),
            **of_candidates,
            **{name: pa.array(values, getattr(self, name).type) for name, values in columns.items()},
            **{
                name: pa.array(np.add.reduceat(getattr(self, name).to_numpy(), first) if len(first) else [], pa.int64())
                for name in ("pairs", "unscored")
            },
        )

    def _links(self) -> list[dict[str, Any]]:
        """Return each mention's best concept as `schemas.PART` has it."""
        names = ("link_id", "link_name", "link_score")
        columns = (column.to_pylist() for column in self._best(self.ids, self.names, self.score))
        return [dict(zip(names, link, strict=True)) for link in zip(*columns, strict=True)]

    def _best(self, *columns: pa.Array) -> list[pa.Array]:
        """Return what some columns of candidates have for each mention's best one, null where it has none."""
        starts = np.cumsum(self.counts) - self.counts
        first = pa.array(np.where(self.counts > 0, starts, 0), mask=self.counts == 0)
        return [column.take(first) for column in columns]

    def links(self) -> list[pa.Array]:
        """Return each mention's link as id, name and score; of a composite, those of its parts together."""
        ids, names, scores = self._best(self.ids, self.names, self.score)
        if self.parts.null_count == len(self.parts):
            return [ids, names, scores]
        values = [column.to_pylist() for column in (ids, names, scores)]
        for place, parts in enumerate(self.parts.to_pylist()):
            linked = [part for part in parts or () if part["link_id"] is not None]
            if linked:
                names_of = {part["link_id"]: part["link_name"] for part in linked}
                values[0][place] = "|".join(map(quote_id, names_of))
                values[1][place] = "|".join(names_of.values())
                values[2][place] = min(part["link_score"] for part in linked)
        return [pa.array(each, column.type) for each, column in zip(values, (ids, names, scores), strict=True)]

    def infons(self) -> list[dict[str, str]]:
        """Return each mention's link infons, {} where it has no candidate; the same candidates are formatted once."""
        return list(self._infons())

    def _infons(self) -> Iterator[dict[str, str]]:
        scores, ids = self.score.to_numpy().tolist(), self.ids.to_pylist()
        links = zip(*(column.to_pylist() for column in self.links()), strict=True)
        known: dict[tuple[Any, ...], dict[str, str]] = {}
        start = 0
        for count, sure, link in zip(self.counts.tolist(), self.sure.to_pylist(), links, strict=True):
            end = start + count
            if not count:
                yield {}
                continue
            key = (tuple(ids[start:end]), tuple(scores[start:end]), sure, link)
            if key not in known:
                known[key] = {
                    "link_id": link[0],
                    "link_name": link[1],
                    "link_score": f"{link[2]:.4f}",
                    "all_links": "|".join(f"{quote_id(ids[i])}={scores[i]:.4f}" for i in range(start, end)),
                    **({} if sure is None else {"link_sure": "yes" if sure else "no"}),
                }
            yield known[key]
            start = end

    def settled(self) -> dict[str, int]:
        """Return how many mentions are `sure` and `unsure` by a rule, and how many of their `pairs` that saved."""
        sure = self.sure.to_numpy(zero_copy_only=False)
        counted = {name: int(np.count_nonzero(sure == value)) for name, value in (("sure", True), ("unsure", False))}
        by_rule = self.sure.is_valid()
        pairs, saved = (pc.sum(each.filter(by_rule)).as_py() or 0 for each in (self.pairs, self.unscored))
        return {**counted, "pairs": pairs, "pairs_saved": saved}

    def columns(self) -> list[pa.Array]:
        """Return the columns of the mentions table that say what each mention was linked to, null where to nothing."""
        first_score = self._best(self.first_score)
        lists = self._lists(np.cumsum(self.counts) - self.counts)
        return [self.label, *self.links(), *first_score, self.alias, self.alias_source, self.sure, self.parts, lists]

    def _lists(self, starts: np.ndarray) -> pa.ListArray:
        """Each mention's candidates as a list of `schemas.RANKING`."""
        rank = (np.arange(int(self.counts.sum())) - np.repeat(starts, self.counts)).astype(np.int16)
        fields = [self.ids, self.names, self.score, self.first_score, self.first_rank, pa.array(rank)]
        offsets = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(fields, fields=list(RANKING)))


def _matched(target: Target, counts: np.ndarray, concept: pa.Array, alias: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the columns `alias` and `alias_source` of mentions' best candidates, null where they have none."""
    if target.names is None:
        return pa.nulls(len(counts), pa.string()), pa.nulls(len(counts), pa.string())
    linked = (np.cumsum(counts) - counts)[counts > 0]
    rows = (column.to_numpy(zero_copy_only=False)[linked].tolist() for column in (concept, alias))
    matched = np.empty(len(counts), object)
    matched[counts > 0] = np.fromiter(target.names.look_up(*rows), object, len(linked))
    name, source = (pa.array([pair and pair[place] for pair in matched.tolist()], pa.string()) for place in (0, 1))
    return name, source
