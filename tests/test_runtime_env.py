"""`cluster/runtime-env.yaml`: Ray takes it, its packages are raybel's, and a job runs on nodes without raybel."""

import copy
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import ray
import yaml
from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE, create_package
from ray.runtime_env import RuntimeEnv, RuntimeEnvConfig
from samples import annotation, collection, document, passage, save

from raybel.jobs.connection import ENVIRONMENT

ROOT = Path(__file__).parent.parent
FILE = ROOT / "cluster/runtime-env.yaml"


def content() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def validate(value: dict[str, Any]) -> None:
    """Raise an error where Ray would, and where it would pass over what it doesn't know."""
    RuntimeEnv(**value).serialize()
    assert set(value) <= RuntimeEnv.known_fields
    assert set(value["config"]) <= RuntimeEnvConfig.known_fields


def test_ray_takes_it() -> None:
    validate(content())
    for field, wrong in (
        ("pip", 1),
        ("pip", {"packages": "torch"}),
        ("pip", {"package": ["torch"]}),
        ("excludes", "data"),
        ("env_vars", {"KMP_BLOCKTIME": 0}),
        ("config", {"setup_timeout_seconds": "1800"}),
        ("config", {"setup_timeout": 1800}),
        ("exclude", ["data"]),
    ):
        with pytest.raises((TypeError, ValueError, AssertionError)):
            validate({**copy.deepcopy(content()), field: wrong})


def test_packages_are_those_of_raybel_at_their_pinned_versions() -> None:
    constraints, *packages = content()["pip"]["packages"]
    assert constraints == "-c ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/constraints.txt"
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert set(packages) <= set(pins)
    needed = set(map(name_of, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]))
    needed |= {name_of(each) for each in metadata.requires("ray") if re.search(r"extra == .(data|train|tune)\W", each)}
    assert list(map(name_of, packages)) == sorted(needed - {"ray"})


def test_nodes_have_the_environment_of_a_job() -> None:
    assert content()["env_vars"] == ENVIRONMENT


def test_what_is_sent_is_the_package_and_little_else(tmp_path: Path) -> None:
    """Packed as Ray does it, from a directory that has as much beside the package as one in use."""
    home = tmp_path / "home"
    for name in ("raybel", "jobs", "cluster", "constraints.txt", "pyproject.toml", ".gitignore"):
        home.mkdir(exist_ok=True)
        (home / name).symlink_to(ROOT / name)
    left_out = [".git/x", ".venv/x", "data/x", "runs/x", "models/x", "tests/x", "docs/x", "raybel.egg-info/x"]
    kept = ["configs/data/mine.yaml"]
    for name in (*left_out, *kept):
        save(home / name, "x")
    create_package(str(home), tmp_path / "sent.zip", True, excludes=content()["excludes"])
    names = ZipFile(tmp_path / "sent.zip").namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"raybel/cli/__init__.py", "jobs/link.py", "constraints.txt", *kept} <= set(names)
    assert tops == {"raybel", "jobs", "cluster", "configs", "constraints.txt", "pyproject.toml", ".gitignore"}
    assert not [name for name in names if "__pycache__" in name]
    assert (tmp_path / "sent.zip").stat().st_size < GCS_STORAGE_MAX_SIZE / 20


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A cluster of one node, whose Python has Ray and nothing of raybel; its commands, and its address for jobs."""
    home = tmp_path_factory.mktemp("head")
    venv.create(home / "venv", with_pip=True)
    commands = home / "venv/bin"
    subprocess.run([commands / "pip", "install", "-q", f"ray[default]=={ray.__version__}"], check=True)
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port", "metrics-export-port")
    ports = {name: free_port() for name in names}
    address = f"http://127.0.0.1:{ports['dashboard-port']}"
    start = [commands / "ray", "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
    start += [f"--temp-dir=/tmp/ray-{os.getpid()}", *(f"--{name}={port}" for name, port in ports.items())]
    started = subprocess.Popen(start, start_new_session=True)
    try:
        for _ in range(120):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ports["dashboard-port"])) == 0:
                    break
            assert started.poll() is None
            time.sleep(1)
        urllib.request.urlopen(f"{address}/api/version", timeout=60).close()
        yield commands, address
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait()


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_a_job_runs_where_raybel_is_not_installed(
    head: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of the file's first lines; it takes minutes, and a package registry."""
    for name in ("RAY_ADDRESS", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    commands, address = head
    assert subprocess.run([commands / "python", "-c", "import raybel"], cwd="/", check=False).returncode == 1
    save(tmp_path / "corpus/mine.xml", collection(document("1", passage("Gout.", annotation("Gout", (0, 4))))))
    save(tmp_path / "ontology.json", [{"id": "D1", "name": "gout"}])
    raybel = [sys.executable, "-m", "raybel"]
    model = ["train", "ngrams", "--ontology", tmp_path / "ontology.json", "--output-dir", tmp_path / "model"]
    subprocess.run([*raybel, *model], cwd=ROOT, check=True)
    job = ["python", "jobs/link.py", "--in-corpus", tmp_path / "corpus", "--ontology", tmp_path / "ontology.json"]
    job += ["--ngrams-model", tmp_path / "model", "--out-corpus", tmp_path / "run", "--actors", "1"]
    submit = [commands / "ray", "job", "submit", "--address", address, "--working-dir", "."]
    subprocess.run([*submit, "--runtime-env", FILE.relative_to(ROOT), "--", *job], cwd=ROOT, check=True)
    assert (tmp_path / "run/shards/mine.xml.gz").exists()
