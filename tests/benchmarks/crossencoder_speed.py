"""Mentions re-ranked per CPU-second by each type of cross-encoder, in one run.

    python tests/benchmarks/crossencoder_speed.py [--data ../shared/data] [--mentions 200] [--top-k 5 10] [--no-alias]
        [--contexts sentence passage document] [--rounds 5]

One thread, MiniLM with an untrained head (speed doesn't depend on weights), mentions of NCBI Disease dev, candidates of
the n-gram generator. Packing is counted, the search for candidates isn't. Beside our types: base as published (fp32,
two pairs at a time, unsorted), and sentence_transformers.CrossEncoder.predict over base's own pairs. In each round all
take turns, so that a machine which is slow for a while is slow for all of them; a ratio is the median of the rounds'.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from crossencoder_data import corpora, prepared

from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.encoders.pretrained import resolve
from raybel.rerank import model as models
from raybel.rerank.batching import collate
from raybel.rerank.examples import Example
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters
from raybel.rerank.scoring import Scorer, TreeAttention
from raybel.rerank.tokens import Tokens

PUBLISHED, THEIRS = "base as published: fp32, pairs of two, unsorted", "`sentence_transformers.CrossEncoder.predict`"


@dataclass
class Contestant:
    """What takes a turn in each round.

    Args:
        name: Of its row.
        context: What its sequences have in common.
        run: Scores the mentions.
        mentions: How many.
        tokens: Per mention; None where they aren't counted.
        rates: Mentions per CPU-second, of each round.
        memory: Peak resident memory of its first turn, MB.
    """

    name: str
    context: str
    run: Callable[[], Any]
    mentions: int
    tokens: float | None = None
    rates: list[float] = field(default_factory=list)
    memory: float = 0.0

    def turn(self) -> None:
        """Run once."""
        if not self.rates:
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        begun = time.process_time()
        self.run()
        self.rates.append(self.mentions / (time.process_time() - begun))
        if len(self.rates) == 1:
            peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
            self.memory = int(peak.split()[1]) / 1024

    def ratio(self, other: Contestant) -> float:
        """How many times as fast as another, the median of the rounds."""
        return median(mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--mentions", type=int, default=200)
    parser.add_argument("--top-k", type=int, nargs="*", default=[5, 10])
    parser.add_argument("--no-alias", action="store_true", help="candidates' blocks without the alias that matched")
    parser.add_argument("--contexts", nargs="*", default=["sentence", "passage", "document"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(args.data, Path(folder), "ncbi", "ngrams")
        for top_k in args.top_k:
            held: list[Contestant] = []
            for context in args.contexts:
                parameters = CrossEncoderParameters(top_k=top_k, context=context, alias=not args.no_alias)
                examples = [each for some in corpora(home, "val", parameters) for each in some][: args.mentions]
                held += ours(examples, parameters)
                if context == "sentence":
                    held += others(examples[: max(20, args.mentions // 4)], parameters)
            for _ in range(args.rounds):
                for each in held:
                    each.turn()
            print(f"\ntop {top_k}, {args.mentions} mentions, {args.rounds} rounds, one thread, {best_precision('cpu')}")
            show(held)


def ours(examples: list[Example], parameters: CrossEncoderParameters) -> list[Contestant]:
    """The types that have a context."""
    held, context = [], parameters.context
    types = [each for each in CROSSTYPES if each not in ("passage", "document")] if context == "sentence" else [context]
    for crosstype in dict.fromkeys([*types, "tree"]):
        scorer, tokens = build(crosstype, parameters, best_precision("cpu"))
        size = sum(len(each) for each in pack(crosstype, tokens, tokens(examples))) / len(examples)
        ways = {"": None, ", with a mask": "mask", ", contexts through once": "reuse"}
        for name, way in ways.items() if crosstype == "tree" else [("", None)]:

            def run(scorer: Scorer = scorer, tokens: Tokens = tokens, way: TreeAttention | None = way) -> None:
                scorer.logits(tokens(examples), attention=way)

            held.append(Contestant(crosstype + name, context, run, len(examples), size))
    return held


def build(crosstype: str, parameters: CrossEncoderParameters, precision: str) -> tuple[Scorer, Tokens]:
    """A scorer with fresh weights."""
    torch.manual_seed(0)
    model, tokenizer = models.load(resolve("minilm"), head=False)
    tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, [0.4, 0.6, 0.8])
    model = model.to(dtype=PRECISIONS[precision]).eval()
    return Scorer(CrossEncoder(model, crosstype, tokens.pad), crosstype, tokens), tokens


def others(examples: list[Example], parameters: CrossEncoderParameters) -> list[Contestant]:
    """Base as published, and sentence-transformers over the same pairs."""
    from sentence_transformers import CrossEncoder as Theirs

    scorer, tokens = build("base", parameters, "fp32")
    scorer.encoder.last_output = None  # all tokens through all layers

    def published() -> None:
        sequences = list(pack("base", tokens, tokens(examples)))
        with torch.inference_mode():
            for start in range(0, len(sequences), 2):
                scorer.encoder.logits(collate(sequences[start : start + 2], tokens.pad))

    theirs = Theirs(str(resolve("minilm")), num_labels=1, device="cpu")
    pairs = [
        (each.context, f"{each.mention} ; {name}" + (f" ; {alias}" if alias and parameters.alias else ""))
        for each in examples
        for name, alias in zip(each.names, each.aliases, strict=True)
    ]
    return [
        Contestant(PUBLISHED, "sentence", published, len(examples)),
        Contestant(THEIRS, "sentence", lambda: theirs.predict(pairs, show_progress_bar=False), len(examples)),
    ]


def show(held: list[Contestant]) -> None:
    """Print the rates, the fastest round's, and the ratios to base, base as published and sentence-transformers."""
    columns = ("type", "context", "mentions/CPU-s", "tokens/mention", "peak MB")
    named = {each.name: each for each in held}
    others = [named[name] for name in ("base", PUBLISHED, THEIRS) if name in named]
    columns += tuple(f"times {each.name}" for each in others)
    print("\n| " + " | ".join(columns) + " |\n| " + " | ".join("---" for _ in columns) + " |")
    for each in held:
        size = "" if each.tokens is None else f"{each.tokens:.1f}"
        cells = [each.name, each.context, f"{max(each.rates):.1f}", size, f"{each.memory:.0f}"]
        print("| " + " | ".join([*cells, *(f"{each.ratio(other):.2f}" for other in others)]) + " |", flush=True)


if __name__ == "__main__":
    main()
