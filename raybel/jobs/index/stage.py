"""What the index job runs on the cluster: embedding of chunks, and the building of the FAISS index."""

from __future__ import annotations

import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.dense import ENCODER, INDEX, DenseGenerator, block_name
from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.jobs.index.directory import GIVEN_ROWS
from raybel.jobs.runtime import Allocation
from raybel.ontology import Ontology

if TYPE_CHECKING:
    from raybel.encoders.text_encoder import TextEncoder

_ROWS = pa.schema([("number", pa.int64()), ("strings", pa.int64()), ("cut", pa.int64())])


class EmbedStage:
    """Embeds chunks of strings, each into a file of float16 vectors; one per actor."""

    def __init__(
        self, home: str, size: int, vectors: str | None, identity: dict[str, Any], allocation: Allocation
    ) -> None:
        self.home, self.size, self.path, self.identity, self.allocation = home, size, vectors, identity, allocation
        self.aliases = AliasTable.load(home)
        self.given = artefacts.load_array(storage.localise(vectors)) if vectors else None
        self.rows = artefacts.load_array(storage.localise(join(home, GIVEN_ROWS))) if vectors else None

    @cached_property
    def encoder(self) -> TextEncoder:
        """The encoder, loaded with the first chunk: an error in a constructor would look like a worker's death."""
        import torch

        from raybel.encoders.text_encoder import TextEncoder

        if self.allocation.device == "cpu":
            torch.set_num_threads(self.allocation.threads)
        folder = storage.localise(join(self.home, ENCODER))
        encoder = TextEncoder.load(folder, self.identity["pooling"], self.identity["precision"], self.allocation.device)
        if self.given is not None and self.given.shape[1] != encoder.width:
            raise InputError(
                f"has vectors of {self.given.shape[1]} components, the model gives {encoder.width}: it was made by "
                "another",
                path=self.path,
            )
        return encoder

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Write a chunk's vectors and return its counts."""
        number = rows["number"][0].as_py()
        start, stop = number * self.size, (number + 1) * self.size
        strings = self.aliases.strings(start, stop)
        cut = 0
        if self.given is None or self.rows is None:
            vectors, cut = self.encoder.encode(strings), self.encoder.count_truncated(strings)
        else:
            vectors = self._given_vectors(strings, self.rows[start:stop])
        storage.publish(join(self.home, block_name(number)), artefacts.array_bytes(vectors.astype(np.float16)))
        return pa.table({"number": [number], "strings": [len(strings)], "cut": [cut]}, schema=_ROWS)

    def _given_vectors(self, strings: list[str], rows: np.ndarray) -> np.ndarray:
        """Return given vectors, scaled to unit length; strings that have none (training mentions) are embedded."""
        assert self.given is not None
        vectors = np.empty((len(strings), self.encoder.width), np.float32)
        given = rows >= 0
        vectors[given] = faiss_index.unit(self.given[rows[given]])
        vectors[~given] = self.encoder.encode([strings[i] for i in np.flatnonzero(~given)])
        if not np.isfinite(vectors).all():
            raise InputError("holds NaN or infinite vectors", path=self.path)
        return vectors


def given_vectors(uri: str, ontology: Ontology) -> np.ndarray:
    """Memory-map given vectors: one row for each of the ontology's names, in its order.

    Raises:
        InputError: The file isn't a readable .npy file, or its shape isn't (names, any width).
    """
    try:
        vectors = np.load(storage.localise(uri), mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"isn't a readable .npy file of numbers: {error}", path=uri) from error
    names = len(ontology.names()[1])
    if vectors.ndim != 2 or len(vectors) != names:
        raise InputError(
            f"has the shape {vectors.shape}; {ontology.path} has {names} names and aliases, each of which needs a row",
            path=uri,
        )
    return vectors


def build_index(home: str, chunks: int, kind: str, threads: int) -> int:
    """Build the FAISS index over the chunks' vectors, publish it, and return the vectors' width."""
    names = [block_name(number) for number in range(chunks)]
    vectors = [artefacts.load_array(storage.localise(join(home, name))) for name in names]
    index = faiss_index.build(vectors, kind, threads)
    if storage.is_local(home):
        faiss_index.write(index, str(storage.resolve(join(home, INDEX))[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            faiss_index.write(index, f"{folder}/{INDEX}")
            storage.publish(join(home, INDEX), storage.copy_bytes(f"{folder}/{INDEX}"))
    return int(index.d)


def write_vectors(generator: DenseGenerator, ontology: Ontology, uri: str) -> None:
    """Write one float32 unit vector per name and alias, in the ontology's order, as a .npy file."""
    rows = generator.aliases.rows_of_names(ontology)
    with tempfile.TemporaryDirectory() as folder:
        shape = (len(rows), generator.parameters["width"])
        output = np.lib.format.open_memmap(f"{folder}/vectors.npy", "w+", np.float32, shape)
        for start in range(0, len(rows), 65_536):
            block = rows[start : start + 65_536]
            vectors = faiss_index.unit(generator.vectors(block.clip(0)))
            vectors[block < 0] = 0  # a concept without a name
            output[start : start + 65_536] = vectors
        output.flush()
        storage.publish(uri, storage.copy_bytes(f"{folder}/vectors.npy"))


def precision_of(device: str) -> str:
    """Return the precision that a device is fastest in."""
    from raybel.encoders.precision import best_precision

    return best_precision(device)
