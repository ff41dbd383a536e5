"""The cluster files against Ray's own schema, KubeRay's field names and rules, and raybel's command line."""

import ast
import copy
import json
import re
import shlex
import shutil
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
from stand_ins import merged, parsed, submitted

ROOT = Path(__file__).parent.parent
CLUSTER, JOBS = ROOT / "cluster", ROOT / "jobs"
RAY_UPS = [CLUSTER / "ray-up.yaml", CLUSTER / "ray-up-gcp.yaml"]
JOB, LONG_LIVED = CLUSTER / "kuberay-link.yaml", CLUSTER / "kuberay-cluster.yaml"
#: What is patched, and with what.
QUEUED = [
    (JOB, CLUSTER / "kueue-job.yaml"),
    (LONG_LIVED, CLUSTER / "kueue-cluster.yaml"),
    (JOB, CLUSTER / "volcano.yaml"),
    (LONG_LIVED, CLUSTER / "volcano.yaml"),
]
FILES = sorted(CLUSTER.iterdir())
RAYBEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
#: A field of a configuration, made wrong in some way.
Change = Callable[[dict[str, Any]], object]


def ids(path: Path) -> str:
    return path.name


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def changed(value: dict[str, Any], change: Change) -> dict[str, Any]:
    made = copy.deepcopy(value)
    change(made)
    return made


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


def kuberay_validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / "tests/fixtures/cluster/kuberay-schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def cluster_of(value: dict[str, Any]) -> dict[str, Any]:
    return value["spec"].get("rayClusterSpec", value["spec"])


