"""A release of UMLS' true size: preparing it, n-grams on it, memory of two actors, exact search and `search: fast`.

    python tests/benchmarks/umls_size.py [--share 1.0] [--surfaces 500] [--data ../shared/data] [--home DIR]

8.7 million rows of MRCONSO and 3.4 million concepts: those of MEDIC and MeSH, and others with names recombined from
theirs. The surfaces are the mentions of both dev corpora, recall is against their gold concepts. Each step runs in a
process of its own, the search on one thread. Takes 20 minutes, 7 GB of disk and 8 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def make(home: Path, data: Path, share: float) -> None:
    """Write the release, and the gold of both dev corpora in its ids."""
    import umls_release
    from replicate import prepare_models

    from raybel.corpus.documents import ReadOptions
    from raybel.corpus.reading import SetAside, read_rows
    from raybel.ontology import Ontology

    prepare_models(data, home)
    ontologies = [Ontology.open(str(home / name / "ontology.arrow")) for name in ("ncbi", "bc5cdr")]
    numbers, names = umls_release.real(ontologies)
    made = umls_release.write(home / "META", names, share)
    uris = [str(home / name / "val.bioc.xml.gz") for name in ("ncbi", "bc5cdr")]
    mentions = [
        (each["surface"], [umls_release.cui(numbers[gold]) for gold in each["gold"] if gold in numbers])
        for row in read_rows(uris, ReadOptions(), SetAside())
        for each in row.mentions
    ]
    (home / "mentions.json").write_text(json.dumps([each for each in mentions if each[1]]))
    size = sum(path.stat().st_size for path in (home / "META").iterdir())
    print(f"release: {made}, {size / 1e9:.2f} GB", flush=True)


def prepare(home: Path) -> None:
    from raybel.prepare.umls import UmlsConfig, prepare_umls

    begun = time.perf_counter()
    summary = prepare_umls(UmlsConfig(str(home / "META"), str(home / "umls.arrow")))
    _print_size("prepare umls", begun, home / "umls.arrow", summary.ontology["concepts"])
    print(f"  {summary.ontology}", flush=True)


def train(home: Path, plain: bool = False) -> None:
    """Make the n-gram model; a plain one has no bounds and the blocks of a small ontology."""
    from raybel.candidates import pruning
    from raybel.candidates.ngrams import NgramGenerator
    from raybel.candidates.parameters import NgramParameters
    from raybel.ontology import Ontology

    pruning.PRUNE_FROM = 1 << 40 if plain else 0
    where = home / ("plain" if plain else "ngrams")
    begun = time.perf_counter()
    ontology = Ontology.open(str(home / "umls.arrow"))
    generator = NgramGenerator.build(ontology, NgramParameters(add_training_data_to_ontology=False))
    generator.save(str(where))
    _print_size("n-gram model without bounds" if plain else "n-gram model", begun, where, len(generator.aliases))


def _print_size(what: str, begun: float, path: Path, count: int) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    files = list(path.iterdir()) if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    print(
        f"{what}: {time.perf_counter() - begun:.0f} s, at most {peak:.2f} GB resident "
        f"({peak * 2**30 / count:.0f} bytes for each of {count:,}), {size / 2**30:.2f} GB on disk",
        flush=True,
    )


def actors(home: Path) -> None:
    """Two processes that load and search at the same time: what they share."""
    inside = [sys.executable, __file__, "--inside", "actor", str(home)]
    both = [subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for actor in both:
        print("  " + actor.stdout.readline().strip(), flush=True)
    for actor in both:
        actor.stdin.write("now\n")
        actor.stdin.flush()
        print("  " + actor.stdout.readline().strip(), flush=True)
    for actor in both:
        actor.communicate("end\n")


def actor(home: Path) -> None:
    from raybel.candidates.ngrams import NgramGenerator

    begun = time.perf_counter()
    generator = NgramGenerator.load(str(home / "ngrams"))
    loaded = time.perf_counter() - begun
    generator.search(wanted(home, 50)[0], 10)
    print(f"loaded in {loaded:.1f} s, first 50 surfaces after {time.perf_counter() - begun:.1f} s", flush=True)
    sys.stdin.readline()
    rows = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    held = {name: int(rows[name].split()[0]) / 2**20 for name in ("Rss", "Pss", "Private_Dirty")}
    print(", ".join(f"{name} {size:.2f} GB" for name, size in held.items()), flush=True)
    sys.stdin.readline()


def wanted(home: Path, count: int) -> tuple[list[str], list[list[str]]]:
    """Return some distinct surfaces and their gold."""
    gold = dict(json.loads((home / "mentions.json").read_text()))
    some = random.Random(1).sample(sorted(gold), min(count, len(gold)))
    return some, [gold[each] for each in some]


def search(home: Path, count: int) -> None:
    import numpy as np

    from raybel.candidates.ngrams import NgramGenerator
    from raybel.ontology import Ontology

    surfaces, gold = wanted(home, count)
    ids = np.array(Ontology.open(str(home / "umls.arrow")).table["concept_id"].to_pylist())
    results = {}
    ways = (("every alias, in blocks", "plain", "exact"), ("by bounds", "ngrams", "exact"), ("fast", "ngrams", "fast"))
    for name, model, how in ways:
        if not (home / model).exists():
            print(f"{name}: left out, since the step that makes {model} was", flush=True)
            continue
        generator = NgramGenerator.load(str(home / model))
        generator.vectorizer.parameters = generator.vectorizer.parameters.changed({"search": how})
        generator.search(surfaces[:20], 10)
        begun, spent = time.perf_counter(), time.process_time()
        found = generator.search(surfaces, 10)
        seconds, spent = time.perf_counter() - begun, time.process_time() - spent
        hits = [bool(set(ids[one["concept"]]) & set(right)) for one, right in zip(found, gold, strict=True)]
        first = [bool({*ids[one["concept"][:1]]} & set(right)) for one, right in zip(found, gold, strict=True)]
        if how == "exact":
            results[name] = np.concatenate(found).tobytes()  # of equal alias tables
        print(
            f"{name}: {1000 * seconds / len(surfaces):.2f} ms a surface ({1000 * spent / len(surfaces):.2f} of CPU), "
            f"Acc@1 {100 * np.mean(first):.1f}, recall@10 {100 * np.mean(hits):.1f} of {len(gold)} distinct surfaces",
            flush=True,
        )
    print(f"exact ways the same to the bit: {len(set(results.values())) == 1}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--share", type=float, default=1.0, help="Of the true size.")
    parser.add_argument("--surfaces", type=int, default=500)
    parser.add_argument("--home", type=Path, help="Keep everything here; steps whose files are there are left out.")
    parser.add_argument("--steps", nargs="*", default=["make", "prepare", "train", "plain", "actors", "search"])
    parser.add_argument("--inside", nargs=2, metavar=("STEP", "HOME"))
    args = parser.parse_args()
    if args.inside:
        step, home = args.inside[0], Path(args.inside[1])
        extra = {"make": (args.data, args.share), "search": (args.surfaces,)}.get(step, ())
        steps = {"make": make, "prepare": prepare, "train": train, "actors": actors, "actor": actor, "search": search}
        steps["plain"] = lambda home: train(home, plain=True)
        steps[step](home, *extra)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        for step in args.steps:
            options = ["--data", str(args.data), "--share", str(args.share), "--surfaces", str(args.surfaces)]
            subprocess.run([sys.executable, __file__, *options, "--inside", step, str(home)], check=True)


if __name__ == "__main__":
    main()
