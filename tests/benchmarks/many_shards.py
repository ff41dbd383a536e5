"""What a link job over very many shards costs its driver, and how long its actors wait: they sleep in place of linking.

    python tests/benchmarks/many_shards.py [--shards 20000] [--actors 50] [--seconds 2.5] [--cpus 200]

Ray has 200 logical CPUs on this machine, whatever it has; memory is for some 50 actors. An actor that sleeps takes no
CPU, so that all CPU time is the driver's, the readers', the writers' and Ray's own. What loads the driver is the number
of chunks in a second: 50 actors of 2.5 s a chunk have as many as 200 of 10 s. A shard is a file of one chunk, which is
the worst case. Actors wait between the end of one chunk and the start of the next; what they don't sleep is more: each
chunk is read, linked and written, too, on what the others leave of the machine's cores.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import ray
from ray_fixture import make_model, one
from samples import collection, save

from raybel.config import Resources
from raybel.jobs import connection
from raybel.jobs.link import job
from raybel.jobs.link.stage import LinkStage as Stage
from raybel.jobs.progress import Progress


def sleeping_stage(seconds: float, times: Path | None = None) -> type[Stage]:
    """A stage that sleeps in each chunk, of a class that workers needn't import.

    Args:
        seconds: How long.
        times: Where to note when chunks begin and end: a file for each actor, a line for each chunk.
    """

    class LinkStage(Stage):
        def __call__(self, chunk):
            begun = time.monotonic()
            done = super().__call__(chunk)
            if times:
                with open(times / str(os.getpid()), "a") as file:
                    file.write(f"{begun} {time.monotonic()}\n")
            return done

        def part(self, chunk, crashes):
            time.sleep(seconds)
            return super().part(chunk, crashes)

    return LinkStage


def waiting(times: Path) -> float:
    """The share of time that actors waited for their next chunk, until the last of all chunks began."""
    chunks = [[tuple(map(float, line.split())) for line in file.read_text().splitlines()] for file in times.iterdir()]
    over = max(of_actor[-1][0] for of_actor in chunks)
    waited = total = 0.0
    for of_actor in chunks:
        began, ended = of_actor[0][0], of_actor[-1][1]
        waited += sum(later[0] - earlier[1] for earlier, later in itertools.pairwise(of_actor)) + max(0, over - ended)
        total += max(over, ended) - began
    return waited / total


@contextlib.contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """The largest resident set of a process, in bytes, as it grows."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def cpu(processes: list[psutil.Process]) -> float:
    """Seconds of CPU that processes took so far."""
    total = 0.0
    for each in processes:
        with contextlib.suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=20_000)
    parser.add_argument("--actors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2.5, help="that an actor sleeps in each chunk")
    parser.add_argument("--cpus", type=int, default=200, help="logical CPUs")
    parser.add_argument("--readers", type=int, default=8, help="that may read, or write shards, at a time")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="raybel-shards-"))
    times = home / "times"
    times.mkdir()
    job.LinkStage = sleeping_stage(args.seconds, times)
    try:
        model = make_model(home)
        for number in range(args.shards):
            save(home / "in" / f"{number // 1000:03d}" / f"{number}.xml", collection(one(str(number), "Anemia")))
        per_task = args.cpus / 5 / args.readers
        resources = Resources(actors=args.actors, cpus_per_actor=0.8 * args.cpus / args.actors, cpus_per_task=per_task)
        options = {"resources": resources, "group_files": False}
        config = model.config(home / "in", home / "run", **options)
        ray.init(
            address="local",
            num_cpus=args.cpus,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            object_store_memory=connection.LOCAL_STORE_BYTES,
            _system_config=connection.LOCAL_SYSTEM_CONFIG,
        )
        me = psutil.Process()
        own = [each for each in me.children(recursive=True) if each.name() in ("raylet", "gcs_server")]
        first: list[tuple[float, int]] = []
        last: list[tuple[float, int]] = []

        def watch(progress: Progress) -> None:
            now = (time.monotonic(), progress.chunks)
            if not first and progress.chunks >= args.actors:
                first.append(now)
            last[:] = [now]

        begun = (time.monotonic(), cpu([me]), cpu(own))
        with peak_memory(me) as peak:
            done = job.link(config, watch)
        seconds = time.monotonic() - begun[0]
        driver, rays = cpu([me]) - begun[1], cpu(own) - begun[2]
        work, chunks = last[0][0] - first[0][0], last[0][1] - first[0][1]
        awake = 1 - chunks * args.seconds / (args.actors * work)
        shards = done.counts.num_rows
        print(f"{shards} shards, {args.actors} actors of {args.seconds:g} s a chunk: {seconds:.0f} s in all")
        print(f"{chunks / work:.1f} chunks/s from the first on")
        print(f"actors waited {waiting(times):.1%} of the time, and didn't sleep for {awake:.1%}")
        print(f"driver: {driver:.0f} s of CPU, {1e3 * driver / shards:.1f} ms a shard, {peak[0] / 1e6:.0f} MB at most")
        print(f"raylet and head: {rays:.0f} s of CPU, {1e3 * rays / shards:.1f} ms a shard")
    finally:
        ray.shutdown()
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if shards == args.shards else 1)


if __name__ == "__main__":
    main()
