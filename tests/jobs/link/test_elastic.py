"""Links on a cluster of several nodes on this machine, which join and are lost."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_fixture import cluster, command, corpus_of, node, outputs, stages, wait_for

from raybel.jobs.link.job import link

SLOW_LINK = (sys.executable, str(Path(__file__).parents[2] / "slow_link.py"), "0.6")
PATIENCE = 240.0


def actors_on(which):
    return stages(which.all_processes["raylet"][0].process.pid)


@pytest.fixture
def case(local_ray, model, tmp_path):
    """A job of 90 chunks: its arguments, its run directory, what an unbroken run of it leaves, and how to go on."""
    (tmp_path / "in").mkdir()
    corpus, run, still = corpus_of(tmp_path / "in", 6, 30), tmp_path / "run", tmp_path / "still"
    link(model.config(corpus, still, chunk_documents=2))
    arguments = ["--in-corpus", corpus, "--out-corpus", run, "--ontology", model.ontology, "--chunk-documents", 2]
    arguments += ["--ngrams-model", model.ngrams, "--max-restarts", 0]
    go_on = partial(link, model.config(corpus, run, chunk_documents=2))
    return SimpleNamespace(arguments=arguments, run=run, whole=outputs(still), go_on=go_on)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_node_that_joins_is_used_and_one_that_is_lost_takes_only_its_chunks(case):
    with cluster() as nodes:
        first = nodes.add_node(**node())
        with command(*case.arguments, "--actors", "1:3", program=SLOW_LINK, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: actors_on(first) and any(case.run.rglob("*.crashes")), job)
            second = nodes.add_node(**node())
            wait_for(lambda: actors_on(second), job)
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert outputs(case.run) == case.whole


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_node_that_is_lost_for_good_leaves_room_for_readers(case):
    """As many actors as there were may hold all CPUs of the other node, so that the job begins again with fewer."""
    with cluster() as nodes:
        first, _ = nodes.add_node(**node()), nodes.add_node(**node())
        with command(*case.arguments, "--actors", 3, program=SLOW_LINK, RAY_ADDRESS=nodes.address) as job:
            wait_for(lambda: actors_on(first) and any(case.run.rglob("*.arrow")), job)
            nodes.remove_node(first, allow_graceful=False)
            said = job.communicate(timeout=PATIENCE)[0]
            assert job.returncode == 0, said
    assert outputs(case.run) == case.whole


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_lost_head_is_said_before_rays_core_ends_the_job_and_another_ray_goes_on(case):
    with cluster() as nodes:
        nodes.add_node(**node())
        # The head is lost for us after 24 s; our grace would end after Ray's own 30.
        patience = {"RAY_gcs_rpc_server_reconnect_timeout_s": "30"}
        with command(*case.arguments, program=SLOW_LINK, RAY_ADDRESS=nodes.address, **patience) as job:
            wait_for(lambda: any(case.run.rglob("*.arrow")), job)
            processes = nodes.head_node.all_processes
            for each in (*processes["gcs_server"], *processes["raylet"]):
                each.process.kill()
            said = job.communicate(timeout=PATIENCE)[0]
        assert job.returncode == 1
        assert said.strip().splitlines()[-1].startswith("raybel: the head of the Ray cluster"), said
        assert "Traceback" not in said
    case.go_on()
    assert outputs(case.run) == case.whole
