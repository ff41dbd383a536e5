"""Hybrid candidates: those of two or more generators, fused by reciprocal rank (Cormack et al., SIGIR 2009)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, ExcludedMentions, Generator

#: Added to ranks. The published method takes 60; on our corpora the first ranks deserve more weight (BENCHMARKS.md).
RANK_CONSTANT = 2
#: Candidates that each generator is asked for, per wanted one.
DEPTH = 3
#: What a generator's weight is multiplied by to decide between equal ranks.
_TIE_BREAK = 1e-3


class HybridGenerator(Generator):
    """Fuses generators: a concept's score is the weighted sum of 1 / (2 + rank) over the generators that found it.

    Ranks count from 1, and scores are scaled so that a concept which comes first everywhere gets 1. Equal scores are
    ordered by the generators' own scores (their sum, then the first's), then by concept index.

    Args:
        generators: Two or more, made from the same ontology.
        weights: One for each.
    """

    name = "hybrid"
    depends_on_top_k = True

    def __init__(self, generators: Sequence[Generator], weights: Sequence[float]) -> None:
        self.generators, self.weights = list(generators), list(weights)
        fused = [f"{g.name} {g.fingerprint} {weight}" for g, weight in zip(generators, weights, strict=True)]
        identity = "; ".join([str(RANK_CONSTANT), str(DEPTH), *fused])
        self.fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self.ontology_fingerprint = generators[0].ontology_fingerprint
        expands = {generator.expands_abbreviations for generator in generators}
        self.expands_abbreviations = expands.pop() if len(expands) == 1 else None
        tables = [generator.alias_table for generator in generators]
        sizes = [0 if table is None else table.num_rows for table in tables]
        self._starts = np.cumsum([0, *sizes])

    @property
    def alias_table(self) -> pa.Table | None:
        """The generators' tables, one after the other; None where one has none."""
        tables = [generator.alias_table for generator in self.generators]
        return None if any(table is None for table in tables) else pa.concat_tables(tables)

    @property
    def components(self) -> Sequence[Generator]:
        """The generators that are fused."""
        return self.generators

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:
        """Refuse a job that one of the generators can't give candidates to; see `Generator`."""
        for generator in self.generators:
            generator.check_usable(DEPTH * top_k, expand_abbreviations)

    def search(self, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None = None) -> list[np.ndarray]:
        """Return for each surface its `top_k` best concepts; see `Generator`.

        A candidate's alias is the one found by the generator that ranks it highest, of several the weightiest.
        """
        by_generator = [generator.search(surfaces, DEPTH * top_k, excluded) for generator in self.generators]
        return [self._fuse(lists, top_k) for lists in zip(*by_generator, strict=True)]

    def _fuse(self, lists: Sequence[np.ndarray], top_k: int) -> np.ndarray:
        """Fuse the candidates that each generator found for a surface."""
        flat = np.concatenate([NO_CANDIDATES, *lists])
        concepts, place = np.unique(flat["concept"], return_inverse=True)
        fused, sums, first = (np.zeros(len(concepts)) for _ in range(3))
        highest = np.full(len(concepts), np.inf)
        alias = np.full(len(concepts), -1, np.int32)
        start = 0
        for number, (candidates, weight) in enumerate(zip(lists, self.weights, strict=True)):
            own = place[start : start + len(candidates)]
            fused[own] += weight / (RANK_CONSTANT + 1 + np.arange(len(candidates)))
            sums[own] += candidates["score"]
            if number == 0:
                first[own] = candidates["score"]
            rank = np.arange(len(candidates)) - weight * _TIE_BREAK  # of equal ranks the weightiest generator's
            higher = rank < highest[own]
            highest[own[higher]] = rank[higher]
            row = np.where(candidates["alias"] < 0, -1, candidates["alias"] + self._starts[number])
            alias[own[higher]] = row[higher]
            start += len(candidates)
        score = np.round(fused * (RANK_CONSTANT + 1) / sum(self.weights), 6).astype(np.float32)
        order = np.lexsort((concepts, -first, -sums, -score))[:top_k]
        best = np.empty(len(order), CANDIDATE_DTYPE)
        best["concept"], best["score"], best["alias"] = concepts[order], score[order], alias[order]
        return best
