"""The dictionary detector: strict spans found on the dev sets by type, documents/s, and both at UMLS' size.

    python tests/benchmarks/detection_dictionary.py [--data ../shared/data] [--share 1.0] [--home DIR]
        [--steps accuracy make build speed]

Accuracy: NCBI Disease against MEDIC, BC5CDR against MeSH, with and without their training corpora; a mention is right
if its span is, and of a type if that is too. Without a training corpus only the span counts, since neither ontology has
such types.

Size: 3.4 million concepts with 7.4 million names, those of MEDIC and MeSH and others recombined from theirs. The speed
is measured on the abstracts of both corpora, each once, after a hundred of them, on one thread, by CPU time. Each step
runs in a process of its own. Takes 10 minutes, 3 GB of disk and 8 GB of memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

WARM_UP = 100


def documents_of(home: Path, corpus: str, split: str):
    from raybel.config import MentionOptions
    from raybel.detection.annotated import read_corpus

    return read_corpus([str(home / corpus / f"{split}.bioc.xml.gz")], MentionOptions())[0]


def precision_recall_f1(found: set, gold: set) -> str:
    right = len(found & gold)
    precision, recall = right / max(len(found), 1), right / max(len(gold), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"{100 * precision:.1f} | {100 * recall:.1f} | {100 * f1:.1f}"


def accuracy(home: Path, data: Path) -> None:
    from replicate import prepare_models

    from raybel.detection.dictionary import Dictionary
    from raybel.ontology import Ontology

    prepare_models(data, home)
    print("| corpus | training | names | type | mentions | P | R | F1 | documents/s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for corpus in ("ncbi", "bc5cdr"):
        ontology = Ontology.open(str(home / corpus / "ontology.arrow"))
        dev = documents_of(home, corpus, "val")
        gold = {(n, m.passage, m.start, m.end, m.type) for n, each in enumerate(dev) for m in each.mentions}
        for training in (False, True):
            train = documents_of(home, corpus, "train") if training else []
            dictionary = Dictionary.build(ontology, train)
            texts = [each.passages for each in dev]
            dictionary.detect(texts[:WARM_UP])
            begun = time.process_time()
            detected = dictionary.detect(texts)
            speed = len(texts) / (time.process_time() - begun)
            found = {
                (n, p, each.start, each.end, each.type)
                for n, passages in enumerate(detected)
                for p, some in enumerate(passages)
                for each in some
            }
            head = f"| {corpus} dev | {'with' if training else 'without'} | {len(dictionary.table):,} |"
            spans = precision_recall_f1({each[:4] for each in found}, {each[:4] for each in gold})
            print(head, f"any | {len(gold):,} | {spans} | {speed:,.0f} |", flush=True)
            if not training:
                continue
            print(head, f"all right | {len(gold):,} | {precision_recall_f1(found, gold)} | |")
            for kind in sorted({each[4] for each in gold}):
                of_kind = {each for each in gold if each[4] == kind}
                row = precision_recall_f1({each for each in found if each[4] == kind}, of_kind)
                print(head, f"{kind} | {len(of_kind):,} | {row} | |")


def make(home: Path, share: float) -> None:
    """Write an ontology of UMLS' size."""
    import umls_release

    from raybel.ontology import Concept, Ontology

    ontologies = [Ontology.open(str(home / name / "ontology.arrow")) for name in ("ncbi", "bc5cdr")]
    names = umls_release.real(ontologies)[1]
    concepts = max(int(umls_release.CONCEPTS * share), len(names))
    every = umls_release.names_of_concepts(names, concepts, int(umls_release.ROWS * share * 0.85))
    made = Ontology.from_concepts(
        Concept(umls_release.cui(number), (some or [""])[0], some[1:]) for number, some in enumerate(every)
    )
    made.save(str(home / "large.arrow"))


def build(home: Path) -> None:
    from raybel.detection.dictionary import Dictionary
    from raybel.ontology import Ontology

    begun = time.perf_counter()
    dictionary = Dictionary.build(Ontology.open(str(home / "large.arrow")))
    dictionary.save(str(home / "large"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = sum(file.stat().st_size for file in (home / "large").iterdir()) / 2**30
    print(
        f"made of {len(dictionary.table):,} names, {len(dictionary.table.keys):,} beginnings of names: "
        f"{time.perf_counter() - begun:.0f} s, at most {peak:.2f} GB resident, {size:.2f} GB on disk",
        flush=True,
    )


def speed(home: Path) -> None:
    from raybel.detection.dictionary import Dictionary

    documents = [
        each.passages
        for split in ("val", "train")
        for name in ("ncbi", "bc5cdr")
        for each in documents_of(home, name, split)
    ]
    dictionary = Dictionary.load(str(home / "large"))
    dictionary.detect(documents[:WARM_UP])
    wall, begun = time.perf_counter(), time.process_time()
    found = dictionary.detect(documents[WARM_UP:])
    seconds, wall = time.process_time() - begun, time.perf_counter() - wall
    rows = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    held = {name: int(rows[name].split()[0]) / 2**20 for name in ("Rss", "Private_Dirty")}
    count = sum(len(some) for passages in found for some in passages)
    print(
        f"{len(found):,} documents: {len(found) / seconds:,.0f} documents/s/core by CPU time "
        f"({len(found) / wall:,.0f} by the clock), {count / len(found):.1f} mentions a document; "
        + ", ".join(f"{name} {size:.2f} GB" for name, size in held.items()),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--share", type=float, default=1.0, help="Of UMLS' size.")
    parser.add_argument("--home", type=Path, help="Keep everything here.")
    parser.add_argument("--steps", nargs="*", default=["accuracy", "make", "build", "speed"])
    parser.add_argument("--inside", nargs=2, metavar=("STEP", "HOME"))
    args = parser.parse_args()
    if args.inside:
        step, home = args.inside[0], Path(args.inside[1])
        extra = {"accuracy": (args.data,), "make": (args.share,)}.get(step, ())
        {"accuracy": accuracy, "make": make, "build": build, "speed": speed}[step](home, *extra)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        for step in args.steps:
            options = ["--data", str(args.data), "--share", str(args.share)]
            subprocess.run([sys.executable, __file__, *options, "--inside", step, str(home)], check=True)


if __name__ == "__main__":
    main()
