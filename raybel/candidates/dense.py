"""Dense candidates: surfaces and aliases as vectors of a text encoder, searched with FAISS.

FAISS proposes strings; what counts is the cosine of the stored float16 vectors, computed here in float64 and rounded to
six decimals. So equal strings score 1 exactly, equal scores are equal, and neither the other surfaces of a batch nor
the type of index change a score.
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
from raybel.candidates.base import NOTHING, Generator, Without
from raybel.errors import MismatchError
from raybel.files import artefacts, storage

if TYPE_CHECKING:
    from raybel.encoders.text_encoder import TextEncoder

KIND, VERSION = "dense", 2
INDEX, ENCODER = "index.faiss", "encoder"
#: Surfaces searched at once: FAISS is at its best with 1,024 or more.
BATCH = 4_096
#: Alias strings per wanted concept in a first pass; the few surfaces for which that isn't enough go deeper.
DEPTH = 8
#: Hits looked at together (about 100 bytes each); the deeper a search, the fewer surfaces at once.
HITS = 1_000_000
DECIMALS = 6
#: FAISS's float32 products and ours differ by less.
MARGIN = 1e-5


def shard_name(number: int) -> str:
    """Return the name of a file of vectors."""
    return f"vectors-{number:05d}.npy"


class DenseGenerator(Generator):
    """Finds the concepts whose best alias has the highest cosine to a surface, by a text encoder.

    Equal scores are ordered as the alias table says. Made by `load`; the encoder is loaded when it is first used.

    Args:
        home: Local directory of the index.
        parameters: Of the index.
        aliases: What the strings stand for.
        shards: Float16 vectors of the strings in order, memory-mapped.
        device: `cpu` or a CUDA device, for the encoder.
        threads: For encoding and searching on the CPU.
    """

    name = KIND

    def __init__(
        self,
        home: Path,
        parameters: dict[str, Any],
        aliases: AliasTable,
        shards: list[np.ndarray],
        fingerprint: str,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.home, self.parameters, self.aliases, self.shards = home, parameters, aliases, shards
        self.fingerprint, self.ontology_fingerprint = fingerprint, parameters["ontology_fingerprint"]
        self.device, self.threads = device, threads
        self.expanded = parameters.get("expand_abbreviations")
        self._starts = np.cumsum([0, *(len(shard) for shard in shards)])

    @classmethod
    def load(cls, directory: str, device: str = "cpu", threads: int = 1) -> DenseGenerator:
        """Open an index directory, memory-mapped.

        Raises:
            InputError: It is missing or incomplete.
            MismatchError: It is of another kind or version, or its vectors don't fit its aliases.
        """
        config = artefacts.describe(directory, KIND, VERSION)
        home = storage.localise(directory)
        aliases = AliasTable.load(home)
        shards = [artefacts.load_array(home / name) for name in sorted(config["files"]) if name.startswith("vectors-")]
        rows, width = sum(len(shard) for shard in shards), config["parameters"]["width"]
        if rows != len(aliases) or any(shard.shape[1] != width for shard in shards):
            shapes = sorted({shard.shape[1] for shard in shards})
            raise MismatchError(
                f"{directory} has {rows} vectors of {shapes} components for {len(aliases)} strings of {width}: "
                "make the index again"
            )
        return cls(home, config["parameters"], aliases, shards, config["fingerprint"], device, threads)

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
        """What the candidates' `alias` refers to."""
        return self.aliases.table

    def search(self, surfaces: Sequence[str], top_k: int, without: Without | None = None) -> list[np.ndarray]:
        """Return for each surface its `top_k` best concepts, none for ""; see `Generator`."""
        found: list[np.ndarray] = []
        for start in range(0, len(surfaces), BATCH):
            some = surfaces[start : start + BATCH]
            wanted = [row for row, each in enumerate(some) if each]
            own = without and without.take([start + row for row in wanted])
            result = self.search_vectors(self.encoder.encode([some[row] for row in wanted]), top_k, own)
            by_row = dict(zip(wanted, result, strict=True))
            found += [by_row.get(row, NOTHING) for row in range(len(some))]
        return found

    def search_vectors(self, vectors: np.ndarray, top_k: int, without: Without | None = None) -> list[np.ndarray]:
        """Return the `top_k` best concepts for each vector: float32 of shape (queries, width), of unit length."""
        if not len(vectors):
            return []
        return self._search(vectors.astype(np.float16), top_k, DEPTH * top_k, without)

    def _search(self, queries: np.ndarray, top_k: int, depth: int, without: Without | None) -> list[np.ndarray]:
        """Search `depth` strings deep; queries for which that can't decide go four times as deep."""
        depth = min(depth, len(self.aliases))
        most = max(1, HITS // depth)
        if len(queries) > most:
            return [
                found
                for rows in np.array_split(np.arange(len(queries)), -(-len(queries) // most))
                for found in self._search(queries[rows], top_k, depth, without and without.take(rows))
            ]
        _, string = faiss_index.search(self.index, faiss_index.unit(queries), depth, self.threads)
        query = np.repeat(np.arange(len(queries)), depth)
        kept = string.ravel() >= 0
        query, string = query[kept], string.ravel()[kept].astype(np.int64)
        hits = Hits(query, string, self._cosine(queries, query, string))
        found, deeper = self.aliases.concepts(hits, len(queries), top_k, depth, MARGIN, without)
        if len(deeper):
            further = self._search(queries[deeper], top_k, depth * 4, without and without.take(deeper))
            for index, result in zip(deeper, further, strict=True):
                found[index] = result
        return found

    def _cosine(self, queries: np.ndarray, query: np.ndarray, string: np.ndarray) -> np.ndarray:
        """Cosines of (query, string) pairs, rounded: the same for the same pair, whatever else is asked."""
        score = np.empty(len(query), np.float32)
        for start in range(0, len(query), 65_536):
            some = slice(start, start + 65_536)
            left = queries[query[some]].astype(np.float64)
            right = self.vectors(string[some]).astype(np.float64)
            product = np.einsum("ij,ij->i", left, right)
            size = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
            score[some] = np.round(product / size.clip(1e-12), DECIMALS)
        return score

    def vectors(self, strings: np.ndarray) -> np.ndarray:
        """Return the stored vectors of strings (rows among the distinct ones): float16 of shape (strings, width)."""
        owner = np.searchsorted(self._starts, strings, side="right") - 1
        vectors = np.empty((len(strings), self.parameters["width"]), np.float16)
        for shard in np.unique(owner).tolist():
            own = owner == shard
            vectors[own] = self.shards[shard][strings[own] - self._starts[shard]]
        return vectors
