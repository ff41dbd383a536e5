"""Recall of dense, n-gram and hybrid candidates on NCBI Disease dev and BC5CDR dev, by the default scoring policy.

python tests/benchmarks/dense_accuracy.py [--data ../shared/data] [--model minilm] [--precision bf16] [--corpus ncbi]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
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

COLUMNS = ("Acc@1", "recall@5", "recall@10", "recall@all", "MRR")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--model", default="minilm", help="encoder")
    parser.add_argument("--precision", default=None)
    parser.add_argument("--corpus", nargs="*", default=["ncbi", "bc5cdr"])
    parser.add_argument("--only-dense", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare_models(args.data, home)
        print("| corpus | training aliases | generator | mentions | R@1 | R@5 | R@10 | R@50 | MRR |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for corpus in args.corpus:
            ontology = Ontology.open(str(home / corpus / "ontology.arrow"))
            train, val = (str(home / corpus / f"{split}.bioc.xml.gz") for split in ("train", "val"))
            mentions, _ = read_splits({"val": (val,)}, ontology, MentionOptions())["val"]
            for aliases in (False, True):
                used = (train,) if aliases else ()
                where = home / f"{corpus}-{aliases}"
                parameters = NgramParameters(add_training_data_to_ontology=aliases)
                train_ngrams(TrainNgramsConfig(ontology.path, f"{where}-n", (train,), (), parameters))
                index_dense(
                    IndexDenseConfig(
                        ontology.path, f"{where}-d", args.model, train_corpus=used, precision=args.precision
                    )
                )
                paths = {
                    "n-grams": GeneratorPaths(f"{where}-n"),
                    "dense": GeneratorPaths(dense_index=f"{where}-d"),
                    "hybrid": GeneratorPaths(f"{where}-n", f"{where}-d"),
                }
                for name, each in paths.items():
                    if args.only_dense and name != "dense":
                        continue
                    scores = recall(open_generator(ontology, each, threads=2), mentions, 50)
                    cells = [f"{100 * (scores[column] or 0):.1f}" for column in COLUMNS]
                    marks = [f"{corpus} dev", "with" if aliases else "without", name, str(len(mentions))]
                    print("|", " | ".join([*marks, *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
