"""Random faults of all kinds in running link jobs, whose output must be that of an unbroken run, byte for byte.

    python tests/benchmarks/random_faults.py [--faults 1000] [--seed 1] [--log runs/random_faults.jsonl]

A job links a small corpus on a cluster of two nodes on this machine. In each round a new run directory is filled, on a
small file system of its own or on an S3 in this process, while faults hit the job at random moments; what ends the job
is followed by the same command. Then the output is compared: no document lost, none there twice, no byte different.
Rounds that are done are in the log, and aren't done again; the table counts all of them. The status is 1 where a round
failed. Disks that are full need the right to mount (else that kind is left out, which is said). Memory that runs out is
that of Ray's own monitor, whose limit is `SPARE_BYTES` above what this machine uses when the cluster starts, so that
nothing else may take as much meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from faulty_store import FaultyStore, every, for_seconds, slow
from ray.cluster_utils import Cluster
from ray_fixture import command, corpus_of, make_model, stages

from raybel.files import storage

FILES, DOCUMENTS, CHUNK = 6, 48, 4
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
#: Seconds of a chunk, beside the work; of a lease; of patience with a store; without a chunk until a job has hung (what
#: Ray asked of a node that froze, it waits for up to 7 minutes: `grpc_client_keepalive_time_ms` and its time-out).
WORK, LEASE, OUTAGE, HUNG = 0.15, 6.0, 6.0, 900.0
#: Seconds without progress until chunks straggle; without the head until Ray's core ends a driver (60 by itself); what
#: the nodes' health is looked at by.
PATIENCE, HEAD_PATIENCE = 10.0, 24
HEALTH = {"health_check_period_ms": 3_000, "health_check_timeout_ms": 5_000, "health_check_failure_threshold": 3}
DISK_BYTES = 8 << 20
#: What may be used, by the cluster too, before Ray's monitor kills a worker; and what uses it up.
SPARE_BYTES = 6 << 30
_BALLAST = "import sys, time; held = b'x' * int(sys.argv[1]); print('held', flush=True); time.sleep(600)"
FOLDERS = ("shards", "mentions", "documents", "quarantine", "state", "counts.parquet")
_ID = re.compile(rb"<document><id>([^<]*)</id>|<id>([^<]*)</id>\s*<passage>")

#: The job of each round: `raybel link` whose chunks take a while, and whose lease is short.
JOB = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):  # until the command takes them: its own imports are far fewer
    signal.signal(number, lambda number, frame: os._exit(128 + number))
from raybel.cli import run
from raybel.files import leases
from raybel.jobs import stragglers
from raybel.jobs.link import job
from raybel.jobs.link.stage import LinkStage as Stage

class LinkStage(Stage):
    def __init__(self, *arguments):
        leases.LEASE_SECONDS = {lease}
        super().__init__(*arguments)

    def part(self, chunk, crashes):
        time.sleep({work})
        return super().part(chunk, crashes)

leases.LEASE_SECONDS = {lease}
stragglers.LEAST_SECONDS = stragglers.SECONDS_AFTER_LOSS = {patience}
job.LinkStage = LinkStage
run(["link", *sys.argv[1:]])
"""


def started(start: Callable[[], Any]) -> Any:
    """Start a part of the cluster; once more where the machine is too busy for Ray's own 30 seconds."""
    for left in reversed(range(8)):
        try:
            return start()
        except Exception as error:  # Ray raises bare ones
            if not left or "timed out during startup" not in str(error):
                raise


