"""Character n-gram candidates: exact top-k over distinct concepts, in blocks of aliases.

From `pruning.PRUNE_FROM` aliases on, most of them are left out by bounds, which changes no result. For speed see
BENCHMARKS.md. Memory: about 220 bytes per alias, 400 where bounds are used, memory-mapped and so shared by the actors
of a machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from sparse_dot_topn import sp_matmul_topn, zip_sp_matmul_topn

from raybel.candidates import pruning
from raybel.candidates.aliases import AliasTable, Hits
from raybel.candidates.base import ExcludedMentions, Generator
from raybel.candidates.parameters import NgramParameters
from raybel.candidates.vectorizer import NgramVectorizer
from raybel.corpus.typography import FOLDING, check_folding
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

KIND, VERSION = "ngrams", 2
#: Distinct alias strings in a block: one row of scores (256 KB) then stays in a core's second-level cache.
BLOCK = 65_536
#: Surfaces searched at once: bounds the memory for the strings that are found.
BATCH = 2_048
#: Alias strings per wanted concept in a first search; the few surfaces for which that isn't enough go deeper.
DEPTH = 8


class NgramGenerator(Generator):
    """Finds the concepts whose best alias has the highest cosine to a surface.

    Equal scores are ordered by the training frequency of (alias, concept), then by that of the concept, then by concept
    index. Made by `build` or `load`.

    Args:
        vectorizer: Fitted on the alias strings.
        blocks: Transposed alias vectors, each (features, strings of the block), float32 CSR, strings in order.
        aliases: What the strings stand for.
        fingerprint: That of the model directory; empty until it is saved.
        ontology_fingerprint: That of the ontology.
        threads: For the search.
        rows: The vectors as (strings, features), float32 CSR, for the search by bounds; None to score every alias.
        expands_abbreviations: Whether abbreviations were expanded in the training mentions; None if unknown.
    """

    name = KIND

    def __init__(
        self,
        vectorizer: NgramVectorizer,
        blocks: list[sp.csr_matrix],
        aliases: AliasTable,
        fingerprint: str = "",
        ontology_fingerprint: str = "",
        threads: int = 1,
        rows: sp.csr_matrix | None = None,
        expands_abbreviations: bool | None = None,
    ) -> None:
        self.rows, self.expands_abbreviations = rows, expands_abbreviations
        self.pruned = None if rows is None else pruning.PrunedSearch(blocks, rows)
        self.vectorizer, self.blocks, self.aliases, self.threads = vectorizer, blocks, aliases, threads
        self.fingerprint, self.ontology_fingerprint = fingerprint, ontology_fingerprint

    @classmethod
    def build(
        cls,
        ontology: Ontology,
        parameters: NgramParameters,
        training: Iterable[tuple[str, int]] = (),
        block: int | None = None,
    ) -> NgramGenerator:
        """Fit on an ontology's names and aliases, and on training mentions if the parameters say so.

        Args:
            ontology: A concept without a name is never proposed.
            parameters: Hyper-parameters.
            training: (surface, concept index) of each training mention, repeats included.
            block: Alias strings per block; None for what suits their number.

        Raises:
            ConfigError: The ontology has no names.
        """
        aliases = AliasTable.build(ontology, training if parameters.add_training_data_to_ontology else ())
        strings = aliases.strings()
        vectorizer = NgramVectorizer(parameters).fit(strings)
        # Rebuilt from what is saved, so that a fresh and a loaded model score to the same bits.
        vectorizer = NgramVectorizer.from_table(parameters, vectorizer.to_table())
        prune = parameters.search == "fast" or len(strings) >= pruning.PRUNE_FROM
        size = block or (pruning.BLOCK if prune else BLOCK)
        blocks, rows_of_blocks = [], []
        for start in range(0, len(strings), size):
            rows_of_block = vectorizer.transform(strings[start : start + size])
            blocks.append(rows_of_block.T.tocsr())
            if prune:
                rows_of_block.sort_indices()
                rows_of_blocks.append(rows_of_block)
        rows = sp.vstack(rows_of_blocks, "csr") if prune else None
        return cls(vectorizer, blocks, aliases, ontology_fingerprint=ontology.fingerprint, rows=rows)

    def save(
        self, directory: str, extra: Mapping[str, object] | None = None, facts: Mapping[str, object] | None = None
    ) -> str:
        """Write the model directory and return its fingerprint.

        Args:
            directory: Path or URI.
            extra: Goes into the model's parameters.
            facts: JSON values that are kept beside them, and aren't part of the fingerprint.
        """
        parameters = {
            "ngrams": asdict(self.vectorizer.parameters),
            "ontology_fingerprint": self.ontology_fingerprint,
            "folding": FOLDING,
            **(extra or {}),
        }
        self.fingerprint = artefacts.save(directory, KIND, VERSION, parameters, self._files(), facts)
        return self.fingerprint

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the model's files one after the other, so that the large ones aren't in memory together."""
        yield "vocabulary.arrow", artefacts.arrow_bytes(self.vectorizer.to_table())
        yield from self.aliases.files().items()
        widths = np.array([block.shape[1] for block in self.blocks], np.int64)
        yield "block_widths.npy", artefacts.array_bytes(widths)
        yield "indptr.npy", artefacts.array_bytes(np.stack([block.indptr.astype(np.int32) for block in self.blocks]))
        yield (
            "indices.npy",
            artefacts.array_bytes(np.concatenate([block.indices for block in self.blocks], dtype=np.int32)),
        )
        yield "weights.npy", artefacts.array_bytes(np.concatenate([block.data for block in self.blocks]))
        if self.rows is not None:
            yield "row_indptr.npy", artefacts.array_bytes(self.rows.indptr)
            yield "row_indices.npy", artefacts.array_bytes(self.rows.indices)
            yield "row_weights.npy", artefacts.array_bytes(self.rows.data)

    @classmethod
    def load(cls, directory: str, threads: int = 1) -> NgramGenerator:
        """Open a model directory, memory-mapped.

        Args:
            directory: Path or URI.
            threads: For the search.

        Raises:
            InputError: It is missing or incomplete.
            MismatchError: It is of another kind or version.
        """
        config = artefacts.describe(directory, KIND, VERSION)
        check_folding(directory, config["parameters"].get("folding"))
        home = storage.localise(directory)
        parameters = NgramParameters().changed(config["parameters"]["ngrams"])
        vectorizer = NgramVectorizer.from_table(parameters, artefacts.load_arrow(home / "vocabulary.arrow"))
        weights = artefacts.load_array(home / "weights.npy")
        indices = artefacts.load_array(home / "indices.npy")
        blocks, start = [], 0
        widths = artefacts.load_array(home / "block_widths.npy")
        for indptr, width in zip(artefacts.load_array(home / "indptr.npy"), widths.tolist(), strict=True):
            end = start + int(indptr[-1])
            block = sp.csr_matrix((len(indptr) - 1, width), dtype=np.float32)
            block.data, block.indices, block.indptr = weights[start:end], indices[start:end], indptr
            blocks.append(block)
            start = end
        rows = None
        if "row_weights.npy" in config["files"]:
            indptr = artefacts.load_array(home / "row_indptr.npy")
            rows = sp.csr_matrix((len(indptr) - 1, vectorizer.width), dtype=np.float32)
            rows.data, rows.indices = (
                artefacts.load_array(home / f"row_{name}.npy") for name in ("weights", "indices")
            )
            rows.indptr = indptr
        return cls(
            vectorizer,
            blocks,
            AliasTable.load(home),
            config["fingerprint"],
            config["parameters"]["ontology_fingerprint"],
            threads,
            rows,
            config["parameters"].get("expand_abbreviations"),
        )

    @property
    def alias_table(self) -> pa.Table:
        """The table whose rows the candidates' `alias` refers to."""
        return self.aliases.table

    def search(self, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None = None) -> list[np.ndarray]:
        """Return for each surface its `top_k` best concepts; see `Generator`."""
        if self.pruned is not None and self.vectorizer.parameters.search == "fast":
            return self._search_fast(self.pruned, surfaces, top_k, excluded)
        candidates: list[np.ndarray] = []
        size = BATCH if self.pruned is None else pruning.BATCH
        for start in range(0, len(surfaces), size):
            queries = self.vectorizer.transform(surfaces[start : start + size])
            of_batch = excluded and excluded.take(range(start, min(start + size, len(surfaces))))
            if self.pruned is None:
                candidates += self._search(queries, top_k, DEPTH * top_k, of_batch)
            else:
                candidates += self._search_pruned(self.pruned, queries, top_k, of_batch)
        return candidates

    def _search_fast(
        self, pruned: pruning.PrunedSearch, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None
    ) -> list[np.ndarray]:
        """Look surfaces up among the names, then search those that are none by their rarest n-grams."""

        def best_concepts(hits: Hits, queries: Sequence[int]) -> list[np.ndarray]:
            depth = len(self.aliases) + 1
            return self.aliases.best_concepts(
                hits, len(queries), top_k, depth, excluded=excluded and excluded.take(queries)
            )[0]

        strings = np.array([self.aliases.find(surface) for surface in surfaces], np.int64)
        named = np.flatnonzero(strings >= 0)
        hits = Hits(np.arange(len(named)), strings[named], np.ones(len(named), np.float32))
        found = dict(zip(named.tolist(), best_concepts(hits, named.tolist()), strict=True))
        others = [number for number in range(len(surfaces)) if not len(found.get(number, ()))]
        for start in range(0, len(others), pruning.BATCH):
            batch = others[start : start + pruning.BATCH]
            queries = self.vectorizer.transform([surfaces[number] for number in batch])
            found |= zip(batch, best_concepts(pruned.fast_search(queries), batch), strict=True)
        return [found[number] for number in range(len(surfaces))]

    def _search_pruned(
        self, pruned: pruning.PrunedSearch, queries: sp.csr_matrix, top_k: int, excluded: ExcludedMentions | None
    ) -> list[np.ndarray]:
        """Search by bounds; the few queries for which bounds are of no use go through all strings."""

        def best_concepts(hits: Hits) -> list[np.ndarray]:
            depth = len(self.aliases) + 1
            return self.aliases.best_concepts(hits, queries.shape[0], top_k, depth, excluded=excluded)[0]

        def last_scores(hits: Hits) -> np.ndarray:
            scores = [concepts["score"][-1] if len(concepts) == top_k else 0 for concepts in best_concepts(hits)]
            return np.array(scores, np.float32)

        hits, unbounded = pruned.search(queries, top_k, last_scores, self.threads)
        candidates = best_concepts(hits)
        if len(unbounded):
            of_unbounded = excluded and excluded.take(unbounded)
            searched = self._search(queries[unbounded], top_k, DEPTH * top_k, of_unbounded)
            for query, concepts in zip(unbounded, searched, strict=True):
                candidates[query] = concepts
        return candidates

    def _search(
        self, queries: sp.csr_matrix, top_k: int, depth: int, excluded: ExcludedMentions | None
    ) -> list[np.ndarray]:
        """Search `depth` alias strings deep, and four times as deep for the queries that this can't decide."""
        hits = self._best_strings(queries, depth)
        candidates, undecided = self.aliases.best_concepts(hits, queries.shape[0], top_k, depth, excluded=excluded)
        if len(undecided):
            of_undecided = excluded and excluded.take(undecided)
            searched = self._search(queries[undecided], top_k, depth * 4, of_undecided)
            for query, concepts in zip(undecided, searched, strict=True):
                candidates[query] = concepts
        return candidates

    def _best_strings(self, queries: sp.csr_matrix, depth: int) -> Hits:
        """Return the best `depth` alias strings of each query."""
        if not queries.nnz:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        of_blocks = [
            sp_matmul_topn(queries, block, top_n=depth, sort=True, n_threads=self.threads) for block in self.blocks
        ]
        best = of_blocks[0] if len(of_blocks) == 1 else zip_sp_matmul_topn(depth, of_blocks)
        query = np.repeat(np.arange(queries.shape[0]), np.diff(best.indptr))
        size = int(best.indptr[-1])
        return Hits(query, best.indices[:size].astype(np.int64), best.data[:size])
