"""What is for Kubernetes, against KubeRay's field names and rules, and those of the queues."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cluster_files import JOB, LONG_LIVED, QUEUED, ROOT, Change, changed, commands_of, ids, load
from stand_ins import merged


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