class Nodes:
    """A cluster of a head without CPUs and two nodes, which may be lost and are replaced."""

    def __init__(self) -> None:
        self.stopped: list[Any] = []
        self.start()

    def start(self) -> None:
        memory = psutil.virtual_memory()
        self.limit_bytes = memory.total - memory.available + SPARE_BYTES
        monitor = {"memory_usage_threshold": self.limit_bytes / memory.total, "memory_monitor_refresh_ms": 250}
        head = {**NODE, "num_cpus": 0, "include_dashboard": False, "_system_config": HEALTH | monitor}
        self.cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.nodes = [self.add() for _ in range(2)]

    def renew(self) -> None:
        """Start a new cluster in the place of this one, which may have lost its head."""
        for _, processes in self.stopped:
            send(processes, signal.SIGKILL)
        self.stopped.clear()
        with contextlib.suppress(Exception):  # what is left of it can't be asked any more
            self.cluster.shutdown()
        self.start()

    def add(self) -> Any:
        return started(lambda: self.cluster.add_node(**NODE))

    def replace(self, node: Any) -> None:
        """Lose a node as if its machine were gone, and add another one."""
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.append(self.add())

    def stop(self, node: Any) -> None:
        """Stop all of a node's processes for good, and add another one."""
        processes = [self.raylet(node), *self.raylet(node).children(recursive=True)]
        send(processes, signal.SIGSTOP)
        self.nodes.remove(node)
        self.stopped.append((node, processes))
        self.nodes.append(self.add())

    def tidy(self) -> None:
        """End what was stopped for good, and have two nodes again that work."""
        for node, processes in self.stopped:
            send(processes, signal.SIGKILL)
            self.cluster.remove_node(node, allow_graceful=False)
        self.stopped.clear()
        for node in self.nodes[:]:
            if not node.live_processes() or node.dead_processes():  # Ray may have given up a node of a busy machine
                self.replace(node)
        while len(self.nodes) > 2:
            self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        while len(self.nodes) < 2:
            self.nodes.append(self.add())
        for each in self.workers() + self.others():
            with contextlib.suppress(psutil.Error):
                if each.status() == psutil.STATUS_STOPPED:
                    each.kill()

    def raylet(self, node: Any) -> psutil.Process:
        return psutil.Process(node.all_processes["raylet"][0].process.pid)

    def workers(self) -> list[psutil.Process]:
        """The actors that hold the model."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(psutil.Error):
                found += stages(self.raylet(node).pid)
        return found

    def killed_for_memory(self) -> int:
        """How often nodes say that they killed workers since memory ran out."""
        logs = Path(self.cluster.head_node.get_logs_dir_path()).glob("raylet*.out")
        return sum(log.read_bytes().count(b"OOM kill reason") for log in logs)

    def others(self) -> list[psutil.Process]:
        """The processes of tasks: readers, and what assembles shards."""
        found = []
        for node in self.nodes:
            with contextlib.suppress(psutil.Error):
                for each in self.raylet(node).children(recursive=True):
                    if re.match(r"ray::(?!.*(LinkStage|Agent|IDLE))", " ".join(each.cmdline())):
                        found.append(each)
        return found

    def close(self) -> None:
        self.cluster.shutdown()


class Round:
    """A run directory, the job that fills it, and what hits it.

    Args:
        nodes: Where the job runs.
        run: The run directory's path or URI.
        options: Of the command, but `--out-corpus`.
        chance: Of this round.
        store: The S3 that the run directory lies on; None for a local one.
    """

    def __init__(
        self, nodes: Nodes, run: str, options: list[object], chance: random.Random, store: FaultyStore | None
    ) -> None:
        self.nodes, self.run, self.options, self.chance, self.store = nodes, run, options, chance, store
        self.faults: list[dict[str, Any]] = []
        self.starts, self.said, self.hangs = 0, "", float("inf")
        self.job: Any = None
        self._entered = contextlib.ExitStack()

    def start(self) -> None:
        """Start the job, or start it again."""
        self._entered.close()
        self.starts += 1
        self.hangs = time.monotonic() + HUNG
        program = (sys.executable, "-c", JOB.format(lease=LEASE, work=WORK, patience=PATIENCE))
        variables = {"RAY_ADDRESS": self.address, "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_PATIENCE)}
        made = command(*self.options, "--out-corpus", self.run, program=program, **variables)
        self.job = self._entered.enter_context(made)
        self.log = self.job

    @property
    def address(self) -> str:
        return str(self.nodes.cluster.address)

    def progress(self) -> int:
        """A number that changes with each chunk that was written, and on a disk with each shard that was published."""
        if self.store is not None:
            return sum(method == "PUT" and path.endswith(".arrow") for method, path, _ in self.store.requests)
        names = [name for _, _, files in os.walk(self.run) for name in files]  # it bears directories that go
        return sum(name.endswith(".arrow") for name in names) + 1_000 * sum(name.endswith(".json") for name in names)

    def wait(self, condition: Callable[[], bool], seconds: float = HUNG) -> bool:
        """Wait until a condition holds, the job is over, or so much time has passed; whether it holds."""
        until = time.monotonic() + seconds
        while self.job.poll() is None and time.monotonic() < until:
            if time.monotonic() > self.hangs:
                raise TimeoutError
            if condition():
                return True
            time.sleep(0.02)
        return False

    def goes_on(self) -> bool:
        """Wait until the job has written a chunk or published a shard; False if it ended first."""
        before = self.progress()
        done = self.wait(lambda: self.progress() != before)
        self.hangs = time.monotonic() + HUNG
        return done

    def end(self) -> int:
        """Take in what an ended job said; its status."""
        self.said = self.job.communicate(timeout=60)[0]
        if "Traceback" in self.said:
            raise AssertionError(f"the job ended with a traceback:\n{self.said}")
        return int(self.job.returncode)

    def hit(self, kind: str) -> bool:
        """Have a fault of a kind happen; whether it could."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(KINDS[kind](self))
        return False

    def close(self) -> None:
        self._entered.close()


