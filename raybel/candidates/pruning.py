"""Exact search among millions of aliases that scores in full only strings which can be among the best.

As in MaxScore (Turtle & Flood, Information Processing & Management 31(6), 1995), bounds leave out the long postings:
the n-grams of a surface that are frequent among the aliases add to any alias's cosine at most the length of the
surface's vector in them (Cauchy-Schwarz; an alias's vector has the length 1). A first look at its rarest n-grams gives
a score that the wanted concepts reach at least; an alias whose rarer n-grams don't come within that bound of it can't.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from raybel.candidates.aliases import Hits

#: Aliases from which on this is faster than scoring all (BENCHMARKS.md), and their number in a block of scores: 2 MB.
FROM, BLOCK = 500_000, 1 << 19
#: Postings that the first look reads, and the aliases that it goes on with for each wanted concept.
LOOK, DEPTH = 20_000, 20
#: Share of the score to reach that the n-grams left out may be worth: more of it reads fewer postings and scores more
#: aliases in full.
SHARE = 0.6
#: What float32 sums of a surface's products can be off by.
_ROUNDING = 1e-5


@dataclass
class PrunedSearch:
    """The aliases' vectors in both orders.

    Args:
        blocks: Transposed, each (features, strings of the block), float32 CSR.
        rows: (strings, features), float32 CSR with sorted indices: a string's score is summed in the same order, and
            so to the same bits, as in the blocks.
    """

    blocks: list[sp.csr_matrix]
    rows: sp.csr_matrix

    def __post_init__(self) -> None:
        self.postings = np.zeros(self.rows.shape[1], np.int64)
        for block in self.blocks:
            self.postings += np.diff(block.indptr)
        self._dense = np.zeros(self.rows.shape[1], np.float32)

    def search(
        self, queries: sp.csr_matrix, top_k: int, reached: Callable[[Hits], np.ndarray]
    ) -> tuple[Hits, np.ndarray]:
        """Return for each query every alias that can be one of its `top_k` concepts'.

        Args:
            queries: (n, features), float32 CSR with sorted indices, rows of length 1 or 0.
            top_k: Concepts wanted.
            reached: Gives the score of the `top_k`th concept among some hits, float32 (n,), 0 where there are fewer.

        Returns:
            Hits; and the queries that this can't answer, as too few concepts share an n-gram with them: they have none.
        """
        looks = [self._look(queries[row], DEPTH * top_k) for row in range(queries.shape[0])]
        least = reached(_hits(looks))
        open_ = least <= 0
        found = [
            (np.zeros(0, np.int64), np.zeros(0, np.float32)) if open_[row] else self._all(queries[row], least[row])
            for row in range(queries.shape[0])
        ]
        return _hits(found), np.flatnonzero(open_)

    def _look(self, query: sp.csr_matrix, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The best `count` aliases among those with the query's rarest n-grams."""
        order = np.argsort(self.postings[query.indices], kind="stable")
        some = max(int(np.searchsorted(np.cumsum(self.postings[query.indices[order]]), LOOK, side="right")), 1)
        rare = query.indices[order[:some]]
        start, found = 0, [np.zeros(0, np.int64)]
        for block in self.blocks:
            # Slices by hand: taking rows the sparse way costs more than what is in them.
            found += [block.indices[block.indptr[each] : block.indptr[each + 1]] + np.int64(start) for each in rare]
            start += block.shape[1]
        strings = np.sort(np.concatenate(found), kind="stable")  # runs in order: np.unique would take ten times as long
        strings = strings[np.diff(strings, prepend=-1) > 0]
        scores = self._scores(query, strings)
        if len(strings) > count:
            best = np.argpartition(-scores, count)[:count]
            strings, scores = strings[best], scores[best]
        return strings, scores

    def _all(self, query: sp.csr_matrix, least: float) -> tuple[np.ndarray, np.ndarray]:
        """Every alias with at least this score."""
        order = np.argsort(-self.postings[query.indices], kind="stable")
        lengths = np.sqrt(np.cumsum(query.data[order].astype(np.float64) ** 2))
        left_out = int(np.searchsorted(lengths, SHARE * least, side="right"))
        bound = np.float32(least - (lengths[left_out - 1] if left_out else 0.0) - _ROUNDING)
        kept = np.sort(order[left_out:])
        start, found = 0, []
        for block in self.blocks:
            scores = block[query.indices[kept]].T @ query.data[kept]
            found.append(np.flatnonzero(scores >= bound) + start)
            start += block.shape[1]
        strings = np.concatenate(found)
        exact = self._scores(query, strings)
        enough = exact >= least
        return strings[enough], exact[enough]

    def _scores(self, query: sp.csr_matrix, strings: np.ndarray) -> np.ndarray:
        self._dense[query.indices] = query.data
        scores: np.ndarray = self.rows[strings] @ self._dense
        self._dense[query.indices] = 0
        return scores


def _hits(found: list[tuple[np.ndarray, np.ndarray]]) -> Hits:
    query = np.repeat(np.arange(len(found)), [len(strings) for strings, _ in found])
    strings = np.concatenate([each for each, _ in found]) if found else np.zeros(0, np.int64)
    scores = np.concatenate([each for _, each in found]) if found else np.zeros(0, np.float32)
    return Hits(query, strings, scores)
