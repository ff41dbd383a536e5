"""FAISS indexes over alias vectors: which type for which size, built from blocks of vectors, memory-mapped.

Measured (BENCHMARKS.md): exact search (`flat`) is best up to about a million strings; above, `ivf` is faster and loses
a little recall. `hnsw` is there for those who want it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from raybel.errors import ConfigError, InputError

TYPES = ("flat", "ivf", "hnsw")
#: Distinct strings up to which `auto` is exact search.
FLAT_UP_TO = 1_500_000
#: Lists of an `ivf` index that are searched for a query; nodes that `hnsw` looks at.
PROBES, EF_SEARCH = 128, 512
#: Vectors per list that an `ivf` index is trained on.
TRAINED_ON = 64


def choose_type(wanted: str, strings: int) -> str:
    """Return the type of index that is wanted; where that is `auto`, the one that suits the number of strings.

    Raises:
        ConfigError: There is no such type.
    """
    if wanted == "auto":
        return "flat" if strings <= FLAT_UP_TO else "ivf"
    if wanted not in TYPES:
        raise ConfigError(f"index type must be auto or one of {', '.join(TYPES)}, not {wanted!r}")
    return wanted


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors, the rows of an array, scaled to unit length, as float32; a row of zeros stays one."""
    wide = np.asarray(vectors, np.float32)
    scaled: np.ndarray = wide / np.linalg.norm(wide, axis=1, keepdims=True).clip(1e-12)
    return scaled


def build(blocks: Sequence[np.ndarray], kind: str, threads: int) -> faiss.Index:
    """Build an index over the rows of all blocks in order, for inner products of unit vectors.

    Memory: 4 bytes per component for `flat`; 2 for `ivf` and `hnsw`, which also keep lists or links.

    Args:
        blocks: Vectors, each float16 of shape (strings of the block, width), memory-mapped.
        kind: One of `TYPES`.
        threads: For training and adding.
    """
    # The links of an hnsw graph depend on the order in which threads add vectors.
    faiss.omp_set_num_threads(1 if kind == "hnsw" else threads)
    count, width = sum(map(len, blocks)), blocks[0].shape[1]
    lists = max(1, min(int(4 * math.sqrt(count)), count // 39))
    recipe = {"flat": "Flat", "ivf": f"IVF{lists},SQfp16", "hnsw": "HNSW32_SQfp16"}[kind]
    index = faiss.index_factory(width, recipe, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(_sample(blocks, min(count, lists * TRAINED_ON)))
    for batch in _batches(blocks):
        index.add(unit(batch))
    return index


def _batches(blocks: Sequence[np.ndarray], rows: int = 65_536) -> Iterator[np.ndarray]:
    for block in blocks:
        for start in range(0, len(block), rows):
            yield block[start : start + rows]


def _sample(blocks: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return unit vectors of rows at equal distances, so that the same vectors always train the same index."""
    count = sum(map(len, blocks))
    rows = np.linspace(0, count - 1, size).astype(np.int64)
    starts = np.cumsum([0, *map(len, blocks)])
    chosen = [
        block[rows[(rows >= start) & (rows < start + len(block))] - start]
        for block, start in zip(blocks, starts, strict=False)
    ]
    return unit(np.concatenate(chosen))


def write(index: faiss.Index, path: str) -> None:
    """Write an index to a local file, whole or not at all."""
    temporary = f"{path}.{os.getpid()}.tmp"
    faiss.write_index(index, temporary)
    os.replace(temporary, path)


def read(path: Path, kind: str) -> Any:
    """Memory-map an index, so that the processes of a machine share it.

    Args:
        path: Local file.
        kind: One of `TYPES`.

    Raises:
        InputError: It is damaged.
    """
    try:
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP if kind == "ivf" else faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise InputError(f"isn't a readable FAISS index: {reason}; make the index again", path=str(path)) from error
    if kind == "ivf":
        index.nprobe = PROBES
        lists: Any = faiss.downcast_InvertedLists(index.invlists)
        lists.prefetch_nthread = 0  # it would start 32 threads of its own
    if kind == "hnsw":
        index.hnsw.efSearch = EF_SEARCH
    return index


def search(index: faiss.Index, queries: np.ndarray, depth: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each query the rows of its best `depth` vectors; rows are -1 where the index found fewer.

    Args:
        index: As `read` returns it.
        queries: Unit vectors, float32.
        depth: Vectors wanted per query, at most as many as there are.
        threads: For the search.

    Returns:
        Scores (float32) and rows (int64), both of shape (queries, depth), by falling score.
    """
    faiss.omp_set_num_threads(threads)
    # Few queries would otherwise be compared one by one, which is fifteen times slower than a matrix product.
    faiss.cvar.distance_compute_blas_threshold = 1
    score, row = index.search(queries, depth)
    return score, row
