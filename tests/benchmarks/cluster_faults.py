"""Faults of a cluster and of its stores, one by one, in a running link job: what is lost, and what time it takes.

    python tests/benchmarks/cluster_faults.py [--faults "head killed" ...] [--log runs/cluster_faults.jsonl]

A job links a small corpus on a cluster of a head without CPUs and two nodes on this machine. Each fault hits a job that
has done a third of its chunks; what ends the job is followed by the same command. Then the output is compared with an
unbroken run's: no document lost, none there twice, no byte different; the status is 1 where one is. Faults that are in
the log aren't played again. A disk that is full needs the right to mount; memory that runs out is that of Ray's own
monitor, whose limit is a little above what this machine uses when that cluster starts, so that nothing else may take
much memory meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import random_faults
from faulty_store import FaultyStore, every, for_seconds, slow
from random_faults import Nodes, Round, add_node, disk, documents_of, lose_head, output_of
from ray_fixture import corpus_of, make_model

FILES, DOCUMENTS, CHUNK = 6, 60, 5
random_faults.WORK = 0.5  # seconds of a chunk, so that there is time for a fault
CHUNKS = FILES * DOCUMENTS // CHUNK


def node_killed(of: Round) -> None:
    of.nodes.cluster.remove_node(of.nodes.nodes.pop(), allow_graceful=False)


def node_frozen(of: Round) -> None:
    node = of.nodes.nodes.pop()
    raylet = of.nodes.raylet(node)
    processes = [raylet, *raylet.children(recursive=True)]
    random_faults.send(processes, signal.SIGSTOP)
    of.nodes.stopped.append((node, processes))


def driver_s_node_lost(of: Round) -> None:
    of.job.kill()
    node_killed(of)


def some_requests_refused(of: Round) -> None:
    of.store.fault = every(20, 503)


def away_for(seconds: float) -> Callable[[Round], None]:
    def fault(of: Round) -> None:
        of.store.fault = for_seconds(seconds, "away")

    return fault


def slow_answers(of: Round) -> None:
    of.store.fault = slow(0.3)


def credentials_expired(of: Round) -> None:
    """Until the job has ended."""
    of.store.fault = lambda method, path: 400
    of.wait(lambda: False)
    of.store.fault = lambda method, path: None


def disk_full(of: Round) -> None:
    """Until the job has ended."""
    ballast = Path(of.run).parent / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    of.wait(lambda: False)
    ballast.unlink()


def memory_runs_out(of: Round) -> None:
    if not random_faults.use_up_memory(of):
        raise AssertionError("Ray killed no worker")


#: By name: where the run directory lies, and what happens.
FAULTS: dict[str, tuple[str, Callable[[Round], Any]]] = {
    "worker node killed": ("disk", node_killed),
    "worker node frozen for good": ("disk", node_frozen),
    "worker node added": ("disk", add_node),
    "head killed, all started again": ("disk", lose_head),
    "driver's node lost": ("disk", driver_s_node_lost),
    "store: 5 % of the requests answered by 503": ("store", some_requests_refused),
    "store: away for 20 s": ("store", away_for(20)),
    "store: away for 3 minutes": ("store", away_for(180)),
    "store: each answer after 0.3 s": ("store", slow_answers),
    "store: credentials expired": ("store", credentials_expired),
    "disk full": ("disk", disk_full),
    "out of memory": ("disk", memory_runs_out),
}


def played(name: str, nodes: Nodes, options: list[object], home: Path, whole: dict[str, bytes]) -> Any:
    """Have a fault hit a job; what goes into the log."""
    place, fault = FAULTS[name]
    with contextlib.ExitStack() as stack:
        folder = home / f"fault{len(list(home.iterdir()))}"
        if not stack.enter_context(disk(folder)) and name == "disk full":
            return {"fault": name, "skipped": "no right to mount"}
        store = None
        if place == "store":
            store = FaultyStore("faults")
            stack.callback(store.close)
        run = store.uri(folder.name) if store else str(folder / "run")  # stores of a process share their buckets
        of = Round(nodes, run, options, random.Random(0), store)
        stack.callback(nodes.tidy)
        stack.callback(of.close)
        begun = time.monotonic()
        of.start()
        written = 0
        while written < CHUNKS / 3 and of.goes_on():
            written = of.progress() if store else written + 1
        hit = time.monotonic()
        fault(of)
        of.hangs = time.monotonic() + random_faults.HUNG
        said = random_faults.to_its_end(of, 5)
        there = output_of(of.run)
        found, expected = documents_of(there), documents_of(whole)
        return {
            "fault": name,
            "starts": of.starts,
            "before": round(hit - begun, 1),
            "after": round(time.monotonic() - hit, 1),
            "said": said,
            "lost": sum((expected - found).values()),
            "doubled": sum((found - expected).values()),
            "different": sorted(name for name in whole.keys() | there.keys() if whole.get(name) != there.get(name)),
        }


def show(rows: list[dict[str, Any]]) -> bool:
    """Print the table; whether all was well."""
    print("\n| fault | starts | s before | s after | lost | doubled | other bytes |\n" + "| --- " * 7 + "|")
    for row in rows:
        if "skipped" in row:
            print(f"| {row['fault']} | {row['skipped']} |" + " |" * 5)
            continue
        counts = (row["starts"], row["before"], row["after"], row["lost"], row["doubled"], len(row["different"]))
        print(f"| {row['fault']} | " + " | ".join(map(str, counts)) + " |")
    return not any(row.get(name) for row in rows for name in ("lost", "doubled", "different"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", nargs="+", default=[*FAULTS], choices=[*FAULTS])
    parser.add_argument("--log", type=Path, default=Path("runs/cluster_faults.jsonl"))
    args = parser.parse_args()
    args.log.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the nodes are taken down
    home = Path(tempfile.mkdtemp(prefix="raybel-cluster-faults-"))
    nodes = Nodes()
    try:
        model = make_model(home)
        (home / "in").mkdir()
        options: list[object] = ["--in-corpus", corpus_of(home / "in", FILES, DOCUMENTS), "--ontology", model.ontology]
        options += ["--ngrams-model", model.ngrams, "--chunk-documents", CHUNK, "--actors", "1:4"]
        unbroken = Round(nodes, str(home / "whole"), options, random.Random(0), None)
        begun = time.monotonic()
        random_faults.play(unbroken, [*random_faults.KINDS], 0)
        unbroken.close()
        print(f"an unbroken run takes {time.monotonic() - begun:.1f} s, Ray's workers' start included", flush=True)
        whole = output_of(str(home / "whole"))
        assert len(documents_of(whole)) == FILES * DOCUMENTS
        for name in args.faults:
            if name not in {row["fault"] for row in rows}:
                rows.append(played(name, nodes, options, home, whole))
                print(json.dumps(rows[-1]), flush=True)
                with open(args.log, "a") as log:
                    log.write(f"{json.dumps(rows[-1])}\n")
    finally:
        nodes.close()
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if show([row for row in rows if row["fault"] in args.faults]) else 1)


if __name__ == "__main__":
    main()