@pytest.mark.parametrize("path", [JOB, LONG_LIVED], ids=ids)
def test_kuberay_holds_to_the_api(path: Path) -> None:
    value, validator = load(path), kuberay_validator()
    validator.validate(value)
    for change in (
        lambda it: it.update(kind="RayJobs"),
        lambda it: it["metadata"].update(name="both-names", generateName="both-"),
        lambda it: it["metadata"].update(labels={"kueue.x-k8s.io/queue": "x"}),
        lambda it: cluster_of(it)["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        lambda it: cluster_of(it).update(enableInTreeAutoscaling=False),
        lambda it: cluster_of(it).pop("enableInTreeAutoscaling"),
        lambda it: cluster_of(it)["autoscalerOptions"].update(idleTimeout=60),
        lambda it: cluster_of(it)["autoscalerOptions"].update(version="2"),
        lambda it: cluster_of(it)["workerGroupSpecs"][0].update(replica=1),
        lambda it: cluster_of(it)["workerGroupSpecs"][0]["template"]["spec"].update(restartPolicy="Always"),
        lambda it: cluster_of(it)["workerGroupSpecs"][0]["template"]["spec"]["tolerations"][0].pop("key"),
        lambda it: cluster_of(it)["workerGroupSpecs"][1]["template"]["spec"]["tolerations"][0].update(value="x"),
        lambda it: container(it, 1)["resources"]["limits"].update({"nvidia.com/gpus": "1"}),
    ):
        assert not validator.is_valid(changed(value, change))


def test_kuberay_job_holds_to_the_api() -> None:
    value, validator = load(JOB), kuberay_validator()
    for change in (
        lambda it: it.update(kind="RayCluster"),
        lambda it: it["spec"].update(shutdownAfterJobFinish=True),
        lambda it: it["spec"].pop("entrypoint"),
        lambda it: it["spec"].update(suspend=True, shutdownAfterJobFinishes=False),
    ):
        assert not validator.is_valid(changed(value, change))


def container(value: dict[str, Any], group: int) -> dict[str, Any]:
    return cluster_of(value)["workerGroupSpecs"][group]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("path", [JOB, LONG_LIVED], ids=ids)
def test_kuberay_pods(path: Path) -> None:
    """They mount what they declare; workers may run on spot nodes, the head mustn't; GPUs are where they are for."""
    cluster = cluster_of(load(path))
    head, groups = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    for group in (head, *groups):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for each in pod["containers"]:
            assert {mount["name"] for mount in each["volumeMounts"]} == set(volumes)
    assert "tolerations" not in head["template"]["spec"]
    keys = [{each["key"] for each in group["template"]["spec"]["tolerations"]} for group in groups]
    assert keys[1] - keys[0] == {"nvidia.com/gpu"}
    assert {"cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"} <= keys[0]
    limits = [group["template"]["spec"]["containers"][0]["resources"]["limits"] for group in groups]
    assert ["nvidia.com/gpu" in each for each in limits] == [False, True]


@pytest.mark.parametrize("path", [JOB, LONG_LIVED], ids=ids)
def test_kuberay_groups_grow_between_bounds(path: Path) -> None:
    groups = {group["groupName"]: group for group in cluster_of(load(path))["workerGroupSpecs"]}
    assert list(groups) == ["cpu", "gpu"]
    for group in groups.values():
        assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    assert groups["cpu"]["minReplicas"] > 0, "a job finds no CPU when it starts"
    assert groups["gpu"]["minReplicas"] == 0


@pytest.mark.parametrize(("path", "patch"), QUEUED, ids=ids)
def test_queues_take_what_is_patched(path: Path, patch: Path) -> None:
    value, validator = merged(load(path), load(patch)), kuberay_validator()
    validator.validate(value)
    name = next(name for name in value["metadata"]["labels"] if name.endswith("/queue-name"))
    changes: list[Change] = [lambda it: it["metadata"]["labels"].update({name + "s": "x"})]
    if "kueue" in patch.name:
        changes += [
            lambda it: it["spec"].update(suspend=False),
            lambda it: cluster_of(it).update(workerGroupSpecs=cluster_of(it)["workerGroupSpecs"] * 4),
        ]
        inelastic = changed(value, lambda it: it["metadata"].pop("annotations", None))
        changes.append(lambda it: it.update(changed(inelastic, lambda its: grow(cluster_of(its)))))
    else:
        changes.append(lambda it: it["metadata"]["labels"].pop("ray.io/scheduler-name"))
        changes.append(lambda it: it["metadata"]["labels"].update({"ray.io/scheduler-name": "vulcano"}))
    for change in changes:
        assert not validator.is_valid(changed(value, change))


def grow(cluster: dict[str, Any]) -> None:
    cluster["enableInTreeAutoscaling"] = True


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl isn't installed")
@pytest.mark.parametrize(("path", "patch"), QUEUED, ids=ids)
def test_kubectl_patches_alike(path: Path, patch: Path) -> None:
    """The command of the file's own lines, without a cluster."""
    command = next(line for line in commands_of(patch) if line[:3] == ["kubectl", "patch", "--local"])
    command = [str(path) if word.endswith(("link.yaml", "kuberay-cluster.yaml")) else word for word in command]
    command[command.index("-o") + 1 :] = ["json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == merged(load(path), load(patch))


def test_versions_are_the_installed_ones() -> None:
    for path in FILES:
        text = path.read_text()
        rays = re.findall(r"rayproject/ray:(\d[\w.]*)", text) + re.findall(r"ray\[default\]==(\d[\w.]*)", text)
        rays += re.findall(r"rayVersion: *(\S+)|that has only Ray ([\d.]+\d)", text)
        rays = ["".join(each) for each in rays]
        assert rays or path.suffix == ".sh" or path in [patch for _, patch in QUEUED], f"{path} names no version of Ray"
        assert set(rays) - {ray.__version__} == set(), path
        raybels = re.findall(r"raybel[:-](\d+(?:\.\d+)+)", text)
        assert set(raybels) - {RAYBEL} == set(), path
        assert set(re.findall(r"py3\d+|python3\.\d+", text)) <= {"py311", "python3.11"}, path


def commands_of(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a file's comments that are commands, as words; what a backslash continues is one line."""
    text = path.read_text()
    comments = "\n".join(re.findall(r"(?m)^# ?(.*)", text))
    text = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else comments
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\s*(ray job submit|sbatch|raybel|kubectl|docker) ", line):
            yield shlex.split(line, comments=True)


def command_lines(path: Path) -> Iterator[list[str]]:
    """Yield the commands of raybel that a file gives: those of its comments, and its entrypoint."""
    yield from (line for line in commands_of(path) if line[0] in ("ray", "sbatch", "raybel"))
    if path == JOB:
        yield shlex.split(load(path)["spec"]["entrypoint"])


WITH_COMMANDS = [path for path in FILES if path.name != "Dockerfile" and path not in [patch for _, patch in QUEUED]]


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
