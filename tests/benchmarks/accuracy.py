"""Recall of the n-gram generator on NCBI Disease dev and BC5CDR dev, by the default scoring policy.

python tests/benchmarks/accuracy.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from replicate import prepare_models

from raybel.candidates.parameters import NgramParameters
from raybel.config import MentionOptions
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare_models(args.data, home)
        print("| corpus | training aliases | abbreviations | mentions | R@1 | R@5 | R@10 | MRR |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for corpus in ("ncbi", "bc5cdr"):
            for aliases in (False, True):
                for expand in (False, True):
                    trained = train_ngrams(
                        TrainNgramsConfig(
                            str(home / corpus / "ontology.arrow"),
                            str(home / "scored"),
                            (str(home / corpus / "train.bioc.xml.gz"),),
                            (str(home / corpus / "val.bioc.xml.gz"),),
                            NgramParameters(add_training_data_to_ontology=aliases),
                            MentionOptions(expand_abbreviations=expand),
                        )
                    )
                    scores = trained.scores["val"]
                    cells = [f"{100 * (scores[name] or 0):.1f}" for name in ("Acc@1", "recall@5", "recall@10", "MRR")]
                    marks = ["with" if aliases else "without", "expanded" if expand else "as written"]
                    print("|", " | ".join([f"{corpus} dev", *marks, str(trained.mentions["val"]), *cells]), "|")


if __name__ == "__main__":
    main()
