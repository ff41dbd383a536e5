"""What linking costs with a cascade and a tree, against base as published on every mention, in one run.

    python tests/benchmarks/linking_ratio.py --home recipes --reranker-model recipes/models/NAME [--corpora ncbi biored]
        [--generator dense] [--documents 40] [--rounds 3]

HOME is that of reranker_recipes.py, which makes corpora and generators; the model is one that it trained. Each way
reads the development documents, finds candidates, re-ranks them and renders the result, with one thread. Base as
published is fp32, two pairs at a time, unsorted, on every mention, and shows names alone; its head is untrained (speed
doesn't depend on weights). The ways take turns, so that a machine which is slow for a while is slow for all of them; a
ratio is the median of the rounds'. The time of the candidates alone says what is left to the second stage.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from crossencoder_speed import build
from reranker_recipes import CORPORA, Corpus, ready

from raybel.candidates.base import CandidateCache, Generator
from raybel.candidates.evidence import Probabilities
from raybel.candidates.registry import open_generator
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import Source
from raybel.linking.candidates import add_candidates
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.linking.reranking import rerank
from raybel.ontology import Ontology
from raybel.rerank.batching import collate
from raybel.rerank.examples import Describer, Example
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.ranking import Ranking, ranked
from raybel.rerank.reranker import Reranker


@dataclass
class Way:
    """A way to link a chunk.

    Args:
        name: Of its row.
        link: Links a chunk; with a fresh cache of candidates each time.
        seconds: CPU seconds of each round.
        sure: Mentions that weren't re-ranked, of the last round.
        tokens: Tokens that went through the model in the last round.
    """

    name: str
    link: Callable[[pa.Table], pa.Table]
    seconds: list[float] = field(default_factory=list)
    sure: int = 0
    tokens: int = 0


class Published:
    """Ranks every mention as the published system does: pairs by twos, as they come, in fp32."""

    cascade = None

    def __init__(self, parameters: CrossEncoderParameters) -> None:
        self.parameters, self.tokens = parameters, 0
        self.scorer, self.tokeniser = build("base", parameters, "fp32")
        self.scorer.encoder.last_output = None  # all tokens through all layers

    def rank(self, examples: Sequence[Example], unsure: bool = False) -> list[Ranking]:
        """As `Reranker.rank`."""
        logits = [np.zeros(len(each.names), np.float32) for each in examples]
        sequences = list(pack("base", self.tokeniser, self.tokeniser(examples)))
        self.tokens += sum(map(len, sequences))
        with torch.inference_mode():
            for start in range(0, len(sequences), 2):
                two = sequences[start : start + 2]
                found = self.scorer.encoder.logits(collate(two, self.tokeniser.pad)).numpy()
                found = found[:, 1] - found[:, 0]
                for (row, candidate), logit in zip((o for each in two for o in each.owners), found, strict=True):
                    logits[row][candidate] = logit
        return [ranked(of, each.candidates["score"], None) for of, each in zip(logits, examples, strict=True)]


class Counted:
    """A re-ranker whose tokens are counted."""

    def __init__(self, reranker: Reranker) -> None:
        self.reranker, self.tokens = reranker, 0
        self.parameters, self.cascade = reranker.parameters, reranker.cascade
        self.settles_by_prior, self.settled = reranker.settles_by_prior, reranker.settled

    def rank(self, examples: Sequence[Example], unsure: bool = False) -> list[Ranking]:
        """As `Reranker.rank`."""
        self.tokens += self.reranker.token_count(self.reranker.shown(examples) if unsure else examples)
        return self.reranker.rank(examples, unsure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--reranker-model", required=True)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--corpora", nargs="+", default=[*CORPORA], choices=[*CORPORA])
    parser.add_argument("--generator", default="dense", choices=["ngrams", "dense", "hybrid"])
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    args.home = args.home.absolute()
    torch.set_num_threads(1)
    print("| corpus | way | mentions | sure | tokens | CPU-s | times as fast |\n" + "| --- " * 7 + "|")
    for name in args.corpora:
        compare(args, ready(argparse.Namespace(**vars(args) | {"documents": None}), name))


def compare(args: argparse.Namespace, corpus: Corpus) -> None:
    """Print the rows of a corpus."""
    ontology = Ontology.open(corpus.ontology)
    generator = open_generator(ontology, corpus.generator, threads=1)
    loaded = Reranker.load(args.reranker_model)
    adapted, top_k = loaded.for_generator(generator), loaded.parameters.top_k
    uncounted = {"cascade and tree": (adapted, True), "tree on every mention": (adapted, False)}
    published = Published(CrossEncoderParameters.published().changed({"top_k": top_k}))
    ways = [
        Way("base as published", partial(link, ontology, generator, published, False)),
        *(Way(name, partial(link, ontology, generator, *each)) for name, each in uncounted.items()),
        Way("candidates alone", partial(link, ontology, generator, None, False)),
    ]
    documents = chunk(corpus, args.documents)
    mentions = len(pc.list_flatten(pc.struct_field(pc.list_flatten(documents["docs"]), "mentions")))
    for _ in range(args.rounds):
        for way in ways:
            begun = time.process_time()
            linked = way.link(documents)
            way.seconds.append(time.process_time() - begun)
            if "sure" in linked.column_names:
                way.sure = int(pc.sum(pc.list_flatten(linked["sure"])).as_py() or 0)
    ways[0].tokens = published.tokens // args.rounds
    for way, (reranker, unsure) in zip(ways[1:3], uncounted.values(), strict=True):
        counted = Counted(reranker)
        link(ontology, generator, counted, unsure, documents)
        way.tokens = counted.tokens
    for way in ways:
        ratio = median(first / own for first, own in zip(ways[0].seconds, way.seconds, strict=True))
        cells = (corpus.name, way.name, f"{mentions:,}", f"{100 * way.sure / mentions:.1f} %", f"{way.tokens:,}")
        print("| " + " | ".join([*cells, f"{median(way.seconds):.2f}", f"{ratio:.1f}"]) + " |", flush=True)


def chunk(corpus: Corpus, documents: int) -> pa.Table:
    """The first development documents, read as a chunk."""
    (path,) = corpus.file("val")
    options = ReadOptions(corpus.mentions, sentences=True, chunk_documents=documents)
    return next(islice(read_chunks(Source(path, "val"), "val", options), 1))


def link(
    ontology: Ontology,
    generator: Generator,
    reranker: Reranker | Published | Counted | None,
    unsure: bool,
    documents: pa.Table,
) -> pa.Table:
    """Find candidates, re-rank them and render the result; return the linked chunk."""
    top_k = 5 if reranker is None else reranker.parameters.top_k
    linked = add_candidates(documents, CandidateCache(generator, top_k), generator.name)
    if reranker is not None:
        describer = Describer(ontology, generator.alias_table, reranker.parameters)
        cascade = reranker.cascade if unsure else None
        first_stage = None if cascade is None else Probabilities(cascade.first_stage, generator.alias_table)
        linked = rerank(linked, reranker, describer, None, first_stage)  # type: ignore[arg-type]
    for failure in filter(None, linked["failures"][0].as_py()):
        raise SystemExit(failure)
    render(linked, Rankings.of(linked, Target(ontology, "ontology.arrow")))
    return linked


if __name__ == "__main__":
    main()
