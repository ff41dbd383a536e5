"""Documents/s of the link job on 2 cores against a plain loop of the same reader, generator and writer, in one run.

    python tests/benchmarks/link_throughput.py [--documents 50000] [--files 20] [--data ../shared/data]

The corpus is NCBI Disease and BC5CDR (train, dev), replicated with distinct ids. Ray's start-up isn't counted. Peak
resident memory of every process of the job is sampled; runs with a quarter of the files tell whether memory is flat.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from replicate import prepare_models, replicate

from raybel.candidates.base import CandidateCache
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.corpus.chunks import read_chunks
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.job import link
from raybel.jobs.progress import Progress
from raybel.linking.candidates import add_candidates
from raybel.linking.poison import SUFFIX, CrashRecord
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.ontology import Ontology
from raybel.runs.inputs import find_inputs
from raybel.runs.run_directory import RunDirectory


def plain_loop(config: LinkConfig) -> tuple[int, float]:
    """Link in this process, writing the same run directory; documents and seconds."""
    ontology = Ontology.open(config.ontology)
    generator, run = open_generator(ontology, config.generator), RunDirectory(config.out_corpus)
    cached, target = CandidateCache(generator, config.top_k), Target(ontology, "ontology.arrow")
    documents, begun = 0, time.perf_counter()
    for item in find_inputs(config.in_corpus, "plain"):
        shard = item.shard()
        number = -1
        for number, chunk in enumerate(read_chunks(item.source, shard.name, config.read_options)):
            crashes = CrashRecord(run.part_file(shard, number, SUFFIX), "plain")
            crashes.begin()
            found = add_candidates(chunk, cached, generator.name, crashes)
            part = render(found, Rankings.of(found, target))
            documents += run.write_part(shard, part)["documents"]
        run.assemble(shard, number + 1)
    return documents, time.perf_counter() - begun


class Memory(threading.Thread):
    """Samples the resident memory of this process and all its children: the peak of each kind of process, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak: dict[str, float] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        import psutil

        while not self.stopped.wait(0.2):
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    name = "driver" if process.pid == psutil.Process().pid else process.cmdline()[0].split("/")[-1]
                    size = process.memory_info().rss / 2**20
                except (psutil.Error, IndexError):
                    continue
                self.peak[name] = max(self.peak.get(name, 0), size)


def job(config: LinkConfig) -> tuple[int, float, dict[str, float]]:
    """Run the link job; documents and seconds after the first chunk (Ray and its actors start before), peak memory."""
    memory = Memory()
    memory.start()
    first: list[int] = []

    def watch(progress: Progress) -> None:
        if not first:
            first.append(progress.counts["documents"])

    done = link(config, watch)
    memory.stopped.set()
    seconds = time.time() - done.progress.started - (done.progress.first_chunk or 0)
    return done.progress.counts["documents"] - first[0], seconds, memory.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="raybel-bench-"))
    try:
        ontology, model, sources = prepare_models(args.data, home)
        replicate(sources, home / "corpus", args.documents, args.files)
        config = LinkConfig((str(home / "corpus"),), str(home / "run"), ontology, GeneratorPaths(model))
        for number in range(args.repeat):
            total, seconds = plain_loop(replace(config, out_corpus=str(home / f"plain{number}")))
            plain = total / seconds
            documents, seconds, peak = job(replace(config, out_corpus=str(home / f"run{number}")))
            largest = ", ".join(f"{name} {size:.0f} MB" for name, size in sorted(peak.items(), key=lambda p: -p[1])[:4])
            print(f"plain loop {plain:.0f} documents/s, job {documents / seconds:.0f}, ratio", end=" ")
            print(f"{documents / seconds / plain:.2f}; {total} documents; peak: {largest}", flush=True)
        quarter = sorted(str(path) for path in (home / "corpus").iterdir())[: args.files // 4]
        _, _, peak = job(replace(config, in_corpus=tuple(quarter), out_corpus=str(home / "quarter")))
        largest = ", ".join(f"{name} {size:.0f} MB" for name, size in sorted(peak.items(), key=lambda p: -p[1])[:4])
        print(f"{len(quarter)} files: peak {largest}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
