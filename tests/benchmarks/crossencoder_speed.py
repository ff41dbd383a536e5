"""Mentions re-ranked per CPU-second by each type of cross-encoder, in one run.

    python tests/benchmarks/crossencoder_speed.py [--data ../shared/data] [--mentions 200] [--top-k 5 10] [--no-alias]
        [--contexts sentence passage document]

One thread, MiniLM with an untrained head (speed doesn't depend on weights), mentions of NCBI Disease dev, candidates of
the n-gram generator. Packing is counted, the search for candidates isn't. Beside our types: base as published (fp32,
two pairs at a time, unsorted), and sentence_transformers.CrossEncoder.predict over base's own pairs.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from crossencoder_data import corpora, prepared

from raybel.candidates.encoder import PRECISIONS, best_precision
from raybel.candidates.pretrained import resolve
from raybel.rerank import model as models
from raybel.rerank.batching import collate
from raybel.rerank.examples import Example
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--mentions", type=int, default=200)
    parser.add_argument("--top-k", type=int, nargs="*", default=[5, 10])
    parser.add_argument("--no-alias", action="store_true", help="candidates' blocks without the alias that matched")
    parser.add_argument("--contexts", nargs="*", default=["sentence", "passage", "document"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(args.data, Path(folder), "ncbi", "ngrams")
        for top_k in args.top_k:
            table(home, top_k, args.mentions, args.contexts, not args.no_alias)


def table(home: Path, top_k: int, mentions: int, contexts: list[str], alias: bool) -> None:
    """Print the rates at one number of candidates."""
    precision = best_precision("cpu")
    print(f"\ntop {top_k}, {mentions} mentions, one thread, {precision} but where it says so\n")
    print("| type | context | mentions/CPU-s | ratio to base | tokens/mention | peak MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    rates: dict[str, float] = {}
    for context in contexts:
        parameters = CrossEncoderParameters(top_k=top_k, context=context, alias=alias)
        examples = [each for some in corpora(home, "val", parameters) for each in some][:mentions]
        types = CROSSTYPES if context == "sentence" else (context, "tree")
        for crosstype in types:
            if context == "sentence" and crosstype in ("passage", "document"):
                continue
            scorer, tokens = build(crosstype, parameters, precision)
            rate = best(lambda s=scorer, t=tokens, e=examples: s.logits(t(e)), len(examples))
            rates[f"{crosstype} {context}"] = rate
            size = sum(len(each) for each in pack(crosstype, tokens, tokens(examples))) / len(examples)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            ratio = rate / rates["base sentence"]
            print(f"| {crosstype} | {context} | {rate:.1f} | {ratio:.2f} | {size:.1f} | {peak:.0f} |", flush=True)
            if crosstype == "tree":
                for reuse in (False, True):
                    own = best(lambda s=scorer, t=tokens, e=examples, r=reuse: s.logits(t(e), reuse=r), len(examples))
                    name = "contexts through once" if reuse else "in one sequence"
                    print(
                        f"| tree, {name} | {context} | {own:.1f} | {own / rates['base sentence']:.2f} | | |", flush=True
                    )
    parameters = CrossEncoderParameters(top_k=top_k, alias=alias)
    examples = [each for some in corpora(home, "val", parameters) for each in some][: max(20, mentions // 4)]
    others(examples, parameters, rates)


def build(crosstype: str, parameters: CrossEncoderParameters, precision: str) -> tuple[Scorer, Tokens]:
    """A scorer with fresh weights."""
    torch.manual_seed(0)
    model, tokenizer = models.load(resolve("minilm"), head=False)
    tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, [0.4, 0.6, 0.8])
    model = model.to(dtype=PRECISIONS[precision]).eval()
    return Scorer(CrossEncoder(model, crosstype, tokens.pad), crosstype, tokens), tokens


def best(run: Callable[[], Any], mentions: int, times: int = 2) -> float:
    """Mentions per second of process time, the best of a few."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        run()
        found.append(mentions / (time.process_time() - begun))
    return max(found)


def others(examples: list[Example], parameters: CrossEncoderParameters, rates: dict[str, float]) -> None:
    """Base as published, and sentence-transformers over the same pairs."""
    from sentence_transformers import CrossEncoder as Theirs

    scorer, tokens = build("base", parameters, "fp32")
    scorer.encoder.last = None  # all tokens through all layers

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
    measured = {
        "base as published: fp32, pairs of two, unsorted": best(published, len(examples), 1),
        "sentence_transformers.CrossEncoder.predict": best(
            lambda: theirs.predict(pairs, show_progress_bar=False), len(examples)
        ),
    }
    for name, rate in measured.items():
        ratios = ", ".join(f"{kind} {rates[f'{kind} sentence'] / rate:.1f} times" for kind in ("base", "tree"))
        print(f"\n{name}: {rate:.1f} mentions/CPU-s ({ratios})", flush=True)


if __name__ == "__main__":
    main()
