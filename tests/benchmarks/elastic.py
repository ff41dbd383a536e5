"""What a second node is worth to a link job whose actors are between bounds: from the start, and from half time on.

    python tests/benchmarks/elastic.py [--documents 20000] [--files 20] [--repeat 2] [--data ../shared/data]
        [--chunk-documents 100] [--seconds 0]

Nodes are Ray's, on this machine, each of one CPU and bound to one core; the head has none of the CPUs, and the driver
runs where it is put. On a machine of two cores the driver takes its share of what two nodes have; `--seconds` has the
actors sleep so long in each chunk, besides, as if they worked on machines of their own. The corpus is NCBI Disease and
BC5CDR (train, dev), replicated with distinct ids. Times begin with the first chunk: Ray and the first actors start
before; half time is half of what the job took on one node. The bytes of all runs must be the same; else the status is
1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from many_shards import sleeping_stage
from ray.cluster_utils import Cluster
from ray_fixture import outputs
from replicate import prepare_models, replicate

from raybel.config import configured
from raybel.jobs.link import job as link_job
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.progress import Progress

STORE_BYTES = 256 << 20


def add_node(cluster: Cluster, number: int) -> None:
    """Add a node of one CPU, whose processes stay on one core."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    try:
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def nodes(count: int) -> Iterator[Cluster]:
    """A cluster of a head without CPUs and some nodes, which jobs of this process connect to."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES})
    try:
        for number in range(count):
            add_node(cluster, number)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        del os.environ["RAY_ADDRESS"]
        cluster.shutdown()


def job(config: LinkConfig, half_time: Callable[[], Any] | None = None, half: float = 0.0) -> tuple[int, float]:
    """Run a link job; documents and seconds after its first chunk.

    Args:
        config: The job's.
        half_time: Called once, so many seconds after the first chunk.
        half: How many seconds.
    """
    first: list[tuple[int, float]] = []
    called = [half_time is None]

    def watch(progress: Progress) -> None:
        if not first:
            first.append((progress.counts["documents"], time.monotonic()))
        if not called[0] and time.monotonic() - first[0][1] >= half:
            called[0] = True
            assert half_time is not None
            half_time()

    done = link_job.link(config, watch)
    if not called[0]:
        sys.exit("the job was over before half time")
    seconds = time.time() - done.progress.started - (done.progress.first_chunk or 0)
    return done.progress.counts["documents"] - first[0][0], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--chunk-documents", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.0, help="that an actor sleeps in each chunk")
    parser.add_argument("--actors", default="1:8")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="raybel-bench-"))
    if args.seconds:
        link_job.LinkStage = sleeping_stage(args.seconds)
    try:
        ontology, model, sources = prepare_models(args.data, home)
        replicate(sources, home / "corpus", args.documents, args.files)
        options = {"in_corpus": (str(home / "corpus"),), "out_corpus": "", "ontology": ontology, "ngrams_model": model}
        options |= {"chunk_documents": args.chunk_documents, "actors": args.actors}
        config = configured(LinkConfig, options)
        runs: list[Path] = []

        def run(name: str, count: int, joins: float | None = None) -> tuple[int, float]:
            runs.append(home / name)
            with nodes(count) as cluster:
                adds = (lambda: add_node(cluster, count)) if joins is not None else None
                return job(replace(config, out_corpus=str(runs[-1])), adds, joins or 0.0)

        for number in range(args.repeat):
            documents, alone = run(f"one{number}", 1)
            both, together = run(f"two{number}", 2)
            _, joined = run(f"joined{number}", 1, joins=alone / 2)
            one, two = documents / alone, both / together
            print(f"one node {one:.0f} documents/s, two {two:.0f}, ratio {two / one:.2f};", end=" ")
            print(
                f"one {alone:.0f} s, a second from half time on {joined:.0f} s, ratio {joined / alone:.2f}", flush=True
            )
        if any(outputs(path) != outputs(runs[0]) for path in runs[1:]):
            sys.exit("the bytes of the runs differ")
        print(f"{len(runs)} runs with the same bytes")
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
