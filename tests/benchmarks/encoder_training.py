"""Training of MiniLM on NCBI Disease: recall on dev before and after, without and with training aliases.

python tests/benchmarks/encoder_training.py [--data ../shared/data] [--corpus ncbi] [--params FILE] [--keep DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from replicate import prepare_models

from raybel.candidates.training.parameters import AlignmentParameters
from raybel.files.mappings import read_mapping
from raybel.jobs.train.config import TrainSapbertConfig
from raybel.jobs.train.sapbert import train_sapbert

COLUMNS = ("Acc@1", "recall@5", "recall@10", "recall@all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--corpus", default="ncbi")
    parser.add_argument("--params", help="hyper-parameters under the key `sapbert`")
    parser.add_argument("--keep", type=Path, help="keep the encoder here")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    values = read_mapping(args.params)["sapbert"] if args.params else {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare_models(args.data, home)
        train, val = (str(home / args.corpus / f"{split}.bioc.xml.gz") for split in ("train", "val"))
        done = train_sapbert(
            TrainSapbertConfig(
                str(home / args.corpus / "ontology.arrow"),
                str(args.keep or home / "encoder"),
                "minilm",
                train,
                val,
                parameters=AlignmentParameters().changed(values),
                seed=args.seed,
            ),
            lambda state: print(state, file=sys.stderr),
        )
    print(f"{done.seconds / 60:.0f} minutes, validation after every epoch included\n")
    print("| | training aliases | R@1 | R@5 | R@10 | R@50 |")
    print("| --- | --- | --- | --- | --- | --- |")
    states = [(f"before {each['stage']}, epoch {each['epoch']}", each["before"]) for each in done.epochs]
    for name, scores in [*states, ("result", done.scores)]:
        for table, each in (scores or {}).items():
            cells = [f"{100 * (each[column] or 0):.1f}" for column in COLUMNS]
            print("|", " | ".join([name, table.split("_")[0], *cells]), "|")


if __name__ == "__main__":
    main()
