"""The cluster files against Ray's own schema and raybel's command line; those of Kubernetes: `test_kubernetes.py`."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
import ray
from cluster_files import CLUSTER, FILES, JOB, LONG_LIVED, PATCHES, RAY_UPS, ROOT, changed, commands_of, ids, load
from command_blocks import blocks, commands, words
from ray.autoscaler._private.util import prepare_config, validate_config
from stand_ins import JOBS, STAND_INS, parsed, submitted

RAYBEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("path", RAY_UPS, ids=ids)
def test_ray_up_holds_to_rays_schema(path: Path) -> None:
    config = load(path)
    validate_config(prepare_config(config))
    for change in (
        lambda it: it.update(head_node="head"),
        lambda it: it.update(head_node_type="other"),
        lambda it: it["docker"].update(imagee="x"),
        lambda it: it["available_node_types"]["cpu"].update(minimum=1),
        lambda it: it["available_node_types"]["cpu-spot"].update(priority="first"),
        lambda it: it["available_node_types"]["gpu"]["docker"].update(image="x"),
        lambda it: it["available_node_types"]["cpu"].update(min_workers=50),
    ):
        with pytest.raises((jsonschema.ValidationError, ValueError)):
            validate_config(prepare_config(changed(config, change)))


@pytest.mark.parametrize("path", RAY_UPS, ids=ids)
def test_ray_up_has_workers_of_each_kind(path: Path) -> None:
    config = load(path)
    types = {name: kind for name, kind in config["available_node_types"].items() if name != "head"}
    assert list(types) == ["cpu", "cpu-spot", "gpu"]
    assert all(kind["min_workers"] < kind["max_workers"] <= config["max_workers"] for kind in types.values())
    assert types["cpu"]["min_workers"] > 0, "a job finds no CPU when it starts"
    spot = {name for name, kind in types.items() if re.search("(?i)'spot'", str(kind["node_config"]))}
    assert spot == {"cpu-spot"}
    assert types["gpu"]["docker"]["worker_image"] == config["docker"]["image"] + "-gpu"


def test_versions_are_the_installed_ones() -> None:
    for path in FILES:
        text = path.read_text()
        rays = re.findall(r"rayproject/ray:(\d[\w.]*)", text) + re.findall(r"ray\[default\]==(\d[\w.]*)", text)
        rays += re.findall(r"rayVersion: *(\S+)|that has only Ray ([\d.]+\d)", text)
        rays = ["".join(each) for each in rays]
        assert rays or path.suffix == ".sh" or path in PATCHES, f"{path} names no version of Ray"
        assert set(rays) - {ray.__version__} == set(), path
        raybels = re.findall(r"raybel[:-](\d+(?:\.\d+)+)", text)
        assert set(raybels) - {RAYBEL} == set(), path
        assert set(re.findall(r"py3\d+|python3\.\d+", text)) <= {"py311", "python3.11"}, path


def command_lines(path: Path) -> Iterator[list[str]]:
    """Yield the commands of raybel that a file gives: those of its comments, and its entrypoint."""
    yield from (line for line in commands_of(path) if line[0] in ("ray", "sbatch", "raybel"))
    if path == JOB:
        yield shlex.split(load(path)["spec"]["entrypoint"])


WITH_COMMANDS = [path for path in FILES if path.name != "Dockerfile" and path not in PATCHES]


@pytest.mark.parametrize("path", [*WITH_COMMANDS, *sorted(JOBS.glob("*.py"))], ids=ids)
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


def test_dockerfile_makes_what_is_used() -> None:
    text = (CLUSTER / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY .*", text, re.M) for word in line.split()[2:-1]]
    assert {"constraints.txt", "pyproject.toml", "raybel", "jobs"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"^USER (\S+)", text, re.M) == ["ray"]
    (installed,) = re.findall(r"^RUN (pip install (?:.*\\\n)*.*)", text, re.M)
    assert {"--no-cache-dir", "constraints.txt"} <= set(shlex.split(installed, comments=False)[:6])
    home = re.search(r"^WORKDIR (\S+)", text, re.M)[1]
    assert f"python {home}/jobs/link.py" in load(JOB)["spec"]["entrypoint"]
    built = {line[line.index("-t") + 1] for line in commands_of(CLUSTER / "Dockerfile") if line[1] == "build"}
    for path in (JOB, LONG_LIVED):
        assert set(re.findall(r"image: (\S+)", path.read_text())) == built


@pytest.mark.parametrize(("platform", "wheels"), [("cpu", "/whl/cpu"), ("gpu", "")])
def test_dockerfile_takes_torch_for_its_platform(platform: str, wheels: str) -> None:
    """The line that it installs with, run by a shell in which pip says how it was called."""
    installed = re.search(r"^RUN (pip install (?:.*\\\n)*.*)", (CLUSTER / "Dockerfile").read_text(), re.M)[1]
    script = f'pip() {{ echo "$@"; }}\n{installed}'
    done = subprocess.run(
        ["bash", "-euc", script], env={"PLATFORM": platform}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[:4] == ["install", "--no-cache-dir", "--constraint", "constraints.txt"]
    assert ("--extra-index-url" in done.stdout) == bool(wheels)
    assert done.stdout.strip().endswith(wheels)


def test_the_page_has_all_files_and_its_commands_fit_them() -> None:
    """What `test_docs.py` finds as well, after all that the pages before have made."""
    page = ROOT / "docs/clusters.md"
    assert set(re.findall(r"`(cluster/[\w.-]+)`", page.read_text())) >= {
        f"cluster/{path.name}" for path in FILES if path.name != "Dockerfile"
    }
    lines = [words(command) for block in blocks(page) if block.language == "sh" for command in commands(block.text)]
    told = [line for line in lines if line[0] in STAND_INS]
    assert {line[0] for line in told} == {"docker", "kubectl", "ray", "sbatch"}
    for line in told:
        STAND_INS[line[0]](line)


@pytest.mark.parametrize(
    "command",
    [
        "sbatch cluster/slurm-array.sh --in-korpus x",
        "sbatch cluster/slurm-none.sh --in-corpus x",
        "kubectl create -f cluster/kuberay-none.yaml",
        "kubectl apply -f cluster/kuberay-link.yaml",
        "kubectl port-forward service/raybel-svc 8265:8265",
        "kubectl patch --local -f cluster/kuberay-link.yaml --patch-file cluster/none.yaml | kubectl create -f -",
        "docker build -f cluster/Dockerfile --build-arg CUDA=12 -t x .",
        "ray job submit --working-dir . -- python jobs/link.py --in-corpus x --out-corpus y",
        "ray job submit --working-dir jobs -- python jobs/link.py --in-corpus x --out-corpus y",
        "ray job submit --working-dir . --runtime-env cluster/none.yaml -- python jobs/link.py --in-corpus x",
        "ray up -y cluster/kuberay-link.yaml",
    ],
)
def test_a_command_that_does_not_fit_would_be_found(command: str) -> None:
    line = words(command)
    with pytest.raises((AssertionError, OSError, KeyError, click.ClickException)):
        STAND_INS[line[0]](line)
