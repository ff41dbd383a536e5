"""A concept's names by how near they are to a mention: of dozens of names, the few that say most about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from raybel.candidates.base import ExcludedMentions
from raybel.candidates.overlap import overlaps

#: Names that are compared at once: bounds the memory for their trigrams to about 40 MB.
BATCH = 50_000


class ConceptNames:
    """Looks up the names of concepts in a generator's alias table.

    Args:
        aliases: The table: `alias`, `concept`, `frequency` and `named`, as in `AliasTable`; of fused generators their
            tables one after the other, so that a name may be there twice.
    """

    def __init__(self, aliases: pa.Table) -> None:
        self.aliases = aliases.select(["alias", "concept", "frequency", "named"])

    @cached_property
    def _order(self) -> np.ndarray:
        """The table's rows by concept, each concept's in the table's order: int32."""
        return np.argsort(self._concept, kind="stable").astype(np.int32)

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each concept's rows begin in `_order`, and where the last one's end: int64."""
        return np.concatenate([[0], np.cumsum(np.bincount(self._concept))])

    @cached_property
    def _concept(self) -> np.ndarray:
        return np.asarray(self.aliases["concept"].to_numpy())

    @cached_property
    def _frequency(self) -> np.ndarray:
        return np.asarray(self.aliases["frequency"].to_numpy())

    @cached_property
    def _named(self) -> np.ndarray:
        return np.asarray(self.aliases["named"].to_numpy())

    def nearest(
        self,
        surfaces: Sequence[str],
        concepts: np.ndarray,
        shown: tuple[Sequence[str], Sequence[str]],
        count: int,
        excluded: ExcludedMentions | None = None,
    ) -> list[tuple[str, ...]]:
        """Return the names of each concept that share most letter trigrams with a surface, nearest first.

        Names that are equally near are in the table's order. A concept with fewer names has all of them.

        Args:
            surfaces: What each concept's names are compared with.
            concepts: Rows of the ontology, one for each surface, integers.
            shown: Two names of each concept, as surfaces, that are left out since they are shown already; "" for none.
            count: The most names of each concept.
            excluded: Training mentions and names that don't count, for each surface: what only they added is left out.
        """
        found: list[tuple[str, ...]] = []
        concepts = np.asarray(concepts, np.int64)
        known = np.minimum(concepts, len(self._starts) - 2)  # concepts without names may come last
        first = self._starts[known]
        sizes = np.where(concepts == known, self._starts[known + 1] - first, 0)
        ends = np.cumsum(sizes)
        start = 0
        while start < len(concepts):
            before = ends[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(ends, before + BATCH, side="right")))
            of_batch = slice(start, end)
            own = sizes[of_batch]
            skipped = np.repeat(ends[of_batch] - own - before, own)
            rows = self._order[np.repeat(first[of_batch], own) + np.arange(len(skipped)) - skipped]
            place = np.repeat(np.arange(end - start), own)
            texts = (surfaces[of_batch], shown[0][of_batch], shown[1][of_batch])
            left_out = excluded and excluded.take(range(start, end))
            found += self._nearest(rows, place, texts, count, left_out)
            start = end
        return found

    def _nearest(
        self,
        rows: np.ndarray,
        place: np.ndarray,
        texts: tuple[Sequence[str], ...],
        count: int,
        excluded: ExcludedMentions | None,
    ) -> list[tuple[str, ...]]:
        """Return the nearest names of some concepts.

        Args:
            rows: The table's rows of all their names.
            place: Which concept each row is of.
            texts: Of each concept the surface and two names that are left out.
            count: The most names of each concept.
            excluded: Training mentions that don't count, for each concept.
        """
        size = len(texts[0])
        names = self.aliases["alias"].take(pa.array(rows)).combine_chunks()
        encoded = pa.concat_arrays([names, *(pa.array(each, pa.string()) for each in texts)]).dictionary_encode()
        distinct, numbers = encoded.dictionary.to_pylist(), np.asarray(encoded.indices)
        name, (surface, *shown) = numbers[: len(rows)], np.split(numbers[len(rows) :], [size, 2 * size])
        wanted = self._counted(rows, place, name, distinct, excluded)
        for each in shown:
            wanted &= name != each[place]
        rows, place, name = rows[wanted], place[wanted], name[wanted]
        # Of a name that is there twice the first row counts: a concept's rows are in the table's order.
        _, once = np.unique(place.astype(np.int64) * len(distinct) + name, return_index=True)
        rows, place, name = rows[once], place[once], name[once]
        order = np.lexsort((rows, -overlaps(distinct, surface[place], name), place))
        name, bounds = name[order].tolist(), np.searchsorted(place[order], np.arange(size + 1)).tolist()
        best = (name[start : min(start + count, end)] for start, end in pairwise(bounds))
        return [tuple(distinct[number] for number in of_concept) for of_concept in best]

    def _counted(
        self,
        rows: np.ndarray,
        place: np.ndarray,
        name: np.ndarray,
        distinct: Sequence[str],
        excluded: ExcludedMentions | None,
    ) -> np.ndarray:
        """Return which rows are names without the training mentions that don't count, bool; see `_nearest`."""
        counted = np.ones(len(rows), bool) if excluded is None else self._named[rows].copy()
        if excluded is not None and excluded.counts is not None:
            for each in np.flatnonzero(~counted).tolist():
                row = rows[each]
                pair = (distinct[name[each]], int(self._concept[row]))
                counted[each] = self._frequency[row] > excluded.counts[place[each]].get(pair, 0)
        if excluded is not None and excluded.names is not None:
            for each in np.flatnonzero(counted & (self._frequency[rows] == 0)).tolist():
                pair = (distinct[name[each]], int(self._concept[rows[each]]))
                counted[each] = pair not in excluded.names[place[each]]
        return counted
