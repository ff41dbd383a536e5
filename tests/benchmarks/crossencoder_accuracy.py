"""Accuracy and training speed of cross-encoders on a development corpus, first stage against re-ranked.

python tests/benchmarks/crossencoder_accuracy.py [--data ../shared/data] [--corpus ncbi] [--generator dense --aliases]
    [--also bc5cdr] [--types tree base] [--recipes raybel published] [--documents 240] [--top-k 5] [--epochs 3]
    [--seeds 0 1]

MiniLM on this machine's CPUs; speeds in CPU-seconds, of both threads. `combined` weighs logit, first-stage score and
rank, with weights fitted on one half of the development documents and applied to the other, both ways, so that no
mention helps to fit its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from crossencoder_data import corpora, prepared

from raybel.encoders.precision import best_precision
from raybel.encoders.pretrained import resolve
from raybel.evaluation.metrics import bootstrap, recall_at
from raybel.rerank import model as models
from raybel.rerank.calibration import fit
from raybel.rerank.examples import Example
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters
from raybel.rerank.tokens import TokenisedExample, Tokens, score_edges
from raybel.rerank.training.features import TrainingMention
from raybel.rerank.training.steps import steps
from raybel.rerank.training.trainer import Trainer
from raybel.rerank.training.validation import ranks_of_gold, validate

COLUMNS = (
    *("type", "recipe", "seed", "epoch", "loss", "first stage", "alone", "combined", "95 %", "shuffled"),
    *("stays first", "train mentions/CPU-s", "tokens/mention", "peak MB"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--corpus", default="ncbi", choices=["ncbi", "bc5cdr"])
    parser.add_argument("--also", nargs="*", default=[], choices=["ncbi", "bc5cdr"], help="learn from these, too")
    parser.add_argument("--generator", default="dense", choices=["ngrams", "dense"])
    parser.add_argument("--aliases", action="store_true", help="training mentions are aliases of the generator")
    parser.add_argument("--types", nargs="*", default=["tree"], choices=CROSSTYPES)
    parser.add_argument("--recipes", nargs="*", default=["raybel"], choices=["raybel", "published"])
    parser.add_argument("--documents", type=int, help="training documents")
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--params", type=json.loads, default={}, help="further hyper-parameters (JSON)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(args.data, Path(folder), args.corpus, args.generator, args.aliases)
        also = [prepared(args.data, Path(folder), each, None) for each in args.also]
        print("|", " | ".join(COLUMNS), "|\n|", " | ".join("---" for _ in COLUMNS), "|", flush=True)
        by_context: dict[tuple[Any, ...], Any] = {}
        for recipe in args.recipes:
            for crosstype in args.types:
                parameters = CrossEncoderParameters() if recipe == "raybel" else CrossEncoderParameters.published()
                parameters = replace(parameters, top_k=args.top_k).changed(args.params).of_type(crosstype)
                if args.epochs:
                    parameters = replace(parameters, max_epochs=args.epochs)
                key = (parameters.context, parameters.dictionary_share)
                if key not in by_context:
                    by_context[key] = data(home, parameters, args.aliases, args.documents, also)
                for seed in args.seeds:
                    run(crosstype, recipe, parameters, seed, *by_context[key])


def data(
    home: Path, parameters: CrossEncoderParameters, aliases: bool, documents: int | None, also: list[Path]
) -> tuple[Any, Any, Any]:
    """Training examples with both sets of candidates, and the development corpus's."""
    dictionary = corpora(home, "train", parameters, "dictionary", documents, also)
    cross_fitted = dictionary
    if aliases and parameters.dictionary_share < 1:
        cross_fitted = corpora(home, "train", parameters, "cross_fitted", documents, also)
    return cross_fitted, dictionary, corpora(home, "val", parameters)


def run(
    crosstype: str,
    recipe: str,
    parameters: CrossEncoderParameters,
    seed: int,
    cross_fitted: list[list[Example]],
    dictionary: list[list[Example]],
    val: list[list[Example]],
) -> None:
    """Train and print a line for each epoch."""
    torch.manual_seed(seed)
    model, tokenizer = models.load(resolve("minilm"), False, parameters.dropout)
    both = [each.candidates["score"] for side in (cross_fitted, dictionary) for some in side for each in some]
    tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, score_edges(np.concatenate(both)))
    mentions = [
        [TrainingMention(*pair) for pair in zip(tokens(one), tokens(other), strict=True)]
        for one, other in zip(cross_fitted, dictionary, strict=True)
    ]
    examples = tokens([each for some in val for each in some])
    documents = np.array([number for number, some in enumerate(val) for _ in some])
    trainer = Trainer(model, crosstype, tokens, parameters, best_precision("cpu"), seed=seed)
    every = range(len(mentions))
    made = list(steps(every, mentions.__getitem__, crosstype, tokens, parameters, [seed, 0]))
    count = sum(step.mentions for step in made)
    size = sum(len(each) for step in made for unit in step.units for each in unit) / count
    best, since = -1.0, 0
    for number in range(parameters.max_epochs):
        begun = time.process_time()
        loss = trainer.epoch(every, mentions.__getitem__, number)
        rate = count / (time.process_time() - begun)
        logits = trainer.score(examples)
        shuffled = trainer.score(examples, shuffle=True) if LAYOUTS[crosstype].order_matters else logits
        scores = validate(examples, logits, shuffled, parameters.loss, parameters.calibrate).scores
        golds = [each.gold for each in examples]
        ranks = ranks_of_gold(
            cross_fitted_evidence(examples, logits, documents) if parameters.calibrate else logits, golds
        )
        low, high = bootstrap(ranks, documents)["Acc@1"]
        alone = scores["alone_Acc@1"] if parameters.calibrate else scores["Acc@1"]
        shares = [scores["first_stage_Acc@1"], alone, recall_at(ranks, 1)]
        cells = [
            *(crosstype, recipe, seed, number + 1, f"{loss:.3f}", *(f"{100 * share:.1f}" for share in shares)),
            f"{100 * low:.1f}-{100 * high:.1f}",
            *(f"{100 * scores[name]:.1f}" for name in ("shuffled_Acc@1", "first_share")),
            *(f"{rate:.2f}", f"{size:.1f}", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"),
        ]
        print("|", " | ".join(map(str, cells)), "|", flush=True)
        value = scores[parameters.metric] or 0.0
        since = 0 if value > best else since + 1
        best = max(best, value)
        if since >= parameters.patience:
            break


def cross_fitted_evidence(
    examples: list[TokenisedExample], logits: list[np.ndarray], documents: np.ndarray
) -> list[np.ndarray]:
    """Each candidate's evidence, by weights that were fitted on the other half of the documents."""
    values: list[np.ndarray] = [np.zeros(0)] * len(examples)
    for half in (0, 1):
        other = np.flatnonzero(documents % 2 != half).tolist()
        held = [examples[row] for row in other]
        weights = fit([logits[row] for row in other], [each.scores for each in held], [each.gold for each in held])
        for row in np.flatnonzero(documents % 2 == half).tolist():
            values[row] = weights.evidence(logits[row], examples[row].scores)
    return values


if __name__ == "__main__":
    main()
