"""Exact n-gram search at 1 million aliases: blocks, whole, by bounds; surfaces/s/core and resident memory.

    python tests/benchmarks/ngrams_search.py [--aliases 1000000] [--surfaces 1000] [--data ../shared/data]

The aliases are recombined from the words of real ones (MEDIC and MeSH), the surfaces are real (NCBI Disease and BC5CDR
dev). Each variant runs in a process of its own, on one thread; results must be equal to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

#: Layouts of a model, and their block sizes; None is the generator's own.
LAYOUTS = {"blocks": 65_536, "whole": 1 << 30, "bounds": None}


def recombined(names: list[str], count: int) -> list[str]:
    """Return `count` distinct names whose halves come from different real ones."""
    draw = random.Random(7)
    words = [name.split() for name in names]
    found = dict.fromkeys(names[:count])
    while len(found) < count:
        first, second = draw.choice(words), draw.choice(words)
        found[" ".join(first[: max(1, len(first) // 2)] + second[len(second) // 2 :])] = None
    return list(found)


def measure(home: Path, aliases: int, surfaces: int, name: str) -> None:
    """Build with this layout, save, load memory-mapped, search; print one line."""
    import numpy as np
    import psutil

    from raybel.candidates import pruning
    from raybel.candidates.ngrams import NgramGenerator
    from raybel.candidates.parameters import NgramParameters
    from raybel.corpus.documents import ReadOptions
    from raybel.corpus.reading import SetAside, read_rows
    from raybel.ontology import Concept, Ontology

    names = Ontology.open(str(home / "ncbi/ontology.arrow")).names()[1]
    names += Ontology.open(str(home / "bc5cdr/ontology.arrow")).names()[1]
    every = recombined(names, aliases)
    ontology = Ontology.from_concepts(Concept(f"C{i}", every[i], every[i + 1 : i + 4]) for i in range(0, len(every), 4))
    model = home / name
    pruning.PRUNE_FROM = 0 if name == "bounds" else 1 << 40
    begun = time.perf_counter()
    NgramGenerator.build(ontology, NgramParameters(), block=LAYOUTS[name]).save(str(model))
    built = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in model.iterdir())
    generator = NgramGenerator.load(str(model))
    uris = [str(home / name / "val.bioc.xml.gz") for name in ("ncbi", "bc5cdr")]
    wanted = sorted({m["surface"] for row in read_rows(uris, ReadOptions(), SetAside()) for m in row.mentions})
    wanted = random.Random(1).sample(wanted, min(surfaces, len(wanted)))
    generator.search(wanted[:20], 10)
    begun = time.perf_counter()
    found = generator.search(wanted, 10)
    seconds = time.perf_counter() - begun
    digest = hashlib.sha256(np.concatenate(found).tobytes()).hexdigest()[:12]
    resident = psutil.Process().memory_info().rss / 2**20
    print(
        f"{name}: {len(generator.aliases):,} strings, {len(wanted) / seconds:.0f} surfaces/s, "
        f"model {size / 2**20:.0f} MB on disk ({size / len(every):.0f} bytes/alias), built in {built:.0f} s, "
        f"resident {resident:.0f} MB with the build; result {digest}",
        flush=True,
    )


def loaded(home: Path, name: str) -> None:
    """Load and search in a process that built nothing, and print its memory."""
    import psutil

    from raybel.candidates.ngrams import NgramGenerator

    generator = NgramGenerator.load(str(home / name))
    generator.search(["breast cancer", "heart disease"] * 50, 10)
    memory = psutil.Process().memory_full_info()
    shared = (memory.rss - memory.uss) / 2**20
    print(f"{name}: a process that searches has {memory.rss / 2**20:.0f} MB resident, {shared:.0f} shared")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--aliases", type=int, default=1_000_000)
    parser.add_argument("--surfaces", type=int, default=1_000)
    parser.add_argument("--inside", nargs=3, metavar=("WHAT", "HOME", "LAYOUT"))
    args = parser.parse_args()
    if args.inside:
        what, home, name = args.inside
        if what == "one":
            measure(Path(home), args.aliases, args.surfaces, name)
        else:
            loaded(Path(home), name)
        return
    from replicate import prepare_models

    with tempfile.TemporaryDirectory() as folder:
        prepare_models(args.data, Path(folder))
        for name in LAYOUTS:
            for what in ("one", "loaded"):
                inside = ["--inside", what, folder, name]
                counts = ["--aliases", str(args.aliases), "--surfaces", str(args.surfaces)]
                subprocess.run([sys.executable, __file__, *counts, *inside], check=True)


if __name__ == "__main__":
    main()
