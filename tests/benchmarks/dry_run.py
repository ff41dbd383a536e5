"""What a dry run says that a link job takes, against what it takes, for several kinds of jobs.

    python tests/benchmarks/dry_run.py --home recipes --reranker-model recipes/models/NAME [--documents 20000]
        [--encoded 1600] [--repeat 1] [--jobs ngrams dense unsure all]

HOME is that of reranker_recipes.py, which makes corpora and the dense generator; the model is one that it trained on
NCBI Disease. The corpus is NCBI Disease and BC5CDR (train, dev), replicated with distinct ids. Each job is planned, and
then run, on a Ray of its own; seconds are those without Ray's start. With an encoder, `--encoded` documents are linked:
there are 1,692 different ones, and those that come again are found without it, which no trial can know. The machine
must be idle but for this.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from replicate import replicate
from reranker_recipes import ready

from raybel.config import configured
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.job import link, plan_link
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--reranker-model", required=True)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--encoded", type=int, default=1_600)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--jobs", nargs="+", default=["ngrams", "dense", "unsure", "all"])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    args = parser.parse_args()
    args.home, args.generator = args.home.absolute(), "dense"
    corpus = ready(argparse.Namespace(**vars(args) | {"documents": None}), "ncbi")
    sources = [
        args.home / "corpora" / name / f"{split}.bioc.xml.gz"
        for name in ("ncbi", "bc5cdr")
        for split in ("train", "val")
    ]
    home = Path(tempfile.mkdtemp(prefix="raybel-bench-"))
    try:
        train_ngrams(TrainNgramsConfig(corpus.ontology, str(home / "ngrams"), corpus.file("learn")))
        for name, count in (("many", args.documents), ("few", args.encoded)):
            replicate(sources, home / name, count, args.files)
        dense = {"dense_index": corpus.generator.dense_index}
        tree = dense | {"reranker_model": args.reranker_model}
        known: dict[str, tuple[str, str, dict[str, object]]] = {
            "ngrams": ("n-grams", "many", {"ngrams_model": str(home / "ngrams")}),
            "dense": ("dense", "few", dense),
            "unsure": ("dense, unsure mentions re-ranked", "few", tree),
            "all": ("dense, every mention re-ranked", "few", tree | {"rerank": "all"}),
        }
        jobs = [known[name] for name in args.jobs]
        print("| job | documents | s by the dry run | s | error |\n" + "| --- " * 5 + "|", flush=True)
        for number in range(args.repeat):
            for name, documents, options in jobs:
                run = home / f"run{number}-{jobs.index((name, documents, options))}"
                common = {"in_corpus": (str(home / documents),), "out_corpus": str(run), "ontology": corpus.ontology}
                config = configured(LinkConfig, common | options)
                expected = plan_link(config).seconds
                done = link(config)
                took, of = done.progress.seconds, sum(done.counts["documents"].to_pylist())
                error = f"{100 * (expected / took - 1):+.0f} %"
                print(f"| {name} | {of:,} | {expected:.0f} | {took:.0f} | {error} |", flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
