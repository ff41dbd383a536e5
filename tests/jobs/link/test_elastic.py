"""A pool of actors between bounds, on a cluster of several nodes on this machine, which join and are lost."""

import sys
import time
from pathlib import Path

import pytest
from ray_fixture import cluster, command, corpus_of, node, outputs, stages

from raybel.jobs.link.job import link

SLOW_LINK = str(Path(__file__).parents[2] / "slow_link.py")
PATIENCE = 240.0


def actors_on(which):
    return stages(which.all_processes["raylet"][0].process.pid)


def wait_for(condition, job):
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert job.poll() is None, job.communicate()[0]
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.3)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_node_that_joins_is_used_and_one_that_is_lost_takes_only_its_chunks(local_ray, model, tmp_path):
    (tmp_path / "in").mkdir()
    corpus, still, moving = corpus_of(tmp_path / "in", 3, 60), tmp_path / "still", tmp_path / "moving"
    options = {"chunk_documents": 2}
    link(model.config(corpus, still, **options))
    arguments = ["--in-corpus", corpus, "--out-corpus", moving, "--ontology", model.ontology, "--chunk-documents", 2]
    arguments += ["--ngrams-model", model.ngrams, "--actors", "1:3", "--max-restarts", 0]
    with cluster() as nodes:
        first = nodes.add_node(**node())
        slow = (sys.executable, SLOW_LINK, "0.6")
        with command(*arguments, program=slow, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: actors_on(first) and any(moving.rglob("*.crashes")), job)
            second = nodes.add_node(**node())
            wait_for(lambda: actors_on(second), job)
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert outputs(moving) == outputs(still)
