import pytest
from click.testing import CliRunner
from samples import collection, put, simple

from raybel.cli import main
from raybel.runs.run_directory import RunDirectory, find_shards


def status(directory):
    done = CliRunner().invoke(main, ["status", str(directory)])
    return done, " ".join(done.stdout.split())


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(str(tmp_path / "run"))
    run.open({"top_k": 10}, {}, False)
    run.write_plan(find_shards([put(tmp_path / "a.xml", collection(simple("1")))], "f"))
    return run


def test_a_link_run(run):
    done, words = status(run.uri)
    assert done.exit_code == 0, done.output
    assert f"run{run.uri}" in words.replace(" ", "")
    for said in ("state stopped; run the same command to go on", "shards 0 of 1", "fingerprint "):
        assert said in words
    with run.work.lock():
        assert "state running" in status(run.uri)[1]


def test_what_is_no_jobs_directory(tmp_path):
    for where in (tmp_path, tmp_path / "none"):
        done, _ = status(where)
        assert done.exit_code == 1
        assert "isn't a run directory" in done.stderr
