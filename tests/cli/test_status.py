import shutil

import pytest
from click.testing import CliRunner
from samples import collection, save, simple_document

from raybel.candidates.calibrating import store
from raybel.candidates.calibration import CandidateCalibration, FittedCalibration
from raybel.cli import main
from raybel.files import artefacts
from raybel.jobs.train.directory import training_directory
from raybel.jobs.tune.directory import sweep_directory
from raybel.runs.inputs import find_inputs
from raybel.runs.logs import write_plan
from raybel.runs.run_directory import RunDirectory
from raybel.tuning.trials import Trial


def status(directory):
    done = CliRunner().invoke(main, ["status", str(directory)])
    return done, " ".join(done.stdout.split())


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(str(tmp_path / "run"))
    run.open({"top_k": 10}, {}, False)
    write_plan(run, find_inputs([save(tmp_path / "a.xml", collection(simple_document("1")))], "f"))
    return run


def test_a_link_run(run):
    done, words = status(run.uri)
    assert done.exit_code == 0, done.output
    assert f"run{run.uri}" in words.replace(" ", "")
    for said in ("state stopped; run the same command to go on", "input files 0 of 1", "fingerprint "):
        assert said in words
    with run.work.lock():
        assert "state running" in status(run.uri)[1]


def test_a_model_says_which_threshold_it_recommends(model, tmp_path):
    home = str(shutil.copytree(model.ngrams, tmp_path / "ngrams"))
    assert "recommended" not in status(home)[1]
    store(home, "of another generator", FittedCalibration(CandidateCalibration(), 0.1, {}))
    assert "recommended" not in status(home)[1]
    fingerprint = artefacts.describe(home, "ngrams", 2)["fingerprint"]
    store(home, fingerprint, FittedCalibration(CandidateCalibration(), 0.46, {}))
    assert "recommended: --threshold 0.46" in status(home)[1]


def test_a_sweep(tmp_path):
    work = sweep_directory(str(tmp_path))
    work.open({"metric": "Acc@1"}, False)
    work.write_description({"metric": "Acc@1"}, finished=False, samples=20)
    for number, state in enumerate(("finished", "failed", "stopped", "cut")):
        Trial(number, {"x": number}, state, None if state == "failed" else (7 + number) / 10).save(work.uri)
    with work.lock():
        _, words = status(tmp_path)
    for said in (
        "state running",
        "trials 3 of 20",
        "stopped 1",
        "failed 1",
        "best Acc@1 90.0 (trial 2)",
        "last update",
    ):
        assert said in words
    work.write_description({"metric": "loss"}, finished=False, samples=None)
    _, words = status(tmp_path)
    assert "state stopped; run the same command to go on trials 3 " in words
    assert "best loss 0.7000 (trial 0)" in words


def test_a_training(tmp_path):
    work = training_directory(str(tmp_path), "sapbert")
    work.open({"seed": 1}, False, finished=False)
    assert "state stopped; run the same command to go on last update" in status(tmp_path)[1]
    save(
        tmp_path / "progress.json", {"stage": "mentions", "epoch": 2, "epochs": 5, "step": 1, "steps": 9, "loss": 0.25}
    )
    _, words = status(tmp_path)
    for said in ("stage mentions", "epoch 2 of 5", "loss 0.2500"):
        assert said in words
    work.write_description({"seed": 1}, finished=True, epochs=[{}, {}])
    assert "state finished epochs 2" in status(tmp_path)[1]


def test_what_is_made_in_one_go_is_finished(model):
    assert "state finished" in status(model.ngrams)[1]


def test_what_is_no_jobs_directory(tmp_path):
    save(tmp_path / "mine" / "thesis.tex", "x")
    save(tmp_path / "shards" / "a.xml", collection())
    for where, told in (
        (tmp_path / "mine", "holds no run, pipeline, sweep, training, index, lookup or sample"),
        (tmp_path / "none", "no such directory"),
        (tmp_path, "isn't a run directory (no manifest.json)"),
    ):
        done, _ = status(where)
        assert done.exit_code == 1
        assert told in done.stderr
