"""Hybrid candidates: two or more generators' lists fused by reciprocal rank (Cormack et al., SIGIR 2009)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raybel.candidates.base import CANDIDATE_DTYPE, NOTHING, Generator, Without

#: The published method takes 60; on our corpora the first ranks deserve more weight (BENCHMARKS.md).
CONSTANT = 2
#: Candidates that each generator is asked for, per wanted one.
DEPTH = 3
_LESS = 1e-3


class HybridGenerator(Generator):
    """Fuses generators: a concept's score is the weighted sum of 1 / (2 + rank) over the lists that hold it.

    Scores are scaled so that a concept which every list has first gets 1. Equal scores are ordered by the generators'
    own scores (their sum, then the first's), then by concept index.

    Args:
        generators: Of the same ontology.
        weights: One for each.
    """

    name = "hybrid"
    depends_on_top_k = True

    def __init__(self, generators: Sequence[Generator], weights: Sequence[float]) -> None:
        self.generators, self.weights = list(generators), list(weights)
        parts = [f"{each.name} {each.fingerprint} {w}" for each, w in zip(generators, weights, strict=True)]
        self.fingerprint = hashlib.sha256("; ".join([str(CONSTANT), str(DEPTH), *parts]).encode()).hexdigest()[:32]
        self.ontology_fingerprint = generators[0].ontology_fingerprint
        known = {each.expanded for each in generators}
        self.expanded = known.pop() if len(known) == 1 else None
        sizes = [0 if (table := each.alias_table) is None else table.num_rows for each in generators]
        self._starts = np.cumsum([0, *sizes])

    @property
    def alias_table(self) -> pa.Table | None:
        """The generators' tables, one after the other; None where one has none."""
        tables = [each.alias_table for each in self.generators]
        return None if any(table is None for table in tables) else pa.concat_tables(tables)

    @property
    def parts(self) -> Sequence[Generator]:
        """The generators that are fused."""
        return self.generators

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:
        """Refuse a job that one of the generators can't give candidates to; see `Generator`."""
        for each in self.generators:
            each.check_usable(DEPTH * top_k, expand_abbreviations)

    def search(self, surfaces: Sequence[str], top_k: int, without: Without | None = None) -> list[np.ndarray]:
        """Return for each surface its `top_k` best concepts; see `Generator`.

        A candidate's alias is that of the list in which it stands highest, of several the weightiest.
        """
        lists = [each.search(surfaces, DEPTH * top_k, without) for each in self.generators]
        return [self._fuse(found, top_k) for found in zip(*lists, strict=True)]

    def _fuse(self, found: Sequence[np.ndarray], top_k: int) -> np.ndarray:
        flat = np.concatenate([NOTHING, *found])
        concepts, place = np.unique(flat["concept"], return_inverse=True)
        fused, sums, first = (np.zeros(len(concepts)) for _ in range(3))
        highest = np.full(len(concepts), np.inf)
        alias = np.full(len(concepts), -1, np.int32)
        start = 0
        for number, (each, weight) in enumerate(zip(found, self.weights, strict=True)):
            own = place[start : start + len(each)]
            fused[own] += weight / (CONSTANT + 1 + np.arange(len(each)))
            sums[own] += each["score"]
            if number == 0:
                first[own] = each["score"]
            rank = np.arange(len(each)) - weight * _LESS  # of equal ranks the weightiest list's
            higher = rank < highest[own]
            highest[own[higher]] = rank[higher]
            alias[own[higher]] = np.where(each["alias"] < 0, -1, each["alias"] + self._starts[number])[higher]
            start += len(each)
        score = np.round(fused * (CONSTANT + 1) / sum(self.weights), 6).astype(np.float32)
        order = np.lexsort((concepts, -first, -sums, -score))[:top_k]
        best = np.empty(len(order), CANDIDATE_DTYPE)
        best["concept"], best["score"], best["alias"] = concepts[order], score[order], alias[order]
        return best