def kill_worker(of: Round) -> bool:
    return _signal(of.chance, of.nodes.workers(), signal.SIGKILL)


def kill_task(of: Round) -> bool:
    return _signal(of.chance, of.nodes.others(), signal.SIGKILL)


def _signal(chance: random.Random, processes: list[psutil.Process], number: int) -> bool:
    return bool(processes) and send([chance.choice(processes)], number)


def send(processes: list[psutil.Process], number: int) -> bool:
    sent = False
    for each in processes:
        with contextlib.suppress(psutil.Error):
            each.send_signal(number)
            sent = True
    return sent


def stop_worker(of: Round) -> bool:
    """For good: it doesn't die, and does nothing."""
    return _signal(of.chance, of.nodes.workers(), signal.SIGSTOP)


def stop_node(of: Round) -> bool:
    of.nodes.stop(of.chance.choice(of.nodes.nodes))
    return True


def freeze_worker(of: Round) -> bool:
    """For a few seconds."""
    workers = of.nodes.workers()
    return bool(workers) and _freeze(of, [of.chance.choice(workers)])


def freeze_node(of: Round) -> bool:
    """All of it, for a few seconds."""
    raylet = of.nodes.raylet(of.chance.choice(of.nodes.nodes))
    return _freeze(of, [raylet, *raylet.children(recursive=True)])


def _freeze(of: Round, processes: list[psutil.Process]) -> bool:
    send(processes, signal.SIGSTOP)
    of.wait(lambda: False, of.chance.uniform(0.5, 5))
    return send(processes, signal.SIGCONT)


def lose_node(of: Round) -> bool:
    of.nodes.replace(of.chance.choice(of.nodes.nodes))
    return True


def add_node(of: Round) -> bool:
    """For the rest of the round."""
    of.nodes.nodes.append(of.nodes.add())
    return True


def lose_head(of: Round) -> bool:
    """And all else of the cluster; another one is there before the job is started again."""
    head = of.nodes.cluster.head_node
    for each in (*head.all_processes["gcs_server"], *head.all_processes["raylet"]):
        each.process.kill()
    of.wait(lambda: False)
    of.end()
    if of.job.returncode and "is lost" not in of.said:
        raise AssertionError(f"the job ended with {of.job.returncode} without a sentence:\n{of.said}")
    of.nodes.renew()
    return True


def use_up_memory(of: Round) -> bool:
    """Until Ray's monitor has killed a worker, for some seconds at most."""
    before = of.nodes.killed_for_memory()
    memory = psutil.virtual_memory()
    size = of.nodes.limit_bytes - (memory.total - memory.available) + (1 << 28)
    ballast = subprocess.Popen([sys.executable, "-c", _BALLAST, str(max(size, 0))], stdout=subprocess.PIPE)
    try:
        of.wait(lambda: of.nodes.killed_for_memory() > before, 20)
        return of.nodes.killed_for_memory() > before
    finally:
        ballast.kill()
        ballast.communicate()


def kill_driver(of: Round) -> bool:
    return _signal_driver(of, signal.SIGKILL, -signal.SIGKILL)


def terminate_driver(of: Round) -> bool:
    return _signal_driver(of, signal.SIGTERM, 143)


def interrupt_driver(of: Round) -> bool:
    return _signal_driver(of, signal.SIGINT, 130)


def _signal_driver(of: Round, number: int, status: int) -> bool:
    if of.job.poll() is not None:
        return False
    of.job.send_signal(number)
    of.wait(lambda: False)
    if of.job.returncode not in (0, status):
        raise AssertionError(f"status {of.job.returncode} after signal {number}:\n{of.end()}{of.said}")
    return True


def fail_requests(of: Round) -> bool:
    """Every third request of the store, for some seconds."""
    return _fault(of, every(3, of.chance.choice([503, 500])), of.chance.uniform(1, 5))


def take_store_away(of: Round) -> bool:
    """For a time that the job bears, or doesn't."""
    seconds = of.chance.uniform(0.5, 2 * OUTAGE)
    return _fault(of, for_seconds(seconds, of.chance.choice(["away", 503])), seconds)


def slow_store(of: Round) -> bool:
    return _fault(of, slow(of.chance.uniform(0.1, 0.4)), of.chance.uniform(1, 5))


