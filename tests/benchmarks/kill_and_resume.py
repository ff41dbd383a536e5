"""Kills of a running link job at random moments: its output must be that of an unbroken run, byte for byte.

    python tests/benchmarks/kill_and_resume.py [--driver-kills 10] [--worker-kills 5] [--documents 4000]

One run loses its driver (SIGKILL to the whole process group) again and again, and is started again each time; another
loses LinkStage workers. Prints a line for each kill; the exit status is 1 where a byte differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from ray_fixture import command, outputs, stages
from replicate import prepare_models, replicate

WAIT_SECONDS = 300


def parts(run: Path) -> int:
    return len(list(run.glob("parts/**/*.arrow")))


def state(run: Path) -> str:
    return f"{len(list(run.glob('state/*')))} shards done, {parts(run)} parts of others"


def finish(arguments: list[object], run: Path) -> float:
    """Run the job to its end; seconds."""
    begun = time.monotonic()
    with command(*arguments, "--out-corpus", run) as process:
        output, _ = process.communicate(timeout=600)
        if process.returncode:
            sys.exit(f"the job failed with {process.returncode}:\n{output}")
    return time.monotonic() - begun


def wait_for_work(run: Path, process: psutil.Popen, before: int) -> bool:
    """Wait until this start has finished a chunk; False if the job ended first."""
    end = time.monotonic() + WAIT_SECONDS
    while process.poll() is None:
        if time.monotonic() > end:
            sys.exit(f"no chunk was finished within {WAIT_SECONDS} s")
        if parts(run) + 1_000 * len(list(run.glob("state/*"))) > before:
            return True
        time.sleep(0.005)
    return False


def kill_drivers(arguments: list[object], run: Path, kills: int, work: float, chance: random.Random) -> int:
    """Kill the driver `kills` times, at random moments of about equal shares of the work; how often it was hit."""
    for number in range(1, kills + 1):
        before = parts(run) + 1_000 * len(list(run.glob("state/*")))
        begun = time.monotonic()
        with command(*arguments, "--out-corpus", run) as process:
            if chance.random() > 0.2:  # else at any moment of the start
                wait_for_work(run, process, before)
                time.sleep(chance.uniform(0, work / kills))
            else:
                time.sleep(chance.uniform(0, 6))
            if process.poll() is not None:
                print(f"driver kill {number}: the job had ended", flush=True)
                return number - 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            moment = time.monotonic() - begun
        print(f"driver kill {number}: {moment:.2f} s after the start, {state(run)}", flush=True)
    return kills


def kill_workers(arguments: list[object], run: Path, kills: int, work: float, chance: random.Random) -> int:
    """Kill a worker `kills` times in one start of the job; how often one was hit."""
    hit, begun = 0, time.monotonic()
    with command(*arguments, "--out-corpus", run) as process:
        wait_for_work(run, process, 0)
        while hit < kills and process.poll() is None:
            time.sleep(chance.uniform(0, work / kills))
            found = stages(process.pid) if process.poll() is None else []
            if found:
                chance.choice(found).kill()
                hit += 1
                print(f"worker kill {hit}: {time.monotonic() - begun:.2f} s after the start, {state(run)}", flush=True)
        output, _ = process.communicate(timeout=600)
        if process.returncode:
            sys.exit(f"the job failed with {process.returncode}:\n{output}")
    return hit


def verdict(name: str, hit: int, run: Path, whole: dict[str, bytes]) -> bool:
    there = outputs(run)
    differ = sorted(path for path in set(there) | set(whole) if there.get(path) != whole.get(path))
    size = sum(map(len, whole.values()))
    same = f"all {len(whole)} files ({size / 1e6:.1f} MB) are those of the unbroken run"
    print(f"{name}: {hit} kills, " + (f"DIFFERENT: {', '.join(differ[:10])}" if differ else same), flush=True)
    return not differ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver-kills", type=int, default=10)
    parser.add_argument("--worker-kills", type=int, default=5)
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--chunk-documents", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    home = Path(tempfile.mkdtemp(prefix="raybel-kill-"))
    try:
        ontology, model, sources = prepare_models(args.data, home)
        replicate(sources, home / "corpus", args.documents, args.files)
        arguments: list[object] = ["link", "--in-corpus", home / "corpus", "--ontology", ontology]
        arguments += ["--ngrams-model", model, "--chunk-documents", args.chunk_documents]
        seconds = finish(arguments, home / "whole")
        work = max(1.0, seconds - 8)  # Ray's start and end
        whole = outputs(home / "whole")
        print(f"unbroken run: {args.documents} documents, {args.files} files, {seconds:.1f} s", flush=True)
        hit = kill_drivers(arguments, home / "drivers", args.driver_kills, work, chance)
        print(f"last start: {finish(arguments, home / 'drivers'):.1f} s")
        good = verdict("driver killed", hit, home / "drivers", whole)
        hit = kill_workers(arguments, home / "workers", args.worker_kills, work, chance)
        good = verdict("workers killed", hit, home / "workers", whole) and good
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
