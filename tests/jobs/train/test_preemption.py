"""A node that is about to be taken away from a training: on a cluster of several nodes on this machine."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from killed_training import known_checkpoint
from ray_fixture import clean_environment, cluster, command, node, wait_for

from raybel.candidates.training.parameters import AlignmentParameters
from raybel.jobs.train.config import TrainSapbertConfig, Workers
from raybel.jobs.train.sapbert import train_sapbert
from raybel.ontology import Concept, Ontology

PATIENCE = 300.0
PARAMETERS = AlignmentParameters(pairs=4_000, batch_size=2, average=1.0, mention_epochs=0)


@pytest.mark.bench
@pytest.mark.timeout(1200)
def test_what_was_done_before_a_node_is_taken_away_is_kept(local_ray, encoder, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", raising=False)  # a Ray of one machine needs none
    concepts = [Concept(f"X{number}", f"name {number}", [f"synonym {number}"]) for number in range(4_000)]
    Ontology.from_concepts(concepts).save(str(tmp_path / "o.arrow"))
    whole, out = tmp_path / "whole", tmp_path / "out"
    config = {"ontology": str(tmp_path / "o.arrow"), "base_model": str(encoder), "pooling": "mean"}
    one_cpu = Workers(cpus_per_worker=1)  # more threads sum in another order
    train_sapbert(TrainSapbertConfig(**config, output_dir=str(whole), parameters=PARAMETERS, workers=one_cpu))
    (tmp_path / "p.json").write_text(json.dumps({"sapbert": asdict(PARAMETERS)}))
    arguments = ["train", "sapbert", "--ontology", tmp_path / "o.arrow", "--base-model", encoder, "--pooling", "mean"]
    arguments += ["--output-dir", out, "--params", tmp_path / "p.json", "--max-failures", 0]
    arguments += ["--checkpoint-seconds", 100_000]
    progress = out / "progress.json"
    with cluster() as nodes:
        first = nodes.add_node(**node())
        with command(*arguments, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: progress.exists() and json.loads(progress.read_text()).get("step", 0) > 1, job)
            assert known_checkpoint(out) is None
            drain(nodes.address, first.node_id, 60)
            wait_for(lambda: known_checkpoint(out) is not None, job)
            assert json.loads((known_checkpoint(out) / "state.json").read_text())["position"]["steps"] > 0
            nodes.add_node(**node())
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def drain(address, node_id, seconds):
    """Tell a cluster that a node is about to be taken away, as a cloud's notice does."""
    ray = Path(sys.executable).parent / "ray"
    options = ["--address", address, "--node-id", node_id, "--deadline-remaining-seconds", seconds]
    options += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
    subprocess.run([ray, "drain-node", *map(str, options)], check=True, env=clean_environment(), capture_output=True)