def _fault(of: Round, fault: Any, seconds: float) -> bool:
    assert of.store is not None
    of.store.fault = fault
    of.wait(lambda: False, seconds)
    of.store.fault = lambda method, path: None
    return True


def deny_requests(of: Round) -> bool:
    """As with credentials that expired, for some seconds."""
    status = of.chance.choice([400, 403])
    return _fault(of, lambda method, path: status, of.chance.uniform(0.5, OUTAGE))


def fill_disk(of: Round) -> bool:
    """For some seconds."""
    ballast = Path(of.run).parent / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))
    of.wait(lambda: False, of.chance.uniform(0.2, 3))
    ballast.unlink()
    return True


#: What can happen, by its name; of the store only in rounds on one, of the disk only in the others.
KINDS: dict[str, Callable[[Round], bool]] = {
    "worker killed": kill_worker,
    "reader or writer killed": kill_task,
    "worker frozen for seconds": freeze_worker,
    "node frozen for seconds": freeze_node,
    "worker frozen for good": stop_worker,
    "node frozen for good": stop_node,
    "node lost": lose_node,
    "node added": add_node,
    "head lost, all started again": lose_head,
    "out of memory": use_up_memory,
    "driver killed": kill_driver,
    "driver told to end (SIGTERM)": terminate_driver,
    "driver interrupted (Ctrl-C)": interrupt_driver,
    "store answers 500 or 503": fail_requests,
    "store away": take_store_away,
    "store slow": slow_store,
    "store denies (credentials)": deny_requests,
    "disk full": fill_disk,
}
#: How often, beside 1: what ends a job is followed by a start, which takes most of a round's time.
WEIGHTS = {
    "worker killed": 3,
    "reader or writer killed": 2,
    "node frozen for good": 0.3,
    "node added": 0.3,
    "head lost, all started again": 0.3,
} | dict.fromkeys([kind for kind in KINDS if kind.startswith("driver")], 0.5)
ENDS = ("driver", "head", "store away", "store denies", "disk full")


def kinds_of(on_store: bool, can_mount: bool) -> list[str]:
    left_out = ("disk",) if on_store or not can_mount else ()
    return [kind for kind in KINDS if not kind.startswith(left_out or "-") and (on_store or "store" not in kind)]


def play(of: Round, kinds: list[str], count: int) -> None:
    """Run the job to its end, while so many faults hit it, or as many as it lasts for."""
    weights = [WEIGHTS.get(kind, 1) for kind in kinds]
    of.start()
    for kind in of.chance.choices(kinds, weights, k=count):
        if of.chance.random() > 0.15 and not of.goes_on():  # else at any moment, of its start too
            break
        of.wait(lambda: False, of.chance.uniform(0, 3 * WORK))
        if of.job.poll() is not None:
            break
        begun, restarts = time.monotonic(), of.starts
        if not of.hit(kind):
            continue
        while not of.goes_on() and (status := of.end()):
            if not kind.startswith(ENDS):
                print(f"  after {kind!r} the job ended with {status}: {of.said.strip()[-300:]}", flush=True)
            if of.starts - restarts == 20:
                raise AssertionError(f"the job can't be ended:\n{of.said}")
            of.start()
        of.faults.append(
            {"kind": kind, "seconds": round(time.monotonic() - begun, 2), "restarts": of.starts - restarts}
        )
    for said in to_its_end(of, 20 + count):
        print(f"  at the end of a round the job ended with {said}", flush=True)


def to_its_end(of: Round, most_starts: int) -> list[str]:
    """Have the job end well, by the same command as often as it takes; status and last words of each other end."""
    ends: list[str] = []
    while True:
        while of.goes_on():
            pass
        if not (status := of.end()):
            return ends
        ends.append(f"{status}: {' '.join(of.said.strip().splitlines()[-1:])}")
        if of.starts > most_starts:
            raise AssertionError(f"the job can't be ended:\n{of.said}")
        of.start()


def output_of(run: str) -> dict[str, bytes]:
    """What a run directory holds for those who read it, by names, and parts that are left over."""
    return {
        name: storage.read_bytes(storage.join(run, name))
        for name in storage.names(run)
        if name.startswith((*FOLDERS, "parts"))
    }


def documents_of(output: dict[str, bytes]) -> Counter[bytes]:
    """How often each document is in the shards."""
    found: Counter[bytes] = Counter()
    for name, data in output.items():
        if name.startswith("shards/"):
            found.update(b"".join(pair) for pair in _ID.findall(gzip.decompress(data)))
    return found


@contextlib.contextmanager
def disk(home: Path) -> Iterator[bool]:
    """A small file system at `home`, where that may be had."""
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", home], check=False, capture_output=True
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", home], check=False)


