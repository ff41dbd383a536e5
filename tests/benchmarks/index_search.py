"""FAISS indexes over aliases: surfaces/s on one core, memory, and candidates shared with the exact search.

python tests/benchmarks/index_search.py --index DIR [--queries 2048]   (DIR: of `raybel index dense`)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from raybel.candidates import faiss_index
from raybel.candidates.dense import DenseGenerator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", required=True)
    parser.add_argument("--queries", type=int, default=2_048)
    parser.add_argument("--types", nargs="*", default=["flat", "ivf"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[75_000, 220_000, 0], help="0 for all strings")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args)
        return
    print("| strings | index | surfaces/s/core | recall of the exact ten | MB on disk | resident MB | built in s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    whole = DenseGenerator.load(args.index)
    order = np.random.default_rng(0).permutation(len(whole.aliases))
    for size in args.sizes:
        if size > len(order):
            continue
        chosen = whole.vectors(np.sort(order[: size or None]))
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/queries.npy", noisy(chosen[: args.queries]))
            for kind in args.types:
                begun = time.perf_counter()
                faiss_index.write(faiss_index.build([chosen], kind, 2), f"{folder}/{kind}")
                built = time.perf_counter() - begun
                command = [sys.executable, __file__, "--index", args.index, "--one", folder, kind, str(built)]
                subprocess.run(command, check=True)


def noisy(vectors: np.ndarray) -> np.ndarray:
    """Queries near names, as mentions are."""
    noise = np.random.default_rng(1).normal(size=vectors.shape) * 0.02
    return faiss_index.unit(vectors.astype(np.float32) + noise.astype(np.float32))


def measure(args: argparse.Namespace) -> None:
    folder, kind, built = Path(args.one[0]), args.one[1], float(args.one[2])
    queries = np.load(folder / "queries.npy")
    index = faiss_index.read(folder / kind, kind)
    faiss_index.search(index, queries[:64], 80, 1)
    begun = time.perf_counter()
    _, row = faiss_index.search(index, queries, 80, 1)
    seconds = time.perf_counter() - begun
    process = psutil.Process().memory_info()
    if kind == "flat":
        np.save(folder / "exact.npy", row[:, :10])
    exact = np.load(folder / "exact.npy")
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(row[:, :10].tolist(), exact.tolist(), strict=True)])
    cells = [
        f"{index.ntotal:,}",
        kind,
        f"{len(queries) / seconds:,.0f}",
        f"{100 * shared:.1f} %",
        f"{(folder / kind).stat().st_size / 1e6:,.0f}",
        f"{process.rss / 1e6:,.0f}",
        f"{built:.0f}",
    ]
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
