"""The alias table, which all generators that search aliases share.

They search distinct strings. A string stands for one or several (string, concept) pairs; a concept counts once, with
its best alias.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CANDIDATE_DTYPE, ExcludedMentions
from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

#: The files that a table has in an artefact's directory.
FILES = ("aliases.arrow", "first_pair.npy", "concept_frequency.npy")


@dataclass
class Hits:
    """Alias strings found for queries: three arrays of the same length, sorted by query.

    Args:
        query: Number of the query, int64.
        string: Row among the distinct strings, int64.
        score: Similarity of both, float32, higher is better.
    """

    query: np.ndarray
    string: np.ndarray
    score: np.ndarray


@dataclass
class AliasTable:
    """Aliases of an ontology, and training mentions as aliases of their concepts.

    Args:
        table: A row per (string, concept) pair, sorted: `alias`, `concept` (int32), `frequency` (int32: training
            mentions that are this pair), `named` (bool: whether it is a name of the ontology's own).
        first_pair: For each distinct string its first row in the table, and the number of rows at the end: int32.
        concept_frequency: For each concept of the ontology its number of training mentions, int32.
    """

    table: pa.Table
    first_pair: np.ndarray
    concept_frequency: np.ndarray

    @classmethod
    def build(cls, ontology: Ontology, training: Iterable[tuple[str, int]] = ()) -> AliasTable:
        """Build a table of an ontology's names and aliases, as surfaces, and of training mentions.

        Args:
            ontology: Concepts without a name get no row.
            training: (surface, concept index) of each training mention, repeats included.

        Raises:
            ConfigError: The ontology has no names.
        """
        counts = Counter(training)
        rows, names = ontology.names()
        named = set(zip(map(surface, names), rows.tolist(), strict=True))
        pairs = {**dict.fromkeys(named, 0), **counts}
        rows_of_table = sorted(pair for pair in pairs if pair[0])
        if not rows_of_table:
            raise ConfigError(f"{ontology.path}: the ontology has no names to find")
        concept_frequency = np.zeros(len(ontology), np.int32)
        for (_, concept), count in counts.items():
            concept_frequency[concept] += count
        columns = {
            "alias": pa.array([alias for alias, _ in rows_of_table], pa.string()),
            "concept": pa.array([concept for _, concept in rows_of_table], pa.int32()),
            "frequency": pa.array([pairs[pair] for pair in rows_of_table], pa.int32()),
            "named": pa.array([pair in named for pair in rows_of_table], pa.bool_()),
        }
        aliases = [alias for alias, _ in rows_of_table]
        starts = [row for row, alias in enumerate(aliases) if not row or aliases[row - 1] != alias]
        return cls(pa.table(columns), np.array([*starts, len(aliases)], np.int32), concept_frequency)

    def files(self) -> dict[str, bytes]:
        """Return the table as files of an artefact, by name."""
        contents = (
            artefacts.arrow_bytes(self.table),
            artefacts.array_bytes(self.first_pair),
            artefacts.array_bytes(self.concept_frequency),
        )
        return dict(zip(FILES, contents, strict=True))

    @classmethod
    def load(cls, directory: str | Path) -> AliasTable:
        """Memory-map a table out of an artefact's directory."""
        aliases, first, frequency = (storage.localise(storage.join(str(directory), name)) for name in FILES)
        return cls(artefacts.load_arrow(aliases), artefacts.load_array(first), artefacts.load_array(frequency))

    def __len__(self) -> int:
        """Number of distinct strings."""
        return len(self.first_pair) - 1

    @property
    def training_pairs(self) -> int:
        """Number of distinct (surface, concept) pairs among the training mentions."""
        return int(np.count_nonzero(self._frequency))

    def strings(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Return the distinct strings from `start` to `stop`, in order."""
        rows = self.first_pair[:-1][start:stop]
        strings: list[str] = self.table["alias"].take(pa.array(rows)).to_pylist()
        return strings

    def find(self, text: str) -> int:
        """Return the row of a text among the distinct strings, -1 where it is none: about 20 looks into the table."""
        column = self.table["alias"]
        row = bisect_left(self.first_pair[:-1], text, key=lambda first: column[int(first)].as_py())
        return row if row < len(self) and column[int(self.first_pair[row])].as_py() == text else -1

    def rows_of_names(self, ontology: Ontology) -> np.ndarray:
        """Return for each of the ontology's names, in its order, the row of its string: int64, -1 for empty names."""
        names = pa.array([surface(name) for name in ontology.names()[1]], pa.string())
        rows = pc.index_in(names, value_set=pa.array(self.strings(), pa.string()))
        return np.asarray(pc.fill_null(rows, -1), dtype=np.int64)

    @cached_property
    def _concept(self) -> np.ndarray:
        return np.asarray(self.table["concept"].combine_chunks().to_numpy())

    @cached_property
    def _frequency(self) -> np.ndarray:
        return np.asarray(self.table["frequency"].combine_chunks().to_numpy())

    @cached_property
    def _named(self) -> np.ndarray:
        return np.asarray(self.table["named"].combine_chunks().to_numpy(zero_copy_only=False))

    @cached_property
    def _training_row(self) -> dict[tuple[str, int], int]:
        """Row of each (surface, concept) pair that training mentions have."""
        rows = np.flatnonzero(self._frequency)
        strings = self.table["alias"].take(pa.array(rows)).to_pylist()
        return dict(zip(zip(strings, self._concept[rows].tolist(), strict=True), rows.tolist(), strict=True))

    def best_concepts(
        self,
        hits: Hits,
        queries: int,
        top_k: int,
        depth: int,
        margin: float = 0.0,
        excluded: ExcludedMentions | None = None,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Return each query's `top_k` best concepts, given the strings that were found for it.

        Equal scores are ordered by the training frequency of (alias, concept), then by that of the concept, then by
        concept index.

        Args:
            hits: The best strings of each query, at most `depth` (each at most once).
            queries: Number of queries.
            top_k: Concepts wanted per query.
            depth: Strings that were searched for per query.
            margin: How much higher than the last string found another string may score.
            excluded: Training mentions and names that don't count, for each query.

        Returns:
            Candidates per query, as `CANDIDATE_DTYPE`; and the queries for which deeper search may change them: those
            with `depth` hits of which fewer than `top_k` distinct concepts score above the last string found, since
            strings that tie with it may have been left out.
        """
        count = np.bincount(hits.query, minlength=queries)
        last = np.full(queries, np.inf, np.float32)
        np.minimum.at(last, hits.query, hits.score)
        full = count >= min(depth, len(self))
        last[~full] = -np.inf
        pairs = self.first_pair[hits.string + 1] - self.first_pair[hits.string]
        query, score = np.repeat(hits.query, pairs), np.repeat(hits.score, pairs)
        within = np.arange(len(query)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        pair = np.repeat(self.first_pair[hits.string], pairs) + within
        frequency, of_concept = self._frequency[pair], self.concept_frequency[self._concept[pair]]
        if excluded is not None:
            frequency, of_concept = self._remaining_frequencies(query, pair, excluded)
            present = (frequency > 0) | (self._named[pair] & ~self._excluded_names(query, pair, excluded))
            query, score, pair, frequency, of_concept = (
                column[present] for column in (query, score, pair, frequency, of_concept)
            )
        concept = self._concept[pair]
        order = np.lexsort((pair, concept, -of_concept, -frequency, -score, query))
        query, concept, score, pair = query[order], concept[order], score[order], pair[order]
        # A concept counts once, with its best alias: its first row for this query.
        _, first = np.unique(query.astype(np.int64) * (len(self.concept_frequency) + 1) + concept, return_index=True)
        first.sort()
        query, concept, score, pair = query[first], concept[first], score[first], pair[first]
        decided = np.bincount(query[score > last[query] + np.float32(margin)], minlength=queries) >= top_k
        exhausted = ~full | (depth >= len(self))
        starts = np.searchsorted(query, np.arange(queries + 1))
        best = np.empty(len(query), CANDIDATE_DTYPE)
        best["concept"], best["score"], best["alias"] = concept, score, pair
        candidates = [best[start : min(end, start + top_k)].copy() for start, end in pairwise(starts)]
        return candidates, np.flatnonzero(~(decided | exhausted))

    def _remaining_frequencies(
        self, query: np.ndarray, pair: np.ndarray, excluded: ExcludedMentions
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the frequencies of pairs and of their concepts, less what is excluded from each query: int32."""
        if excluded.counts is None:
            return np.zeros(len(pair), np.int32), np.zeros(len(pair), np.int32)
        of_pair, of_concept = dict[tuple[int, int], int](), Counter[tuple[int, int]]()
        for number in np.unique(query).tolist():
            for (string, concept), count in excluded.counts[number].items():
                of_concept[number, concept] += count
                if (row := self._training_row.get((string, concept))) is not None:
                    of_pair[number, row] = count
        keys = list(zip(query.tolist(), pair.tolist(), self._concept[pair].tolist(), strict=True))
        less = np.array([of_pair.get((number, row), 0) for number, row, _ in keys], np.int32)
        less_concept = np.array([of_concept.get((number, concept), 0) for number, _, concept in keys], np.int32)
        return self._frequency[pair] - less, self.concept_frequency[self._concept[pair]] - less_concept

    def _excluded_names(self, query: np.ndarray, pair: np.ndarray, excluded: ExcludedMentions) -> np.ndarray:
        """Return which pairs are names that are excluded from their query: bool."""
        without = np.zeros(len(pair), bool)
        if excluded.names is None:
            return without
        concepts = {(number, concept) for number, names in enumerate(excluded.names) for _, concept in names}
        keys = zip(query.tolist(), self._concept[pair].tolist(), strict=True)
        rows = np.flatnonzero(np.fromiter((key in concepts for key in keys), bool, len(pair)))
        strings = self.table["alias"].take(pa.array(pair[rows])).to_pylist()
        for row, string in zip(rows.tolist(), strings, strict=True):
            without[row] = (string, int(self._concept[pair[row]])) in excluded.names[query[row]]
        return without
