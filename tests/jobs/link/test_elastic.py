"""Links on a cluster of several nodes on this machine, which join and are lost."""

import sys
from pathlib import Path

import pytest
from ray_fixture import cluster, command, corpus_of, node, outputs, stages, wait_for

from raybel.jobs.link.job import link

SLOW_LINK = (sys.executable, str(Path(__file__).parents[2] / "slow_link.py"), "0.6")
PATIENCE = 240.0


def actors_on(which):
    return stages(which.all_processes["raylet"][0].process.pid)


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
        with command(*arguments, program=SLOW_LINK, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: actors_on(first) and any(moving.rglob("*.crashes")), job)
            second = nodes.add_node(**node())
            wait_for(lambda: actors_on(second), job)
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert outputs(moving) == outputs(still)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_node_that_is_lost_for_good_leaves_room_for_readers(local_ray, model, tmp_path):
    """As many actors as there were may hold all CPUs of the other node, so that the job begins again with fewer."""
    (tmp_path / "in").mkdir()
    corpus, still, fewer = corpus_of(tmp_path / "in", 6, 20), tmp_path / "still", tmp_path / "fewer"
    options = {"chunk_documents": 2}
    link(model.config(corpus, still, **options))
    arguments = ["--in-corpus", corpus, "--out-corpus", fewer, "--ontology", model.ontology, "--chunk-documents", 2]
    arguments += ["--ngrams-model", model.ngrams, "--actors", 3, "--max-restarts", 0]
    with cluster() as nodes:
        first, _ = nodes.add_node(**node()), nodes.add_node(**node())
        with command(*arguments, program=SLOW_LINK, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: actors_on(first) and any(fewer.rglob("*.arrow")), job)
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert outputs(fewer) == outputs(still)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_lost_head_is_said_before_rays_core_ends_the_job_and_another_ray_goes_on(local_ray, model, tmp_path):
    (tmp_path / "in").mkdir()
    corpus, still, lost = corpus_of(tmp_path / "in", 3, 60), tmp_path / "still", tmp_path / "lost"
    options = {"chunk_documents": 2}
    link(model.config(corpus, still, **options))
    arguments = ["--in-corpus", corpus, "--out-corpus", lost, "--ontology", model.ontology, "--chunk-documents", 2]
    arguments += ["--ngrams-model", model.ngrams]
    with cluster() as nodes:
        nodes.add_node(**node())
        # The head is lost for us after 23 s; our grace would end after Ray's own 30.
        patience = {"RAY_gcs_rpc_server_reconnect_timeout_s": "30"}
        with command(*arguments, program=SLOW_LINK, RAY_ADDRESS=nodes.address, **patience) as job:
            wait_for(lambda: any(lost.rglob("*.arrow")), job)
            processes = nodes.head_node.all_processes
            for each in (*processes["gcs_server"], *processes["raylet"]):
                each.process.kill()
            said = job.communicate(timeout=PATIENCE)[0]
        assert job.returncode == 1
        assert said.strip().splitlines()[-1].startswith("raybel: the head of the Ray cluster"), said
        assert "Traceback" not in said
    link(model.config(corpus, lost, **options))
    assert outputs(lost) == outputs(still)
