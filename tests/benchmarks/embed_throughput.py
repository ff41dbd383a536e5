"""Strings embedded per second on one core: our encoder against SentenceTransformer.encode, same model and strings.

python tests/benchmarks/embed_throughput.py [--data ../shared/data] [--strings 6000]
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from raybel.corpus.text import surface
from raybel.encoders.pretrained import resolve
from raybel.encoders.text_encoder import TextEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--strings", type=int, default=6_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts = strings(args.data)[: args.strings]
    theirs = SentenceTransformer(str(resolve("minilm")), device="cpu")
    ours = {name: TextEncoder.load(resolve("minilm"), precision=name) for name in ("fp32", "bf16")}
    runs = {
        "SentenceTransformer, fp32": lambda: theirs.encode(texts, normalize_embeddings=True, show_progress_bar=False),
        **{f"raybel, {name}": (lambda e=each: e.encode(texts)) for name, each in ours.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    vectors = {}
    for _ in range(3):  # in turns, so that what else the machine does hits each
        for name, run in runs.items():
            begun = time.perf_counter()
            vectors[name] = run()
            seconds[name].append(time.perf_counter() - begun)
    first = next(iter(runs))
    print(f"{len(texts):,} distinct names and aliases of MEDIC, one thread, best of three\n")
    print("| | strings/s | ratio | largest 1 - cosine |")
    print("| --- | --- | --- | --- |")
    for name in runs:
        ratio = min(seconds[first]) / min(seconds[name])
        apart = float(np.max(1 - np.einsum("ij,ij->i", vectors[name], vectors[first])))
        print(f"| {name} | {len(texts) / min(seconds[name]):,.0f} | {ratio:.2f} | {max(apart, 0):.1e} |")


def strings(data: Path) -> list[str]:
    """Names and synonyms in the file's order, as the index embeds them."""
    found: dict[str, None] = {}
    with gzip.open(data / "ctd" / "CTD_diseases.tsv.gz", "rt") as file:
        for line in file:
            if not line.startswith("#"):
                cells = line.rstrip("\n").split("\t")
                found.update(dict.fromkeys(surface(name) for name in (cells[0], *cells[7].split("|")) if name))
    every = sorted(found)
    return [every[i] for i in np.random.default_rng(0).permutation(len(every))]


if __name__ == "__main__":
    main()
