"""What a node that freezes (SIGSTOP to all its processes) costs a link job on a cluster of two nodes.

    python tests/benchmarks/frozen_node.py [--chunks 60] [--seconds 0.5] [--timeout 5000] [--threshold 3]

Nodes are Ray's, on this machine; the head has none of the CPUs. After a third of the chunks one of the two nodes
freezes, and stays so. Prints when Ray declared it dead, for how long no chunk was finished, and the job's seconds with
and without the freeze. The bytes of both runs must be the same; else the status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import ray
from ray.cluster_utils import Cluster
from ray_fixture import command, corpus_of, make_model, outputs, stages

SLOW_LINK = str(Path(__file__).parents[1] / "slow_link.py")
NODE = {"num_cpus": 2, "object_store_memory": 80 << 20}


@contextlib.contextmanager
def cluster() -> Iterator[tuple[Cluster, list[Any]]]:
    """A head without CPUs, and two nodes."""
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False},
    )
    try:
        yield made, [made.add_node(**NODE) for _ in range(2)]
    finally:
        ray.shutdown()
        made.shutdown()


def processes(node: Any) -> list[psutil.Process]:
    """A node's raylet and all below it."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


def done(run: Path) -> int:
    """Chunks that are finished, as far as their parts are there."""
    return len(list(run.glob("parts/**/*.arrow")))


def frozen_run(nodes: list[Any], job: Any, run: Path, chunks: int) -> tuple[float, float, float]:
    """Freeze the last node after so many chunks: seconds until it is declared dead, the longest stall, and the rest."""
    victim = nodes[-1]
    while done(run) < chunks or not stages(victim.all_processes["raylet"][0].process.pid):
        if job.poll() is not None:
            sys.exit(f"the job ended before its node could freeze:\n{job.communicate(timeout=900)[0]}")
        time.sleep(0.05)
    for each in processes(victim):
        each.send_signal(signal.SIGSTOP)
    frozen, dead, stall, last, count = time.monotonic(), 0.0, 0.0, time.monotonic(), done(run)
    while job.poll() is None:
        now, there = time.monotonic(), done(run)
        if there != count:
            stall, last, count = max(stall, now - last), now, there
        if not dead and not all(n["Alive"] for n in ray.nodes() if n["NodeID"] == victim.node_id):
            dead = now - frozen
            print(f"  declared dead after {dead:.0f} s, {there} chunks done", flush=True)
        time.sleep(0.1)
    return dead, max(stall, time.monotonic() - last), time.monotonic() - frozen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.5, help="that an actor takes for a chunk")
    parser.add_argument("--period", type=int, help="health checks: milliseconds between two")
    parser.add_argument("--timeout", type=int, help="health checks: milliseconds for an answer")
    parser.add_argument("--threshold", type=int, help="health checks: failures in a row")
    args = parser.parse_args()
    # As the files of `cluster/` have them; Ray's processes read them from their environment.
    settings = {"period_ms": args.period, "timeout_ms": args.timeout, "failure_threshold": args.threshold}
    os.environ.update({f"RAY_health_check_{name}": str(value) for name, value in settings.items() if value is not None})
    home = Path(tempfile.mkdtemp(prefix="raybel-frozen-"))
    try:
        model = make_model(home)
        (home / "in").mkdir()
        corpus = corpus_of(home / "in", 4, 2 * args.chunks // 4)
        options = ["--in-corpus", corpus, "--ontology", model.ontology, "--ngrams-model", model.ngrams]
        options += ["--chunk-documents", 2, "--actors", 2, "--cpus-per-actor", 1, "--cpus-per-task", 0.5]
        slow = (sys.executable, SLOW_LINK, str(args.seconds))
        with cluster() as (made, nodes):
            ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
            begun = time.monotonic()
            with command(*options, "--out-corpus", home / "still", program=slow, RAY_ADDRESS=made.address) as job:
                said = job.communicate(timeout=900)[0]
                if job.returncode:
                    sys.exit(said)
            print(f"unbroken: {time.monotonic() - begun:.0f} s", flush=True)
            begun = time.monotonic()
            with command(*options, "--out-corpus", home / "frozen", program=slow, RAY_ADDRESS=made.address) as job:
                dead, stall, rest = frozen_run(nodes, job, home / "frozen", args.chunks // 3)
                said = job.communicate(timeout=900)[0]
            print(
                f"one node frozen: {time.monotonic() - begun:.0f} s (status {job.returncode}), dead after "
                f"{dead:.0f} s, longest stall {stall:.0f} s, {rest:.0f} s from the freeze to the end",
                flush=True,
            )
            if job.returncode:
                print(said)
            ray.shutdown()
            for each in processes(nodes[-1]):
                with contextlib.suppress(psutil.Error):
                    each.kill()
        same = outputs(home / "still") == outputs(home / "frozen")
        print("the same bytes" if same else "DIFFERENT bytes")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if same and not job.returncode else 1)


if __name__ == "__main__":
    main()
