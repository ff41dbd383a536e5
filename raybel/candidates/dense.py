"""Dense candidates: surfaces and aliases as vectors of a text encoder, searched with FAISS.

FAISS proposes strings; what counts is the cosine of the stored float16 vectors, computed here in float64 and rounded to
six decimals. So equal strings score exactly 1, vectors at the same angle have the same score, and neither the other
surfaces of a batch nor the type of index change a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable, Hits
from raybel.candidates.base import NO_CANDIDATES, ExcludedMentions, Generator
from raybel.corpus.typography import check_folding
from raybel.errors import MismatchError
from raybel.files import artefacts, storage

if TYPE_CHECKING:
    from raybel.encoders.text_encoder import TextEncoder

KIND, VERSION = "dense", 2
INDEX, ENCODER = "index.faiss", "encoder"
#: Surfaces searched at once: FAISS is at its best with 1,024 or more.
BATCH = 4_096
#: Alias strings per wanted concept in a first search; the few surfaces for which that isn't enough go deeper.
DEPTH = 8
#: Hits held in memory together (about 100 bytes each); the deeper a search, the fewer surfaces at once.
HITS = 1_000_000
#: Decimals that scores are rounded to.
DECIMALS = 6
#: FAISS's float32 products differ from ours by less than this.
MARGIN = 1e-5


def block_name(number: int) -> str:
    """Return the name of the file with a block of vectors."""
    return f"vectors-{number:05d}.npy"


class DenseGenerator(Generator):
    """Finds the concepts whose best alias has the highest cosine to a surface, by a text encoder.

    Equal scores are ordered as the alias table says. Made by `load`; the encoder is loaded when it is first used.

    Args:
        home: Local directory of the index.
        parameters: The index's, as its `config.json` says them.
        aliases: What the strings stand for.
        blocks: Vectors of the strings in order, each float16 of shape (strings of the block, width), memory-mapped.
        fingerprint: That of the index.
        device: `cpu` or a CUDA device, for the encoder.
        threads: For encoding and searching on the CPU.
    """

    name = KIND

    def __init__(
        self,
        home: Path,
        parameters: dict[str, Any],
        aliases: AliasTable,
        blocks: list[np.ndarray],
        fingerprint: str,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.home, self.parameters, self.aliases, self.blocks = home, parameters, aliases, blocks
        self.fingerprint, self.ontology_fingerprint = fingerprint, parameters["ontology_fingerprint"]
        self.device, self.threads = device, threads
        self.expands_abbreviations = parameters.get("expand_abbreviations")
        self._starts = np.cumsum([0, *map(len, blocks)])

    @classmethod
    def load(cls, directory: str, device: str = "cpu", threads: int = 1) -> DenseGenerator:
        """Open an index directory, memory-mapped.

        Raises:
            InputError: It is missing or incomplete.
            MismatchError: It is of another kind or version, or its vectors don't fit its aliases.
        """
        config = artefacts.describe(directory, KIND, VERSION)
        check_folding(directory, config["parameters"].get("folding"))
        home = storage.localise(directory)
        aliases = AliasTable.load(home)
        names = sorted(name for name in config["files"] if name.startswith("vectors-"))
        blocks = [artefacts.load_array(home / name) for name in names]
        rows, width = sum(map(len, blocks)), config["parameters"]["width"]
        if rows != len(aliases) or any(block.shape[1] != width for block in blocks):
            widths = ", ".join(map(str, sorted({block.shape[1] for block in blocks})))
            raise MismatchError(
                f"{directory} has {rows} vectors of {widths} components for {len(aliases)} strings of {width}: "
                "make the index again"
            )
        return cls(home, config["parameters"], aliases, blocks, config["fingerprint"], device, threads)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The encoder that the index was made with."""
        import torch

        from raybel.encoders.text_encoder import TextEncoder

        if self.device == "cpu":
            torch.set_num_threads(self.threads)
        encoder = TextEncoder.load(
            self.home / ENCODER, self.parameters["pooling"], self.parameters["precision"], self.device
        )
        if encoder.width != self.parameters["width"]:
            raise MismatchError(
                f"{self.home}: the encoder gives vectors of {encoder.width} components, the index has "
                f"{self.parameters['width']}: make the index again"
            )
        return encoder

    @cached_property
    def index(self) -> Any:
        """The FAISS index, memory-mapped."""
        index = faiss_index.read(self.home / INDEX, self.parameters["index_type"])
        if (index.ntotal, index.d) != (len(self.aliases), self.parameters["width"]):
            raise MismatchError(
                f"{self.home / INDEX} holds {index.ntotal} vectors of {index.d} components, not {len(self.aliases)} of "
                f"{self.parameters['width']}: make the index again"
            )
        return index

    @property
    def alias_table(self) -> pa.Table:
        """The table whose rows the candidates' `alias` refers to."""
        return self.aliases.table

    def search(self, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None = None) -> list[np.ndarray]:
        """Return for each surface its `top_k` best concepts, none for ""; see `Generator`."""
        candidates: list[np.ndarray] = []
        for start in range(0, len(surfaces), BATCH):
            batch = surfaces[start : start + BATCH]
            rows = [row for row, surface in enumerate(batch) if surface]
            of_rows = excluded and excluded.take([start + row for row in rows])
            searched = self.search_vectors(self._vectors_of([batch[row] for row in rows]), top_k, of_rows)
            by_row = dict(zip(rows, searched, strict=True))
            candidates += [by_row.get(row, NO_CANDIDATES) for row in range(len(batch))]
        return candidates

    def _vectors_of(self, surfaces: Sequence[str]) -> np.ndarray:
        """Return the vectors of surfaces, float32 of shape (surfaces, width): those that are aliases have one stored.

        So these needn't be encoded, and score exactly 1 with themselves on another processor than the index's too.
        """
        strings = np.array([self.aliases.find(surface) for surface in surfaces], np.int64)
        known = strings >= 0
        vectors = np.empty((len(surfaces), self.parameters["width"]), np.float32)
        vectors[known] = self.vectors(strings[known])
        if not known.all():
            vectors[~known] = self.encoder.encode([surfaces[row] for row in np.flatnonzero(~known).tolist()])
        return vectors

    def search_vectors(
        self, vectors: np.ndarray, top_k: int, excluded: ExcludedMentions | None = None
    ) -> list[np.ndarray]:
        """Return the `top_k` best concepts for each vector.

        Args:
            vectors: Unit vectors, float32 of shape (queries, width).
            top_k: The most concepts per vector.
            excluded: Training mentions that don't count, for each vector.
        """
        if not len(vectors):
            return []
        return self._search(vectors.astype(np.float16), top_k, DEPTH * top_k, excluded)

    def _search(
        self, queries: np.ndarray, top_k: int, depth: int, excluded: ExcludedMentions | None
    ) -> list[np.ndarray]:
        """Search `depth` strings deep, and four times as deep for the queries that this can't decide."""
        depth = min(depth, len(self.aliases))
        most = max(1, HITS // depth)
        if len(queries) > most:
            return [
                concepts
                for rows in np.array_split(np.arange(len(queries)), -(-len(queries) // most))
                for concepts in self._search(queries[rows], top_k, depth, excluded and excluded.take(rows))
            ]
        _, string = faiss_index.search(self.index, faiss_index.unit(queries), depth, self.threads)
        query = np.repeat(np.arange(len(queries)), depth)
        present = string.ravel() >= 0
        query, string = query[present], string.ravel()[present].astype(np.int64)
        hits = Hits(query, string, self._cosines(queries, query, string))
        candidates, undecided = self.aliases.best_concepts(hits, len(queries), top_k, depth, MARGIN, excluded)
        if len(undecided):
            of_undecided = excluded and excluded.take(undecided)
            searched = self._search(queries[undecided], top_k, depth * 4, of_undecided)
            for number, concepts in zip(undecided, searched, strict=True):
                candidates[number] = concepts
        return candidates

    def _cosines(self, queries: np.ndarray, query: np.ndarray, string: np.ndarray) -> np.ndarray:
        """Return the rounded cosines of (query, string) pairs, float32; a pair's doesn't depend on the others."""
        cosines = np.empty(len(query), np.float32)
        for start in range(0, len(query), 65_536):
            batch = slice(start, start + 65_536)
            left = queries[query[batch]].astype(np.float64)
            right = self.vectors(string[batch]).astype(np.float64)
            product = np.einsum("ij,ij->i", left, right)
            size = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
            cosines[batch] = np.round(product / size.clip(1e-12), DECIMALS)
        return cosines

    def vectors(self, strings: np.ndarray) -> np.ndarray:
        """Return the stored vectors of strings (rows among the distinct ones): float16 of shape (strings, width)."""
        block_of = np.searchsorted(self._starts, strings, side="right") - 1
        vectors = np.empty((len(strings), self.parameters["width"]), np.float16)
        for block in np.unique(block_of).tolist():
            within = block_of == block
            vectors[within] = self.blocks[block][strings[within] - self._starts[block]]
        return vectors