def one_round(nodes: Nodes, options: list[object], number: int, args: Any, home: Path, whole: dict[str, bytes]) -> Any:
    """Play a round; what goes into the log."""
    chance = random.Random(f"{args.seed}/{number}")
    on_store = number % 3 == 2
    expected = documents_of(whole)
    with contextlib.ExitStack() as stack:
        can_mount = stack.enter_context(disk(home / f"disk{number}"))
        store = None
        if on_store:
            store = FaultyStore("faults")
            stack.callback(store.close)
        run = store.uri(f"run{number}") if store else str(home / f"disk{number}" / "run")
        of = Round(nodes, run, options, chance, store)
        stack.callback(nodes.tidy)
        stack.callback(of.close)
        begun, problem = time.monotonic(), ""
        try:
            play(of, kinds_of(on_store, can_mount), chance.randint(8, 16))
        except TimeoutError:
            problem = f"hung: no chunk for {HUNG:.0f} s"
        except AssertionError as error:
            problem = str(error)
        there = {} if problem else output_of(run)
        found = documents_of(there)
        differ = sorted(name for name in whole.keys() | there.keys() if whole.get(name) != there.get(name))
        return {
            "round": number,
            "place": "store" if on_store else "disk" if can_mount else "local",
            "faults": of.faults,
            "starts": of.starts,
            "seconds": round(time.monotonic() - begun, 1),
            "problem": problem,
            "lost": 0 if problem else sum((expected - found).values()),
            "doubled": sum((found - expected).values()),
            "different": [] if problem else differ[:20],
        }


def show(rounds: list[dict[str, Any]]) -> bool:
    """Print the table; whether all was well."""
    faults = [fault for each in rounds for fault in each["faults"]]
    print(f"\n{'kind':32} {'faults':>7} {'restarts':>9} {'median s':>9} {'longest s':>10}")
    for kind in KINDS:
        of_kind = [fault for fault in faults if fault["kind"] == kind]
        if of_kind:
            seconds = [fault["seconds"] for fault in of_kind]
            restarts = sum(fault["restarts"] for fault in of_kind)
            print(f"{kind:32} {len(of_kind):7} {restarts:9} {statistics.median(seconds):9.1f} {max(seconds):10.1f}")
    bad = [each for each in rounds if each["problem"] or each["different"]]
    compared = sum(not each["problem"] for each in rounds)
    lost, doubled = (sum(each[name] for each in rounds) for name in ("lost", "doubled"))
    print(
        f"{len(faults)} faults in {len(rounds)} rounds, {compared} compared ({compared * FILES * DOCUMENTS} documents; "
        f"{sum(each['starts'] for each in rounds)} starts, {sum(each['seconds'] for each in rounds):.0f} s): "
        f"{lost} lost, {doubled} doubled; {len(bad)} rounds with a problem or a different byte"
    )
    for each in bad:
        print(f"round {each['round']} ({each['place']}): {each['problem'] or each['different']}")
    return not bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play this round alone, and log nothing")
    parser.add_argument("--log", type=Path, default=Path("runs/random_faults.jsonl"))
    args = parser.parse_args()
    args.log.parent.mkdir(parents=True, exist_ok=True)
    rounds = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    os.environ["RAYBEL_OUTAGE_SECONDS"] = str(OUTAGE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the nodes are taken down
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    home = Path(tempfile.mkdtemp(prefix="raybel-faults-"))
    nodes = Nodes()
    try:
        model = make_model(home)
        (home / "in").mkdir()
        options: list[object] = ["--in-corpus", corpus_of(home / "in", FILES, DOCUMENTS), "--ontology", model.ontology]
        options += ["--ngrams-model", model.ngrams, "--chunk-documents", CHUNK, "--actors", 2]
        unbroken = Round(nodes, str(home / "whole"), options, random.Random(0), None)
        play(unbroken, [*KINDS], 0)
        unbroken.close()
        whole = output_of(str(home / "whole"))
        assert len(documents_of(whole)) == FILES * DOCUMENTS
        while args.round is not None or sum(len(each["faults"]) for each in rounds) < args.faults:
            number = args.round if args.round is not None else len(rounds)
            done = one_round(nodes, options, number, args, home, whole)
            rounds.append(done)
            print(json.dumps(done), flush=True)
            if args.round is not None:
                break
            with open(args.log, "a") as log:
                log.write(f"{json.dumps(done)}\n")
            if done["problem"]:  # the cluster may not be well any more
                nodes.renew()
    finally:
        nodes.close()
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(0 if show(rounds) else 1)


if __name__ == "__main__":
    main()
