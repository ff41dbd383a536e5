"""Exact search among millions of aliases that scores in full only the strings which can be among the best.

As in MaxScore (Turtle & Flood, Information Processing & Management 31(6), 1995), bounds leave out the long postings:
the n-grams of a surface that are frequent among the aliases add to any alias's cosine at most the length of the
surface's vector in them (Cauchy-Schwarz; an alias's vector has the length 1). A probe of its rarest n-grams gives a
score that the wanted concepts reach at least; an alias whose rarer n-grams don't come within that bound of it can't.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from raybel.candidates.aliases import Hits

#: Aliases from which on this is faster than scoring all (BENCHMARKS.md), and their number in a block of scores: 2 MB.
PRUNE_FROM, BLOCK = 500_000, 1 << 19
#: Postings that the probe reads, and the aliases that it gives for each wanted concept.
PROBE_POSTINGS, PROBE_DEPTH = 20_000, 20
#: How much the n-grams left out may be worth, as a share of the score to reach: with a larger share fewer postings are
#: read, and more aliases scored in full.
SHARE = 0.6
#: Where the bounds leave more aliases than this to be scored in full, or this many hits for each wanted concept,
#: scoring all costs less.
MOST_SCORED, MOST_HITS = 200_000, 50
#: Surfaces searched at once: bounds the memory for hits.
BATCH = 256
#: Postings of the rarest n-grams that a fast search reads, and the aliases that it scores in full.
FAST_POSTINGS, FAST_SCORED = 100_000, 2_000
#: What a float32 sum of a surface's products can be off by.
_ROUNDING = 1e-5
#: Rows of strings (int64) and their scores (float32).
_ScoredStrings = tuple[np.ndarray, np.ndarray]


@dataclass
class PrunedSearch:
    """Searches alias vectors, which it has in both orders.

    Args:
        blocks: Transposed vectors, each (features, strings of the block), float32 CSR.
        rows: The vectors as (strings, features), float32 CSR with sorted indices: a string's score is summed in the
            same order, and so to the same bits, as in the blocks.
    """

    blocks: list[sp.csr_matrix]
    rows: sp.csr_matrix

    def __post_init__(self) -> None:
        self.postings = np.zeros(self.rows.shape[1], np.int64)
        for block in self.blocks:
            self.postings += np.diff(block.indptr)

    def search(
        self, queries: sp.csr_matrix, top_k: int, last_scores: Callable[[Hits], np.ndarray], threads: int = 1
    ) -> tuple[Hits, np.ndarray]:
        """Return for each query every alias that can belong to one of its `top_k` best concepts.

        Args:
            queries: (n, features), float32 CSR with sorted indices, rows of length 1 or 0.
            top_k: Concepts wanted per query.
            last_scores: Gives each query's score of the `top_k`th concept among some hits, float32 (n,), 0 where there
                are fewer.
            threads: How many share the queries.

        Returns:
            Hits; and the queries that have none since bounds are of no use for them: too few concepts share an n-gram
            with them, or the bounds leave too many aliases.
        """
        rows = [queries[number] for number in range(queries.shape[0])]
        with ThreadPoolExecutor(threads) as pool:
            run = map if threads == 1 else pool.map
            probed = list(run(lambda query: self._probe(query, PROBE_DEPTH * top_k), rows))
            least = last_scores(_hits(probed))
            bounded = list(run(lambda query, score: self._at_least(query, score, MOST_HITS * top_k), rows, least))
        none = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        return _hits([scored or none for scored in bounded]), np.flatnonzero([scored is None for scored in bounded])

    def fast_search(self, queries: sp.csr_matrix) -> Hits:
        """Return for each query the best aliases by its rarest n-grams, with their exact scores.

        Those are the `FAST_SCORED` aliases to which the n-grams with the first `FAST_POSTINGS` postings (at least one
        n-gram) add most, and those that tie with the last of them.

        Args:
            queries: (n, features), float32 CSR with sorted indices, rows of length 1 or 0.
        """
        return _hits([self._most_alike(queries[number]) for number in range(queries.shape[0])])

    def _most_alike(self, query: sp.csr_matrix) -> _ScoredStrings:
        """Return the aliases that share the most of a query's rarest n-grams, and their exact scores."""
        order = self._rarest(query, FAST_POSTINGS)
        start, strings, parts = 0, [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for block in self.blocks:
            for feature, weight in zip(query.indices[order], query.data[order], strict=True):
                postings = slice(block.indptr[feature], block.indptr[feature + 1])
                strings.append(block.indices[postings] + np.int64(start))
                parts.append(block.data[postings] * weight)
            start += block.shape[1]
        string, part = np.concatenate(strings), np.concatenate(parts)
        by_string = np.argsort(string, kind="stable")
        string, part = string[by_string], part[by_string]
        first = np.flatnonzero(np.diff(string, prepend=-1))
        distinct, sums = string[first], np.add.reduceat(part, first) if len(first) else part
        if len(distinct) > FAST_SCORED:
            distinct = distinct[sums >= np.partition(sums, -FAST_SCORED)[-FAST_SCORED]]
        return distinct, self._scores(query, distinct)

    def _rarest(self, query: sp.csr_matrix, most: int) -> np.ndarray:
        """Return the places of a query's rarest n-grams, those with at most so many postings, at least one."""
        order = np.argsort(self.postings[query.indices], kind="stable")
        read = np.cumsum(self.postings[query.indices[order]])
        rarest: np.ndarray = order[: max(int(np.searchsorted(read, most, side="right")), 1)]
        return rarest

    def _probe(self, query: sp.csr_matrix, count: int) -> _ScoredStrings:
        """Return the best `count` aliases among those with the query's rarest n-grams."""
        rarest = query.indices[self._rarest(query, PROBE_POSTINGS)]
        start, postings = 0, [np.zeros(0, np.int64)]
        for block in self.blocks:
            # Slices by hand: taking rows the sparse way costs more than what is in them.
            postings += [block.indices[block.indptr[f] : block.indptr[f + 1]] + np.int64(start) for f in rarest]
            start += block.shape[1]
        strings = np.sort(np.concatenate(postings), kind="stable")  # sorted runs: np.unique takes ten times as long
        strings = strings[np.diff(strings, prepend=-1) > 0]
        scores = self._scores(query, strings)
        if len(strings) > count:
            best = np.argpartition(-scores, count)[:count]
            strings, scores = strings[best], scores[best]
        return strings, scores

    def _at_least(self, query: sp.csr_matrix, least: float, most: int) -> _ScoredStrings | None:
        """Return every alias with at least this score; None where it is 0, or where there are more than `most`."""
        if least <= 0:
            return None
        order = np.argsort(-self.postings[query.indices], kind="stable")
        lengths = np.sqrt(np.cumsum(query.data[order].astype(np.float64) ** 2))
        left_out = int(np.searchsorted(lengths, SHARE * least, side="right"))
        bound = np.float32(least - (lengths[left_out - 1] if left_out else 0.0) - _ROUNDING)
        rarer = np.sort(order[left_out:])
        start, by_block, count = 0, [np.zeros(0, np.int64)], 0
        for block in self.blocks:
            scores = block[query.indices[rarer]].T @ query.data[rarer]
            by_block.append(np.flatnonzero(scores >= bound) + start)
            start += block.shape[1]
            count += len(by_block[-1])
            if count > MOST_SCORED:
                return None
        strings = np.concatenate(by_block)
        exact = self._scores(query, strings)
        enough = exact >= least
        return None if np.count_nonzero(enough) > most else (strings[enough], exact[enough])

    def _scores(self, query: sp.csr_matrix, strings: np.ndarray) -> np.ndarray:
        """Return the exact scores of strings, float32."""
        dense = np.zeros(self.rows.shape[1], np.float32)  # of this call alone: threads may share a generator
        dense[query.indices] = query.data
        scores: np.ndarray = self.rows[strings] @ dense
        return scores


def _hits(by_query: list[_ScoredStrings]) -> Hits:
    query = np.repeat(np.arange(len(by_query)), [len(strings) for strings, _ in by_query])
    strings = np.concatenate([strings for strings, _ in by_query]) if by_query else np.zeros(0, np.int64)
    scores = np.concatenate([scores for _, scores in by_query]) if by_query else np.zeros(0, np.float32)
    return Hits(query, strings, scores)
