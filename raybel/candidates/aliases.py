"""The alias table: what the generators that search aliases have in common.

Distinct strings are searched; each stands for one or several (string, concept) pairs; a concept counts once, with its
best alias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CANDIDATE_DTYPE, Without
from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

#: Of a table in an artefact's directory.
FILES = ("aliases.arrow", "first_pair.npy", "concept_frequency.npy")


@dataclass
class Hits:
    """Alias strings found for queries, in the queries' order.

    Args:
        query: int64.
        string: Row among the distinct strings, int64.
        score: float32, higher is better.
    """

    query: np.ndarray
    string: np.ndarray
    score: np.ndarray


@dataclass
class AliasTable:
    """Aliases of an ontology, and training mentions as aliases of their concepts.

    Args:
        table: `alias`, `concept` (int32), `frequency` (int32: training mentions of this pair), `named` (bool: the
            ontology has it, not the training mentions alone), sorted by string and concept.
        first_pair: For each distinct string its first row in the table, int32, one more at the end.
        concept_frequency: Training mentions of each concept, int32.
    """

    table: pa.Table
    first_pair: np.ndarray
    concept_frequency: np.ndarray

    @classmethod
    def build(cls, ontology: Ontology, training: Iterable[tuple[str, int]] = ()) -> AliasTable:
        """Take an ontology's names and aliases, lower-cased, and training mentions.

        Args:
            ontology: A concept without a name gets no row.
            training: (surface, concept index) of each training mention, repeats included.

        Raises:
            ConfigError: The ontology has no names.
        """
        counts = Counter(training)
        rows, names = ontology.names()
        named = set(zip(map(surface, names), rows.tolist(), strict=True))
        pairs = {**dict.fromkeys(named, 0), **counts}
        ordered = sorted(pair for pair in pairs if pair[0])
        if not ordered:
            raise ConfigError(f"{ontology.path}: the ontology has no names to find")
        concept_frequency = np.zeros(len(ontology), np.int32)
        for (_, concept), count in counts.items():
            concept_frequency[concept] += count
        columns = {
            "alias": pa.array([alias for alias, _ in ordered], pa.string()),
            "concept": pa.array([concept for _, concept in ordered], pa.int32()),
            "frequency": pa.array([pairs[pair] for pair in ordered], pa.int32()),
            "named": pa.array([pair in named for pair in ordered], pa.bool_()),
        }
        starts = [row for row, (alias, _) in enumerate(ordered) if not row or ordered[row - 1][0] != alias]
        return cls(pa.table(columns), np.array([*starts, len(ordered)], np.int32), concept_frequency)

    def files(self) -> dict[str, bytes]:
        """Return the table as files of an artefact."""
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
        """Pairs that training mentions have."""
        return int(np.count_nonzero(self._frequency))

    def strings(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Return distinct strings in order."""
        rows = self.first_pair[:-1][start:stop]
        found: list[str] = self.table["alias"].take(pa.array(rows)).to_pylist()
        return found

    def rows_of_names(self, ontology: Ontology) -> np.ndarray:
        """Return for each of the ontology's names, in its order, the row of its string: int64, -1 for empty names."""
        names = pa.array([surface(name) for name in ontology.names()[1]], pa.string())
        found = pc.index_in(names, value_set=pa.array(self.strings(), pa.string()))
        return np.asarray(pc.fill_null(found, -1), dtype=np.int64)

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
        """Row of each pair that training mentions have."""
        rows = np.flatnonzero(self._frequency)
        strings = self.table["alias"].take(pa.array(rows)).to_pylist()
        return dict(zip(zip(strings, self._concept[rows].tolist(), strict=True), rows.tolist(), strict=True))

    def concepts(
        self, hits: Hits, queries: int, top_k: int, depth: int, margin: float = 0.0, without: Without | None = None
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Turn strings into each query's `top_k` best concepts.

        Equal scores are ordered by the training frequency of (alias, concept), then by that of the concept, then by
        concept index.

        Args:
            hits: The best strings of each query, at most `depth` (each at most once).
            queries: How many there are.
            top_k: Concepts wanted.
            depth: How many strings were asked for.
            margin: A string that wasn't found scores at most the last one's score and this.
            without: Training mentions that don't count.

        Returns:
            Candidates per query, as `CANDIDATE_DTYPE`; and the queries for which deeper search may change them: those
            with `depth` hits where not `top_k` distinct concepts score above the last string found, since strings that
            tie with it may have been cut.
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
        if without is not None:
            frequency, of_concept = self._less(query, pair, without)
            kept = (frequency > 0) | self._named[pair]
            query, score, pair, frequency, of_concept = (
                each[kept] for each in (query, score, pair, frequency, of_concept)
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
        found = [best[a : min(b, a + top_k)].copy() for a, b in pairwise(starts)]
        return found, np.flatnonzero(~(decided | exhausted))

    def _less(self, query: np.ndarray, pair: np.ndarray, without: Without) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies of pairs and of their concepts, less what doesn't count for a query."""
        if without.mentions is None:
            return np.zeros(len(pair), np.int32), np.zeros(len(pair), np.int32)
        pairs, concepts = dict[tuple[int, int], int](), Counter[tuple[int, int]]()
        for row in np.unique(query).tolist():
            for (string, concept), count in without.mentions[row].items():
                concepts[row, concept] += count
                if (own := self._training_row.get((string, concept))) is not None:
                    pairs[row, own] = count
        keys = list(zip(query.tolist(), pair.tolist(), self._concept[pair].tolist(), strict=True))
        less = np.array([pairs.get((row, own), 0) for row, own, _ in keys], np.int32)
        less_concept = np.array([concepts.get((row, concept), 0) for row, _, concept in keys], np.int32)
        return self._frequency[pair] - less, self.concept_frequency[self._concept[pair]] - less_concept
