"""What stands in for a command that needs a network, a cluster or a scheduler: it checks what can be checked here.

Files that are named must exist, options must be those of the command, YAML must load. A stand-in raises an
`AssertionError`, or click's own error, where that isn't so.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from raybel.cli import main

ROOT = Path(__file__).parent.parent
JOBS = ROOT / "jobs"
#: What a script of Slurm hands its arguments to, all or some.
_RUNS = re.compile(r'^ *(?:python jobs/|raybel )(\w+)(?:\.py)? "\$', re.M)


def parsed(name: str, arguments: list[str]) -> dict[str, Any]:
    """Return the options of a raybel command line; unknown and missing ones are click's errors."""
    command = main.get_command(click.Context(main), name)
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.get_command(click.Context(command), name)
    assert command is not None, name
    context = command.make_context(name, list(arguments))
    return context.params


def submitted(line: list[str]) -> tuple[str, list[str]]:
    """Return the command that a command line runs, and its arguments."""
    if line[0] == "raybel":
        return line[1], line[2:]
    if line[0] == "sbatch":
        at = next(at for at, word in enumerate(line) if word.endswith(".sh"))
        assert all(word.startswith("--") for word in line[1:at]), line
        return _RUNS.search((ROOT / line[at]).read_text())[1], line[at + 1 :]
    at = line.index("python") + 1
    script = JOBS / Path(line[at]).name
    assert script.exists(), line
    if line[0] == "ray":
        assert "--" in line[:at]
        sent = line[line.index("--working-dir") + 1]
        assert (ROOT / sent / line[at]) == script, line
        # Where the whole repository is sent, it is because nodes have nothing of it.
        assert (sent == ".") == ("--runtime-env" in line), line
        assert sent != "." or (ROOT / line[line.index("--runtime-env") + 1]).exists(), line
    return script.stem, line[at + 1 :]


def merged(value: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied, as RFC 7396 has it: null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(value) if isinstance(value, dict) else {}
    kept |= {name: merged(kept.get(name), each) for name, each in patch.items() if each is not None}
    return {name: each for name, each in kept.items() if patch.get(name, ...) is not None}


def sbatch(line: list[str]) -> None:
    """Needs Slurm: the script is ours, and takes these options."""
    parsed(*submitted(line))


def ray(line: list[str]) -> None:
    """Needs a cluster: the configuration loads; a submitted job has an entry point that takes these options."""
    if line[1] == "job":
        parsed(*submitted(line))
        return
    assert line[1] in ("up", "down", "dashboard", "exec"), line
    assert yaml.safe_load((ROOT / _only(line, ".yaml")).read_text())["cluster_name"]


def kubectl(line: list[str]) -> None:
    """Needs Kubernetes: the manifest loads, a patch fits it, an entry point takes its options, services are there."""
    if line[1] == "port-forward":
        clusters = [yaml.safe_load(path.read_text()) for path in (ROOT / "cluster").glob("kuberay-*.yaml")]
        assert line[2] in [f"service/{each['metadata'].get('name')}-head-svc" for each in clusters], line
        return
    value = yaml.safe_load((ROOT / line[line.index("-f") + 1]).read_text())
    if line[1] == "patch":
        patch = yaml.safe_load((ROOT / line[line.index("--patch-file") + 1]).read_text())
        assert line[line.index("|") :][:3] in (["|", "kubectl", "create"], ["|", "kubectl", "apply"]), line
        value = merged(value, patch)
    assert value["kind"] in ("RayJob", "RayCluster"), line
    assert "apply" not in line or "name" in value["metadata"], f"{line}: only what has a name can be applied"
    if value["kind"] == "RayJob":
        parsed(*submitted(shlex.split(value["spec"]["entrypoint"])))


def docker(line: list[str]) -> None:
    """Needs Docker and a registry: the file to build from is there, and has the build's arguments."""
    if line[1] == "push":
        return
    text = (ROOT / line[line.index("-f") + 1]).read_text()
    named = [line[at + 1].partition("=")[0] for at, word in enumerate(line) if word == "--build-arg"]
    assert set(named) <= set(re.findall(r"^ARG (\w+)", text, re.M)), line


def make(line: list[str]) -> None:
    """Sets up an environment for minutes: the target is there."""
    subprocess.run(["make", "--dry-run", *line[1:]], cwd=ROOT, check=True, capture_output=True)


def source(line: list[str]) -> None:
    """The environment that make sets up: it is where the Makefile has it."""
    venv = re.search(r"^VENV := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
    assert line[1:] == [f"{venv}/bin/activate"]


def pip(line: list[str]) -> None:
    """Needs a network: extras and the constraints file are there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"\[(\w+)\]", " ".join(line))
    assert set(extras) <= set(project["optional-dependencies"]), line
    assert "-c" not in line or (ROOT / line[line.index("-c") + 1]).exists(), line


def tensorboard(line: list[str]) -> None:
    """Runs until it is stopped: there are events to show."""
    assert list(Path(line[line.index("--logdir") + 1]).rglob("events.out.*")), line


def _only(line: list[str], suffix: str) -> str:
    (name,) = (word for word in line if word.endswith(suffix))
    return name


STAND_INS: dict[str, Callable[[list[str]], None]] = {
    function.__name__: function for function in (docker, kubectl, make, pip, ray, sbatch, source, tensorboard)
}
