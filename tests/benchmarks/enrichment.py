"""Recall with and without MONDO's names, on NCBI Disease dev (MEDIC) and BC5CDR dev (MeSH), by the default policy.

    python tests/benchmarks/enrichment.py [--data ../shared/data] [--generators ngrams dense hybrid]
        [--corpus ncbi bc5cdr] [--model minilm] [--precision bf16]

The names are taken over through MONDO's own exact mappings. BC5CDR's diseases and chemicals are scored apart too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from replicate import prepare_models

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import read_splits, recall
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.prepare.enrich import TAKEN, EnrichConfig, enrich_ontology
from raybel.prepare.obo import OboConfig, prepare_obo

COLUMNS = ("Acc@1", "recall@5", "recall@10")
GENERATORS = ("ngrams", "dense", "hybrid")
#: The mention types that are scored apart; () for all.
TYPES = {"ncbi": ((),), "bc5cdr": ((), ("Disease",), ("Chemical",))}


def enriched(data: Path, home: Path, corpus: str) -> str:
    """Take MONDO's names over into a corpus's ontology; return the path of the result."""
    mondo = home / "mondo.arrow"
    if not mondo.exists():
        prepare_obo(OboConfig(str(data / "mondo" / "mondo.obo.gz"), str(mondo)))
    mappings = tuple(str(data / "mondo" / f"mondo_exactmatch_{name}.sssom.tsv.gz") for name in ("mesh", "omim"))
    path = str(home / corpus / "enriched.arrow")
    summary = enrich_ontology(EnrichConfig(str(home / corpus / "ontology.arrow"), (str(mondo),), mappings, path))
    print(
        f"{corpus}: {summary.names[TAKEN]:,} names for {summary.grown:,} of {summary.concepts:,} concepts", flush=True
    )
    return path


def generators(args: argparse.Namespace, ontology: str, train: str, where: str, aliases: bool) -> Iterator[tuple]:
    """Make the generators that are asked for, and yield each one's name and paths."""
    wanted = set(args.generators)
    if wanted & {"ngrams", "hybrid"}:
        parameters = NgramParameters(add_training_data_to_ontology=aliases)
        train_ngrams(TrainNgramsConfig(ontology, f"{where}-n", (train,), (), parameters))
    if wanted & {"dense", "hybrid"}:
        used = (train,) if aliases else ()
        index_dense(IndexDenseConfig(ontology, f"{where}-d", args.model, train_corpus=used, precision=args.precision))
    paths = {
        "ngrams": lambda: GeneratorPaths(f"{where}-n"),
        "dense": lambda: GeneratorPaths(dense_index=f"{where}-d"),
        "hybrid": lambda: GeneratorPaths(f"{where}-n", f"{where}-d"),
    }
    for name in GENERATORS:
        if name in wanted:
            yield name, paths[name]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--generators", nargs="*", choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument("--corpus", nargs="*", choices=list(TYPES), default=list(TYPES))
    parser.add_argument("--model", default="minilm", help="encoder")
    parser.add_argument("--precision", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare_models(args.data, home)
        plus = {corpus: enriched(args.data, home, corpus) for corpus in args.corpus}
        print("| corpus | training aliases | generator | names | types | mentions | R@1 | R@5 | R@10 |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for corpus in args.corpus:
            train, val = (str(home / corpus / f"{split}.bioc.xml.gz") for split in ("train", "val"))
            for aliases in (False, True):
                for path in (str(home / corpus / "ontology.arrow"), plus[corpus]):
                    ontology = Ontology.open(path)
                    added = "with MONDO's" if path == plus[corpus] else "own"
                    where = str(home / f"{corpus}-{aliases}-{added[:4]}")
                    splits = {
                        types: read_splits({"val": (val,)}, ontology, replace(MentionOptions(), mention_types=types))
                        for types in TYPES[corpus]
                    }
                    for name, paths in generators(args, path, train, where, aliases):
                        generator = open_generator(ontology, paths, threads=2)
                        for types, split in splits.items():
                            mentions, _ = split["val"]
                            scores = recall(generator, mentions, 10)
                            cells = [f"{100 * (scores[column] or 0):.1f}" for column in COLUMNS]
                            kind = ", ".join(types) or "all"
                            marks = [f"{corpus} dev", "with" if aliases else "without", name, added, kind]
                            print("|", " | ".join([*marks, str(len(mentions)), *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
