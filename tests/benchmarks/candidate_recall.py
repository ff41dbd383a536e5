"""Recall of every generator on the dev sets, with and without training aliases and MONDO's names.

    python tests/benchmarks/candidate_recall.py [--data ../shared/data] [--corpus ncbi bc5cdr biored]
        [--generators ngrams dense hybrid] [--model minilm] [--precision bf16]
        [--swap]

NCBI Disease against MEDIC, BC5CDR and BioRED (diseases and chemicals) against MeSH 2015, by the default policy; types
of mentions are scored apart too. MONDO's names are taken over through its own exact mappings to MeSH and OMIM.

With `--swap` the training aliases are the dev set's, and the train set is scored: a second sample of the same corpus.
Each string is embedded once: the first index of an ontology, with MONDO's names, gives its vectors to the others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from replicate import prepare_models

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import read_splits, recall
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions
from raybel.corpus.text import surface
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.prepare.biored import BioredConfig, prepare_biored
from raybel.prepare.enrich import TAKEN, EnrichConfig, enrich_ontology
from raybel.prepare.obo import OboConfig, prepare_obo
from raybel.prepare.outputs import Outputs

TOP_K = 50
COLUMNS = ("Acc@1", "recall@5", "recall@10", "recall@all")
GENERATORS = ("ngrams", "dense", "hybrid")
#: A corpus's ontology is that of which corpus's directory.
ONTOLOGIES = {"ncbi": "ncbi", "bc5cdr": "bc5cdr", "biored": "bc5cdr"}
#: The mention types that are scored apart, beside all.
TYPES = {
    "ncbi": (),
    "bc5cdr": ("Disease", "Chemical"),
    "biored": ("Disease", "Chemical"),
}


@dataclass(frozen=True)
class Vectors:
    """An ontology of own names, and with MONDO's; the vectors of the latter's names."""

    own: str
    plus: str
    home: Path
    model: str
    precision: str | None

    def of(self, ontology: str) -> str:
        """Return the path of one vector for each name of either ontology."""
        path = f"{Path(ontology).with_suffix('')}.npy"
        if ontology == self.own and not Path(path).exists():
            vectors = np.load(self._of_plus, mmap_mode="r")
            rows = {surface(name): row for row, name in enumerate(Ontology.open(self.plus).names()[1])}
            np.save(path, vectors[[rows[surface(name)] for name in Ontology.open(ontology).names()[1]]])
        return path if ontology == self.own else self._of_plus

    @cached_property
    def _of_plus(self) -> str:
        path, index = f"{Path(self.plus).with_suffix('')}.npy", f"{Path(self.plus).with_suffix('')}-index"
        index_dense(IndexDenseConfig(self.plus, index, self.model, precision=self.precision, out_vectors=path))
        return path


def enriched(data: Path, home: Path, ontology: str) -> str:
    """Take MONDO's names over into an ontology; return the path of the result."""
    mondo = home / "mondo.arrow"
    if not mondo.exists():
        prepare_obo(OboConfig(str(data / "mondo" / "mondo.obo.gz"), str(mondo)))
    mappings = tuple(str(data / "mondo" / f"mondo_exactmatch_{name}.sssom.tsv.gz") for name in ("mesh", "omim"))
    path = ontology.replace(".arrow", "-plus.arrow")
    summary = enrich_ontology(EnrichConfig(ontology, (str(mondo),), mappings, path))
    counts = f"{summary.names[TAKEN]:,} names for {summary.grown:,} of {summary.concepts:,} concepts"
    print(f"{Path(ontology).parent.name}: {counts}", flush=True)
    return path


def make_generators(args: argparse.Namespace, ontology: str, train: str, home: Path, vectors: Vectors, aliases: bool):
    """Make the generators that are asked for, and yield each one's name and paths."""
    wanted = set(args.generators)
    home.mkdir()
    ngrams, dense = str(home / "n"), str(home / "d")
    if wanted & {"ngrams", "hybrid"}:
        parameters = NgramParameters(add_training_data_to_ontology=aliases)
        train_ngrams(TrainNgramsConfig(ontology, ngrams, (train,), (), parameters))
    if wanted & {"dense", "hybrid"}:
        used, given = (train,) if aliases else (), vectors.of(ontology)
        index_dense(
            IndexDenseConfig(ontology, dense, args.model, train_corpus=used, precision=args.precision, vectors=given)
        )
    paths = {
        "ngrams": GeneratorPaths(ngrams),
        "dense": GeneratorPaths(dense_index=dense),
        "hybrid": GeneratorPaths(ngrams, dense),
    }
    yield from ((name, paths[name]) for name in GENERATORS if name in wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--generators", nargs="*", choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument("--corpus", nargs="*", choices=list(TYPES), default=list(TYPES))
    parser.add_argument("--model", default="minilm", help="encoder")
    parser.add_argument("--precision", default=None)
    parser.add_argument("--swap", action="store_true", help="aliases from dev, scored on train")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare_models(args.data, home)
        if "biored" in args.corpus:
            outputs = Outputs.in_directory(str(home / "biored"))
            prepare_biored(BioredConfig(str(args.data / "biored"), str(args.data / "mesh2015"), outputs=outputs))
        vectors: dict[str, Vectors] = {}
        print("| corpus | types | training aliases | names | generator | mentions | R@1 | R@5 | R@10 | R@50 |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for corpus in args.corpus:
            own = str(home / ONTOLOGIES[corpus] / "ontology.arrow")
            if own not in vectors:
                vectors[own] = Vectors(own, enriched(args.data, home, own), home, args.model, args.precision)
            splits = ("val", "train") if args.swap else ("train", "val")
            train, val = (str(home / corpus / f"{split}.bioc.xml.gz") for split in splits)
            for aliases in (False, True):
                for path in (own, vectors[own].plus):
                    added = "own" if path == own else "with MONDO's"
                    where = home / f"{corpus}-{aliases}-{added[:4]}"
                    ontology = Ontology.open(path)
                    for name, paths in make_generators(args, path, train, where, vectors[own], aliases):
                        generator = open_generator(ontology, paths, threads=2)
                        for types in ((), *((each,) for each in TYPES[corpus])):
                            options = replace(MentionOptions(), mention_types=types)
                            mentions = read_splits({"val": (val,)}, ontology, options)["val"].mentions
                            scores = recall(generator, mentions, TOP_K)
                            marks = [
                                f"{corpus} {'train' if args.swap else 'dev'}",
                                ", ".join(types) or "all",
                                "with" if aliases else "without",
                                added,
                                name,
                            ]
                            cells = [str(len(mentions)), *(f"{100 * (scores[each] or 0):.1f}" for each in COLUMNS)]
                            print("|", " | ".join([*marks, *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
