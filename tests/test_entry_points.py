"""`ray job submit` of the entry points, on a Ray head of our own with its dashboard."""

import contextlib
import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raybel.cli import main

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "tests/fixtures/demo"
BIN = Path(sys.executable).parent
START_SECONDS, JOB_SECONDS = 120, 240


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def session(leader: int) -> list[int]:
    """Return the processes of a session, which are those that its leader started and all theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def stop(head: subprocess.Popen[str]) -> None:
    """Stop a head under `ray start --block`, and all it started; `ray stop` would stop every Ray of this machine."""
    end = time.monotonic() + 10
    while (alive := session(head.pid)) and time.monotonic() < end:
        for each in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        head.poll()
        time.sleep(0.05)
    head.wait(timeout=1)


class Head:
    """A Ray with its dashboard, at `address`."""

    def __init__(self) -> None:
        self.temporary = tempfile.mkdtemp(prefix="rj", dir="/tmp")  # its sockets' names may have 107 characters
        port, dashboard, client, listen, grpc = free_ports(5)
        command = ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--include-dashboard=true"]
        command += [f"--port={port}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        command += [f"--dashboard-agent-listen-port={listen}", f"--dashboard-agent-grpc-port={grpc}"]
        command += ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={self.temporary}"]
        command += ["--num-cpus=2", f"--object-store-memory={256 << 20}"]
        self.log = Path(self.temporary, "start.log")
        with self.log.open("w") as file:
            options: dict[str, Any] = {"stdout": file, "stderr": file, "cwd": self.temporary, "env": environment()}
            self.process = subprocess.Popen(command, text=True, start_new_session=True, **options)
        self.address = f"http://127.0.0.1:{dashboard}"

    def wait(self) -> None:
        """Return once the dashboard answers."""
        end = time.monotonic() + START_SECONDS
        while not answers(f"{self.address}/api/version"):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        stop(self.process)
        shutil.rmtree(self.temporary, ignore_errors=True)


@pytest.fixture
def head() -> Iterator[Callable[[], Head]]:
    """Start Rays; they are stopped at the end."""
    heads = []

    def start() -> Head:
        heads.append(Head())
        heads[-1].wait()
        return heads[-1]

    try:
        yield start
    finally:
        for each in heads:
            each.stop()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Return the variables of a shell that knows nothing of another Ray, in which the tests' Python comes first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ours = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "COLUMNS": "200"}
    ours["PATH"] = f"{BIN}:{os.environ['PATH']}"
    return {**kept, **ours}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the demo corpus, its ontology, and an n-gram model."""
    home = tmp_path_factory.mktemp("demo")
    source = ["--ncbidisease-dir", DEMO, "--ctd-medic-diseases", DEMO / "CTD_diseases.tsv"]
    run("prepare", "ncbi-disease", *source, "--out-dir", home)
    corpus = ["--train-corpus", home / "train.bioc.xml.gz", "--ontology", home / "ontology.arrow"]
    run("train", "ngrams", *corpus, "--output-dir", home / "ngrams")
    return home


def run(*arguments: object) -> None:
    main([str(each) for each in arguments], standalone_mode=False)


def submit(start: Callable[[], Head], script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Submit a job as the entry points' docstrings say, from another directory, and follow its log to the end."""
    head, heads = start(), 1
    end = time.monotonic() + 2 * START_SECONDS
    while True:
        command = ["ray", "job", "submit", "--address", head.address, "--working-dir", ROOT / "jobs"]
        done = subprocess.run(
            [str(each) for each in (*command, "--", "python", script, *arguments)],
            env=environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=JOB_SECONDS,
            check=False,
        )
        if time.monotonic() > end:
            return done
        if "ConnectionError" in done.stderr and heads < 3:  # Ray's dashboard gives up on a machine that is too busy
            head, heads = start(), heads + 1
        elif "No available agent" not in done.stderr:
            return done
        time.sleep(1)  # the dashboard answers before the agent that takes jobs is there


def link(demo: Path, model: str, run: Path) -> list[object]:
    corpus = ["--in-corpus", demo / "val.bioc.xml.gz", "--ontology", demo / "ontology.arrow"]
    return [*corpus, "--ngrams-model", demo / model, "--out-corpus", run]


@pytest.mark.bench
def test_link_job(head: Callable[[], Head], demo: Path, tmp_path: Path) -> None:
    done = submit(head, "link.py", *link(demo, "ngrams", tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^documents +25 *$", done.stdout, re.M), done.stdout
    (shard,) = (tmp_path / "run" / "shards").iterdir()
    assert shard.name == "val.bioc.xml.gz"
    assert gzip.decompress(shard.read_bytes()).count(b'<infon key="link_id">') > 100


@pytest.mark.bench
def test_link_job_without_its_model(head: Callable[[], Head], demo: Path, tmp_path: Path) -> None:
    done = submit(head, "link.py", *link(demo, "nothing", tmp_path / "run"))
    assert done.returncode == 1
    assert f"raybel: --ngrams-model {demo / 'nothing'}: no such file" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "run" / "shards").exists()


@pytest.mark.parametrize("name", ["evaluate", "link", "lookup", "prepare", "sample", "train"])
def test_entry_points_are_the_commands(name: str) -> None:
    command = [sys.executable, ROOT / "jobs" / f"{name}.py", "--help"]
    done = subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: raybel {name} ")


def test_status_of_wrong_usage_is_the_commands() -> None:
    command = [sys.executable, ROOT / "jobs/link.py", "--in-corpus", "x"]
    done = subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Missing option '--out-corpus'" in done.stderr
