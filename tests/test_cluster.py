"""The cluster files against Ray's own schema, KubeRay's field names, and raybel's command line."""

import ast
import copy
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from stand_ins import parsed, submitted

ROOT = Path(__file__).parent.parent
CLUSTER, JOBS = ROOT / "cluster", ROOT / "jobs"
RAY_UP, KUBERAY, SLURM = CLUSTER / "ray-up.yaml", CLUSTER / "kuberay-link.yaml", CLUSTER / "slurm-link.sh"
FILES = sorted(path for path in CLUSTER.iterdir() if path.suffix != ".json")  # a dashboard starts nothing
RAYBEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def ids(path: Path) -> str:
    return path.name


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def changed(value: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    made = copy.deepcopy(value)
    change(made)
    return made


def test_ray_up_holds_to_rays_schema() -> None:
    config = load(RAY_UP)
    validate_config(prepare_config(config))
    for change in (
        lambda it: it.update(head_node="head"),
        lambda it: it.update(head_node_type="other"),
        lambda it: it["docker"].update(imagee="x"),
        lambda it: it["available_node_types"]["worker"].update(minimum=1),
    ):
        with pytest.raises((jsonschema.ValidationError, ValueError)):
            validate_config(prepare_config(changed(config, change)))


def kuberay_validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / "tests/fixtures/cluster/rayjob-schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_kuberay_job_holds_to_the_api() -> None:
    job, validator = load(KUBERAY), kuberay_validator()
    validator.validate(job)
    for change in (
        lambda it: it["spec"].update(shutdownAfterJobFinish=True),
        lambda it: it["spec"].pop("entrypoint"),
        lambda it: it["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        lambda it: it["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(replica=1),
        lambda it: it["metadata"].update(name="both-names"),
    ):
        assert not validator.is_valid(changed(job, change))


def test_kuberay_pods_mount_what_they_declare() -> None:
    cluster = load(KUBERAY)["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)


@pytest.mark.parametrize("workers", ["ray-up", "kuberay"])
def test_workers_are_all_there_at_the_start(workers: str) -> None:
    """A job counts its actors once, so that workers which come later would idle."""
    if workers == "ray-up":
        worker = load(RAY_UP)["available_node_types"]["worker"]
        counts = [worker["min_workers"], worker["max_workers"], load(RAY_UP)["max_workers"]]
    else:
        group = load(KUBERAY)["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
        counts = [group[name] for name in ("replicas", "minReplicas", "maxReplicas")]
    assert len(set(counts)) == 1
    assert counts[0] > 0


def test_versions_are_the_installed_ones() -> None:
    for path in FILES:
        text = path.read_text()
        rays = re.findall(r"rayproject/ray:(\d[\w.]*)", text) + re.findall(r"ray\[default\]==(\d[\w.]*)", text)
        rays += re.findall(r"rayVersion: *(\S+)", text)
        assert rays, f"{path} names no version of Ray"
        assert set(rays) - {ray.__version__} == set(), path
        raybels = re.findall(r"raybel[:-](\d+(?:\.\d+)+)", text)
        assert set(raybels) - {RAYBEL} == set(), path
        assert set(re.findall(r"py3\d+|python3\.\d+", text)) <= {"py311", "python3.11"}, path


def command_lines(path: Path) -> Iterator[list[str]]:
    """Yield the commands that a file gives: those of its comments (continued by a backslash), and its entrypoint."""
    text = path.read_text()
    text = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else re.sub(r"(?m)^# ?", "", text)
    text = text.replace("\\\n", " ")
    for line in text.splitlines():
        if re.match(r"\s*(ray job submit|sbatch|raybel) ", line):
            yield shlex.split(line, comments=True)
    if path == KUBERAY:
        yield shlex.split(load(path)["spec"]["entrypoint"])


@pytest.mark.parametrize("path", [RAY_UP, KUBERAY, SLURM, *sorted(JOBS.glob("*.py"))], ids=ids)
def test_commands_are_the_command_lines(path: Path) -> None:
    lines = list(command_lines(path))
    assert lines
    for line in lines:
        name, arguments = submitted(line)
        if path.parent == JOBS:
            assert name == path.stem
        options = parsed(name, arguments)
        if name == "link":
            assert all(options[each] for each in ("in_corpus", "out_corpus", "ontology", "ngrams_model"))


def test_an_unknown_option_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed("link", ["--in-korpus", "x"])
    with pytest.raises(click.NoSuchOption):
        parsed("train", ["ngrams", "--ontology", "x", "--output-dir", "y", "--korpus", "z"])


def test_dockerfile_copies_what_is_there() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY .*", text, re.M) for word in line.split()[2:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    home = re.search(r"^WORKDIR (\S+)", text, re.M)[1]
    assert f"python {home}/jobs/link.py" in load(KUBERAY)["spec"]["entrypoint"]


def stub(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("status", [0, 3])
def test_slurm_script_ends_with_the_jobs_status(tmp_path: Path, status: int) -> None:
    """With commands in place of Slurm's, Ray's and Python's that write down how they were called."""
    assert subprocess.run(["bash", "-n", SLURM], check=False).returncode == 0
    tools, log = tmp_path / "bin", tmp_path / "log"
    tools.mkdir()
    (tools / "activate").write_text("")
    stub(tools, "scontrol", "printf 'node1\\nnode2\\nnode3\\n'")
    stub(tools, "hostname", "echo 127.0.0.1 10.0.0.1")
    stub(tools, "ray", 'echo "ray $*" >> "$LOG"')
    stub(tools, "srun", 'echo "srun $*" >> "$LOG"; exec sleep 30')
    # As the script's own Python does, this one waits for the nodes: they start in the background.
    nodes = 'for _ in {1..1000}; do [ "$(grep -c ^srun "$LOG")" = 2 ] && break; /bin/sleep 0.01; done'
    job = f'echo "python $* at $RAY_ADDRESS" >> "$LOG"; [ "$1" = - ] || exit {status}'
    stub(tools, "python", f'[ "$1" = - ] && {{ {nodes}; }}; {job}')
    stub(tools, "sleep", 'if [ "$1" = 1 ]; then exec /bin/sleep 0.01; else exec /bin/sleep "$@"; fi')
    variables = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "LOG": str(log),
        "RAYBEL_VENV": str(tmp_path),
        "RAY_PORT": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "8",
    }
    arguments = ["--in-corpus", "a b", "--out-corpus", "run"]
    done = subprocess.run(
        [SLURM, *arguments], env=variables, cwd=ROOT, timeout=20, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    lines = log.read_text().splitlines()
    assert "ray get-auth-token --generate" in lines
    head, workers = sorted((line for line in lines if line.startswith("srun")), key=lambda line: "--head" not in line)
    assert "--nodes=1 --nodelist=node1 ray start --head --node-ip-address=127.0.0.1 --port=1" in head
    assert "--nodes=2 --exclude=node1 ray start --address=127.0.0.1:1" in workers
    assert all("--num-cpus=8" in line and line.endswith("--block") for line in (head, workers))
    assert [line for line in lines if line.startswith("python")] == [
        "python - 3 at 127.0.0.1:1",
        "python jobs/link.py --in-corpus a b --out-corpus run at 127.0.0.1:1",
    ]
