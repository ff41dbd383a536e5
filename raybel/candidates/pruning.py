"""Exact search among millions of aliases that scores in full only strings which can be among the best.

As in MaxScore (Turtle & Flood, Information Processing & Management 31(6), 1995), bounds leave out the long postings:
the n-grams of a surface that are frequent among the aliases add to any alias's cosine at most the length of the
surface's vector in them (Cauchy-Schwarz; an alias's vector has the length 1). A first look at its rarest n-grams gives
a score that the wanted concepts reach at least; an alias whose rarer n-grams don't come within that bound of it can't.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
#: Where the bounds leave more aliases than this to be scored in full, or this many hits for each wanted concept,
#: scoring all costs less.
MOST_SCORED, MOST_HITS = 200_000, 50
#: Surfaces searched at once: bounds the memory for hits.
BATCH = 256
#: What float32 sums of a surface's products can be off by.
_ROUNDING = 1e-5
#: Aliases and their scores.
_Found = tuple[np.ndarray, np.ndarray]


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

    def search(
        self, queries: sp.csr_matrix, top_k: int, reached: Callable[[Hits], np.ndarray], threads: int = 1
    ) -> tuple[Hits, np.ndarray]:
        """Return for each query every alias that can be one of its `top_k` concepts'.

        Args:
            queries: (n, features), float32 CSR with sorted indices, rows of length 1 or 0.
            top_k: Concepts wanted.
            reached: Gives the score of the `top_k`th concept among some hits, float32 (n,), 0 where there are fewer.
            threads: That share the queries.

        Returns:
            Hits; and the queries that have none, as this is of no use for them: too few concepts share an n-gram with
            them, or the bounds leave too many aliases.
        """
        each = [queries[row] for row in range(queries.shape[0])]
        with ThreadPoolExecutor(threads) as pool:
            run = map if threads == 1 else pool.map
            looks = list(run(lambda query: self._look(query, DEPTH * top_k), each))
            least = reached(_hits(looks))
            found = list(run(lambda query, score: self._all(query, score, MOST_HITS * top_k), each, least))
        none = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        return _hits([one or none for one in found]), np.flatnonzero([one is None for one in found])

    def _look(self, query: sp.csr_matrix, count: int) -> _Found:
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

    def _all(self, query: sp.csr_matrix, least: float, most: int) -> _Found | None:
        """Every alias with at least this score; None where it is 0, or where they are too many."""
        if least <= 0:
            return None
        order = np.argsort(-self.postings[query.indices], kind="stable")
        lengths = np.sqrt(np.cumsum(query.data[order].astype(np.float64) ** 2))
        left_out = int(np.searchsorted(lengths, SHARE * least, side="right"))
        bound = np.float32(least - (lengths[left_out - 1] if left_out else 0.0) - _ROUNDING)
        kept = np.sort(order[left_out:])
        start, found, count = 0, [np.zeros(0, np.int64)], 0
        for block in self.blocks:
            scores = block[query.indices[kept]].T @ query.data[kept]
            found.append(np.flatnonzero(scores >= bound) + start)
            start += block.shape[1]
            count += len(found[-1])
            if count > MOST_SCORED:
                return None
        strings = np.concatenate(found)
        exact = self._scores(query, strings)
        enough = exact >= least
        return None if np.count_nonzero(enough) > most else (strings[enough], exact[enough])

    def _scores(self, query: sp.csr_matrix, strings: np.ndarray) -> np.ndarray:
        dense = np.zeros(self.rows.shape[1], np.float32)  # of this call alone: threads may share a generator
        dense[query.indices] = query.data
        scores: np.ndarray = self.rows[strings] @ dense
        return scores


def _hits(found: list[_Found]) -> Hits:
    query = np.repeat(np.arange(len(found)), [len(strings) for strings, _ in found])
    strings = np.concatenate([each for each, _ in found]) if found else np.zeros(0, np.int64)
    scores = np.concatenate([each for _, each in found]) if found else np.zeros(0, np.float32)
    return Hits(query, strings, scores)
