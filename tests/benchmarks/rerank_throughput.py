"""Documents/s of the link job with n-grams and a re-ranker, against a plain loop over the same scorer, in one run.

    python tests/benchmarks/rerank_throughput.py [--documents 5000] [--data ../shared/data] [--top-k 5]

The corpus is NCBI Disease and BC5CDR (train, dev), replicated with distinct ids; the cross-encoder is a `tree` of
MiniLM with an untrained head (speed doesn't depend on weights). The plain loop is a process with one thread, over a
chunk of 50 documents of each file; its share of time in the model's forward passes is counted. It runs alone and then
twice at the same time, as the job has two of it. The job's rate is counted from its first chunk on; all are per core.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from link_throughput import job
from replicate import prepare_models, replicate

from raybel.candidates.base import CandidateCache
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, Resources
from raybel.corpus.chunks import read_chunks
from raybel.corpus.sources import Source
from raybel.encoders.pretrained import resolve
from raybel.files import storage
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.run_options import InputOptions
from raybel.linking.candidates import add_candidates
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.linking.reranking import rerank
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.batching import Batch
from raybel.rerank.examples import Describer
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Reranker
from raybel.rerank.state import KIND, VERSION, WEIGHTS
from raybel.rerank.tokens import Tokens


def untrained(home: Path, ontology: str, top_k: int) -> str:
    """Write the directory of a cross-encoder with an untrained head."""
    torch.manual_seed(0)
    model, tokenizer = models.load(resolve("minilm"), head=False)
    parameters = CrossEncoderParameters(top_k=top_k)
    Tokens(tokenizer, 512, parameters)
    model.save_pretrained(home / "tree")
    tokenizer.save_pretrained(home / "tree")
    state = {"kind": KIND, "version": VERSION, "finished": True, "crosstype": "tree", "fingerprint": "untrained"}
    state |= {"parameters": asdict(parameters), "edges": [0.5, 0.8], "calibration": None}
    state["ontology_fingerprint"] = Ontology.open(ontology).fingerprint
    state |= {"generator": "ngrams", "files": {}, "weights": storage.size_and_digest(str(home / "tree" / WEIGHTS))[1]}
    storage.publish_json(str(home / "tree" / "raybel.json"), state)
    return str(home / "tree")


def plain_loop(config: LinkConfig, number: int) -> tuple[int, float, float]:
    """Documents, seconds, and seconds of them in the model's forward passes, for a chunk of each file."""
    torch.set_num_threads(1)
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    cached, reranker = CandidateCache(generator, config.top_k), Reranker.load(str(config.reranker_model))
    describer = Describer(ontology, generator.alias_table, reranker.parameters)
    inside = 0.0
    forward = CrossEncoder._at_slots  # what every way to compute a batch ends in

    def timed(self: CrossEncoder, batch: Batch, **options: object) -> torch.Tensor:
        nonlocal inside
        begun = time.perf_counter()
        found = forward(self, batch, **options)
        inside += time.perf_counter() - begun
        return found

    CrossEncoder._at_slots = timed  # type: ignore[method-assign]
    options = config.read_options
    documents, seconds, target = 0, 0.0, Target(ontology, "ontology.arrow")
    for path in sorted(Path(config.in_corpus[0]).iterdir()):
        chunks = read_chunks(Source(str(path), path.name), path.name, options)
        for _ in range(number):
            next(chunks)
        begun = time.perf_counter()
        linked = rerank(add_candidates(next(chunks), cached, generator.name), reranker, describer)
        documents += len(render(linked, Rankings.of(linked, target)).documents["doc_id"])
        seconds += time.perf_counter() - begun
    CrossEncoder._at_slots = forward  # type: ignore[method-assign]
    return documents, seconds, inside


def loops(home: Path, count: int, top_k: int) -> tuple[float, float]:
    """Documents/s and the share in forward passes of `count` plain loops at the same time, the mean of them."""
    inside = [sys.executable, __file__, "--top-k", str(top_k), "--inside", str(home)]
    processes = [subprocess.Popen([*inside, str(n)], stdout=subprocess.PIPE, text=True) for n in range(count)]
    every = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    rates = [documents / seconds for documents, seconds, _ in every]
    shares = [forward / seconds for _, seconds, forward in every]
    print(
        f"{count} plain loop(s) at a time: {sum(rates) / count:.2f} documents/s/core, "
        f"{100 * sum(shares) / count:.0f} % of the time in forward passes",
        flush=True,
    )
    return sum(rates) / count, sum(shares) / count


def configured(home: Path, top_k: int) -> LinkConfig:
    return LinkConfig(
        (str(home / "in"),),
        str(home / "run"),
        str(home / "ncbi" / "ontology.arrow"),
        GeneratorPaths(str(home / "model")),
        reranker_model=str(home / "tree"),
        top_k=top_k,
        input=InputOptions(chunk_documents=50),
        resources=Resources(actors=2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--inside", nargs=2, metavar=("HOME", "NUMBER"))
    args = parser.parse_args()
    if args.inside:
        print(json.dumps(plain_loop(configured(Path(args.inside[0]), args.top_k), int(args.inside[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ontology, _, sources = prepare_models(args.data, home)
        replicate(sources, home / "in", args.documents, 20)
        untrained(home, ontology, args.top_k)
        shutil.rmtree(home / "run", ignore_errors=True)
        documents, seconds, peak = job(configured(home, args.top_k))
        rate = documents / seconds / 2
        print(f"job on 2 cores: {documents:,} documents in {seconds:.0f} s, {rate:.2f} documents/s/core", flush=True)
        print("peak MB:", ", ".join(f"{name} {size:.0f}" for name, size in sorted(peak.items())), flush=True)
        for count in (1, 2):
            print(f"  the job's ratio to it: {rate / loops(home, count, args.top_k)[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
