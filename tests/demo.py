"""`make demo`: the pipeline on a small hand-made corpus, as one would type it, and what each stage adds.

All commands run in this process, on one Ray. Each is printed before it runs; they work in a shell too, in this order
and from the same directory.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from command_blocks import commands, raybel, words

from raybel.cli import tables
from raybel.cli.evaluate import cell
from raybel.evaluation.evaluate import EvaluateConfig, Evaluation, evaluate
from raybel.jobs import runtime

ROOT = Path(__file__).parent.parent
COMMANDS = r"""
raybel prepare ncbi-disease --ncbidisease-dir ../../tests/fixtures/demo \
    --ctd-medic-diseases ../../tests/fixtures/demo/CTD_diseases.tsv --out-dir data
raybel train ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \
    --ontology data/ontology.arrow --output-dir models/ngrams
raybel index dense --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \
    --ontology data/ontology.arrow --model-name minilm --out-index models/dense
raybel train crossencoder --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \
    --ontology data/ontology.arrow --ngrams-model models/ngrams --dense-index models/dense \
    --model-name minilm --max-epochs 1 --output-dir models/tree
raybel link --in-corpus data/test.bioc.xml.gz --ontology data/ontology.arrow \
    --ngrams-model models/ngrams --actors 1 --out-corpus runs/ngrams
raybel link --in-corpus data/test.bioc.xml.gz --ontology data/ontology.arrow \
    --dense-index models/dense --actors 1 --out-corpus runs/dense
raybel link --in-corpus data/test.bioc.xml.gz --ontology data/ontology.arrow \
    --ngrams-model models/ngrams --dense-index models/dense --actors 1 --out-corpus runs/hybrid
raybel link --in-corpus data/test.bioc.xml.gz --ontology data/ontology.arrow \
    --ngrams-model models/ngrams --dense-index models/dense --reranker-model models/tree --top-k 5 \
    --actors 1 --out-corpus runs/reranked
raybel show runs/reranked --documents 2
raybel evaluate runs/reranked --gold-corpus data/test.bioc.xml.gz
"""
#: Run directory -> the stage that it adds.
STAGES = {
    "runs/ngrams": "n-grams",
    "runs/dense": "dense",
    "runs/hybrid": "hybrid (both)",
    "runs/reranked": "hybrid + re-ranker",
}
SCORES = ("Acc@1", "recall@5")


def show_stages() -> None:
    """Print the scores of each stage on the test split, and what the re-ranker changed."""
    config = {run: EvaluateConfig(("data/test.bioc.xml.gz",), (run,)) for run in STAGES}
    scored = {run: evaluate(own) for run, own in config.items()}
    rows = [[STAGES[run], *scores(result)] for run, result in scored.items()]
    first, second = scored["runs/hybrid"].mentions.to_pylist(), scored["runs/reranked"].mentions.to_pylist()
    pairs = [(one, two) for one, two in zip(first, second, strict=True) if one["counts"]]
    changed = [(one, two) for one, two in pairs if one["predicted"] != two["predicted"]]
    better = sum(two["at_1"] > one["at_1"] for one, two in changed)
    worse = sum(two["at_1"] < one["at_1"] for one, two in changed)
    notes = [
        f"the re-ranker changed the first answer of {len(changed)} of {len(pairs)} mentions: {better} became right, "
        f"{worse} became wrong",
        "in brackets: 95 % intervals over documents",
    ]
    tables.table("What each stage adds: test split, %", ["", *SCORES], rows, notes)


def scores(result: Evaluation) -> list[str]:
    """Return a run's scores over all mentions, with their intervals."""
    groups = {row["metric"]: row for row in result.groups.to_pylist() if row["group_kind"] == "all"}
    return [cell(groups[name]).replace("\n", " ") for name in SCORES]


def run(home: Path) -> None:
    """Run the demo in a directory, which is emptied first."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    os.chdir(home)
    print(f"$ cd {home.relative_to(ROOT)}")
    with runtime.ray_session():
        for command in commands(COMMANDS):
            print(f"\n$ {command}", flush=True)
            raybel(words(command)[1:])
        show_stages()


if __name__ == "__main__":
    run(ROOT / "runs/demo")
    sys.stdout.flush()
    os._exit(0)  # as the command does: Ray's C++ core now and then aborts while the interpreter is torn down
