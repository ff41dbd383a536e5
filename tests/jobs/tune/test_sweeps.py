import os
import signal
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray
from ray_fixture import command, three_files
from samples import collection, save, simple_document

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.config import GeneratorPaths
from raybel.errors import ConfigError, InputError
from raybel.files.mappings import read_mapping
from raybel.jobs.status import status
from raybel.jobs.train.config import TrainCrossEncoderConfig, TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.jobs.tune import sweep
from raybel.jobs.tune.config import TuneCrossEncoderConfig, TuneNgramsConfig
from raybel.jobs.tune.crossencoder import tune_crossencoder
from raybel.jobs.tune.ngrams import tune_ngrams
from raybel.jobs.tune.sweep import Target, TrialAllocation, allocate_trials, report_epoch
from raybel.ontology import Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.epochs import Epochs
from raybel.tuning.config import SweepConfig
from raybel.tuning.space import NGRAMS, Choice, Range, Space
from raybel.tuning.tracking import Trackers, TrackingConfig
from raybel.tuning.trials import load_trials

QUIET = TrackingConfig(())
SPACE = Space({"x": Range(0, 1)}, {})


def config(home, **options):
    return SweepConfig(str(home), tracking=QUIET, **options)


def trial(values, inputs):
    """Reports x in each of some epochs; does worse things where asked to."""
    if values["x"] in inputs.get("fails", ()):
        raise ValueError(f"no {values['x']}")
    mark = Path(inputs["home"]) / f"died-{values['x']}"
    if values["x"] in inputs.get("dies", ()) or (values["x"] in inputs.get("dies_once", ()) and not mark.exists()):
        mark.touch()
        os._exit(1)
    for epoch in range(1, inputs["epochs"] + 1):
        time.sleep(inputs.get("sleep", 0))
        report_epoch(values["x"] * epoch, {"x": values["x"]}, epoch, epoch == inputs["epochs"])


@pytest.fixture(scope="module")
def swept(local_ray):
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

    def run(home, space=SPACE, samples=4, stop="none", epochs=1, seen=None, known="random", **needs):
        home.mkdir(exist_ok=True)
        options = {name: needs.pop(name) for name in ("time_budget", "max_failures", "retry_failed") if name in needs}
        wanted = config(home, search=known, stop_early=stop, **options)
        target = Target(trial, {"epochs": epochs, "home": str(home), **needs}, "x", True, epochs)
        watch = (lambda state: None) if seen is None else seen.append
        trackers = Trackers([])
        return sweep.run_sweep(
            wanted, space, target, allocate_trials(wanted, False), samples, str(home), trackers, watch
        )

    yield run
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.bench
def test_trials_end_with_the_best_of_their_epochs_and_are_not_repeated(swept, tmp_path):
    seen = []
    first = swept(tmp_path, samples=3, epochs=2, seen=seen)
    assert [each.number for each in first.trials] == [0, 1, 2]
    assert all(each.status == "finished" and each.value == 2 * each.parameters["x"] for each in first.trials)
    assert first.best.value == max(each.value for each in first.trials)
    assert first.concurrent == 2
    assert seen[-1]["done"] == 3
    assert 0 < first.busy < 1
    again = swept(tmp_path, samples=5, epochs=2)
    assert again.earlier == 3
    assert again.trials[:3] == first.trials
    assert [each.number for each in again.trials] == [0, 1, 2, 3, 4]
    none = swept(tmp_path, samples=5, epochs=2)
    assert (none.earlier, none.busy, none.trials) == (5, None, again.trials)


@pytest.mark.bench
def test_a_trial_that_fails_or_dies_is_recorded_and_the_sweep_goes_on(swept, tmp_path):
    space = Space({"x": Choice((1, 2, 3, 4, 5))}, {})
    options = {"space": space, "samples": 5, "known": "grid", "fails": (2,), "dies": (3,), "dies_once": (4,)}
    done = swept(tmp_path, max_failures=1, **options)
    assert [each.status for each in done.trials] == ["finished", "failed", "failed", "finished", "finished"]
    assert done.trials[1].error == "ValueError: no 2"
    assert "died" in done.trials[2].error
    assert done.best.parameters == {"x": 5}
    assert [each.error for each in load_trials(str(tmp_path), {})] == [each.error for each in done.trials]
    options |= {"fails": (), "dies": ()}
    assert swept(tmp_path, **options).earlier == 5
    mended = swept(tmp_path, retry_failed=True, **options)
    assert mended.earlier == 3
    assert {each.status for each in mended.trials} == {"finished"}


@pytest.mark.parametrize("stop", ["asha", pytest.param("median", marks=pytest.mark.bench)])
def test_bad_trials_stop_early_also_by_what_earlier_starts_found(swept, tmp_path, stop):
    space = Space({"x": Choice((8, 7, 6, 5, 4, 3, 2, 1))}, {})
    options = {"space": space, "known": "grid", "stop": stop, "epochs": 9, "sleep": 0.02}
    first = swept(tmp_path, samples=4, **options)
    assert first.best.parameters == {"x": 8}
    assert len(first.trials[0].epochs) == 9
    again = swept(tmp_path, samples=8, **options)
    late = again.trials[4:]
    assert [each.status for each in late] == ["stopped"] * 4
    assert max(len(each.epochs) for each in late) <= 3  # each is worse than all that the first start has seen
    assert again.best.parameters == {"x": 8}


@pytest.mark.bench
def test_the_end_of_the_time_cuts_trials_short_which_a_further_start_runs(swept, tmp_path):
    cut = swept(tmp_path, samples=None, time_budget=6.0, epochs=300, sleep=0.1)
    assert cut.seconds < 40
    assert cut.trials
    assert {each.status for each in cut.trials} == {"cut"}
    assert cut.best is None
    again = swept(tmp_path, samples=2, epochs=1)
    assert again.earlier == 0
    assert [each.status for each in again.trials] == ["finished"] * 2


@pytest.mark.bench
def test_a_trial_that_is_cut_before_it_reports_runs_again(swept, tmp_path):
    cut = swept(tmp_path, samples=2, time_budget=6.0, sleep=60)
    assert {each.status for each in cut.trials} == {"cut"}
    assert cut.trials[0].epochs == []
    again = swept(tmp_path, samples=2)
    assert [each.status for each in again.trials] == ["finished"] * 2


@pytest.mark.bench
def test_a_failed_trial_and_those_of_earlier_starts_do_not_end_median_stopping(swept, tmp_path):
    space = Space({"x": Choice((8, 1, 7, 6, 5, 4, 3, 2))}, {})
    options = {"space": space, "known": "grid", "epochs": 4, "fails": (1,)}
    first = swept(tmp_path, samples=6, **options)  # without stopping: each has all its epochs
    assert [each.status for each in first.trials] == ["finished", "failed", *["finished"] * 4]
    again = swept(tmp_path, samples=8, stop="median", **options)
    assert [each.status for each in again.trials[6:]] == ["stopped"] * 2
    failing = swept(tmp_path, samples=8, stop="median", retry_failed=True, **options)
    assert failing.trials[1].status == "failed"


def test_trials_that_were_not_run_again_stay_in_the_table(swept, tmp_path):
    space = Space({"x": Choice((1, 2, 3))}, {})
    options = {"space": space, "known": "grid", "fails": (3,)}
    swept(tmp_path, samples=3, **options)
    again = swept(tmp_path, samples=2, retry_failed=True, **options)
    assert [each.status for each in again.trials] == ["finished", "finished", "failed"]


def node(cpus, gpus=0, alive=True):
    return {"Alive": alive, "Resources": {"CPU": float(cpus), **({"GPU": float(gpus)} if gpus else {})}}


@pytest.mark.parametrize(
    ("nodes", "options", "computes", "expected"),
    [
        ([node(2)], {}, True, TrialAllocation(2, 1, 0, 1)),
        ([node(2)], {"max_concurrent": 1}, True, TrialAllocation(1, 1, 0, 1)),
        ([node(2)], {"cpus_per_trial": 0.5}, False, TrialAllocation(4, 0.5, 0, 1)),
        ([node(16, 4), node(16, 4), node(64, 8, False)], {}, True, TrialAllocation(8, 4, 1, 1)),
        ([node(16, 4), node(16, 4)], {"workers_per_trial": 3}, True, TrialAllocation(2, 4, 1, 3)),
        ([node(16, 4)], {"gpus_per_trial": 0.5}, True, TrialAllocation(8, 2, 0.5, 1)),
        ([node(16, 4)], {}, False, TrialAllocation(16, 1, 0, 1)),
        ([node(4), node(4)], {"workers_per_trial": 4, "cpus_per_trial": 2}, True, TrialAllocation(1, 2, 0, 4)),
    ],
)
def test_trials_are_fitted_onto_the_nodes(monkeypatch, nodes, options, computes, expected):
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    found = allocate_trials(config("x", **options), computes)
    assert found == expected
    assert len(found.group.bundles) == expected.workers


@pytest.mark.parametrize(
    ("nodes", "options"),
    [
        ([node(2)], {"cpus_per_trial": 3}),
        ([node(2)], {"gpus_per_trial": 1}),
        ([node(2)], {"workers_per_trial": 3}),
        ([node(4, 1), node(4, 1)], {"workers_per_trial": 2, "cpus_per_trial": 5}),
    ],
)
def test_a_trial_that_could_never_start_is_refused(monkeypatch, nodes, options):
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    with pytest.raises(ConfigError, match="could never start"):
        allocate_trials(config("x", **options), True)


@pytest.mark.parametrize(
    "options",
    [
        {"search": "annealing"},
        {"stop_early": "soon"},
        {"num_samples": 0},
        {"reduction": 1},
        {"time_budget": 0},
        {"cpus_per_trial": 0},
        {"gpus_per_trial": -1},
        {"cpus_per_trial": float("nan")},
        {"gpus_per_trial": float("inf")},
        {"time_budget": float("nan")},
    ],
)
def test_a_wrong_sweep_is_refused(options):
    with pytest.raises(ConfigError):
        config("x", **options)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return str(three_files(tmp_path_factory.mktemp("tune_corpus")) / "c.json")


def test_the_best_n_gram_parameters_are_what_training_takes(local_ray, model, corpus, tmp_path):
    space = {"ngram_range": [[1, 1], [3, 3]], "min_df": [1, 500]}
    wanted = config(tmp_path / "s", search="grid", space=space, replace_space=True)
    job = TuneNgramsConfig(model.ontology, (corpus,), wanted, (corpus,))
    done = tune_ngrams(job)
    by = {(each.parameters["min_df"], tuple(each.parameters["ngram_range"])): each for each in done.outcome.trials}
    assert len(by) == 4
    assert by[500, (3, 3)].status == "failed"
    assert by[1, (3, 3)].status == "finished"
    held = read_mapping(str(tmp_path / "s" / "params.json"))["ngrams"]
    assert set(held) == {item.name for item in fields(NgramParameters)}
    parameters = NgramParameters().changed(held)
    trained = train_ngrams(TrainNgramsConfig(model.ontology, str(tmp_path / "m"), (corpus,), (corpus,), parameters))
    assert trained.scores["val"]["recall@10"] == done.outcome.best.value
    rows = pq.read_table(tmp_path / "s" / "trials.parquet").to_pylist()
    assert [row["status"] for row in rows].count("failed") == 2
    assert rows[0]["parameter_ngram_range"] == "[1, 1]"
    sweep_status = status(wanted.output_dir)
    assert (sweep_status.title, sweep_status.state) == (f"sweep {wanted.output_dir}", "finished")
    assert sweep_status.figures[:2] == [("trials", "4 of 4"), ("  failed", 2)]
    assert sweep_status.figures[2][0] == "best recall@10"
    with pytest.raises(ConfigError, match="holds a sweep of another configuration"):
        tune_ngrams(replace(job, top_k=7))
    before = {path: path.read_bytes() for path in (tmp_path / "s").rglob("*.*") if path.is_file()}
    with pytest.raises(ConfigError, match="could never start"):
        tune_ngrams(replace(job, top_k=7, sweep=replace(wanted, overwrite=True, cpus_per_trial=99)))
    with pytest.raises(InputError, match="can't be compared"):
        tune_ngrams(replace(job, val_corpus=(), sweep=replace(wanted, overwrite=True)))
    assert len(before) > 6
    assert {path.name for path in before if path.read_bytes() != before[path]} == {".lock"}
    other = replace(wanted, output_dir=str(tmp_path / "none"), resume=True)
    with pytest.raises(ConfigError, match="no sweep that could go on"):
        tune_ngrams(replace(job, sweep=other))
    with pytest.raises(ConfigError, match="metric must be one of"):
        TuneNgramsConfig(model.ontology, (corpus,), replace(wanted, metric="accuracy"), (corpus,))
    with pytest.raises(ConfigError, match="no epochs"):
        TuneNgramsConfig(model.ontology, (corpus,), replace(wanted, stop_early="asha"), (corpus,))
    with pytest.raises(InputError, match="can't be compared"):
        tune_ngrams(replace(job, val_corpus=(), sweep=replace(wanted, output_dir=str(tmp_path / "t"))))
    with pytest.raises(ConfigError, match="could never start"):
        tune_ngrams(replace(job, sweep=replace(wanted, output_dir=str(tmp_path / "t"), cpus_per_trial=99)))
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "t").exists()


def test_a_sweep_whose_time_is_over_before_a_trial_ends_says_so(local_ray, model, corpus, tmp_path):
    wanted = config(tmp_path / "s", num_samples=2, time_budget=1e-3)
    done = tune_ngrams(TuneNgramsConfig(model.ontology, (corpus,), wanted, (corpus,)))
    assert done.parameters is None
    assert (
        "The time was over before a trial ended: the same command goes on" in (tmp_path / "s/report.html").read_text()
    )
    sweep_status = status(str(tmp_path / "s"))
    assert sweep_status.state == "stopped; run the same command to go on"
    assert sweep_status.figures[0] == ("trials", "0 of 2")


@pytest.mark.bench
def test_a_killed_sweep_goes_on_and_repeats_no_trial(local_ray, model, corpus, tmp_path):
    out = tmp_path / "s"
    arguments = [
        *("tune", "ngrams", "--ontology", model.ontology, "--train-corpus", corpus, "--val-corpus", corpus),
        *("--num-samples", "10", "--track", "none", "--output_dir", out),
    ]
    with command(*arguments) as process:
        deadline = time.monotonic() + 200
        while len(list(out.glob("trials/*.json"))) < 3 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("trials/*.json")}
    assert 3 <= len(before) < 10
    assert status(str(out)).state.startswith("stopped")
    assert status(str(out)).figures[0] == ("trials", f"{len(before)} of 10")
    wanted = config(out, num_samples=10, resume=True)
    done = tune_ngrams(TuneNgramsConfig(model.ontology, (corpus,), wanted, (corpus,)))
    assert done.outcome.earlier == len(before)
    assert len(done.outcome.trials) == 10
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert any("trial 0" in note for note in done.outcome.notes) == (done.outcome.best.number == 0)
    usual = asdict(NgramParameters())
    drawn = [{name: usual[name] for name in NGRAMS.searched}, *(NGRAMS.sample(0, number) for number in range(1, 10))]
    assert [each.parameters for each in done.outcome.trials] == drawn  # those of an unbroken sweep


@pytest.fixture(scope="module")
def cross(local_ray, model, encoder, corpus, tmp_path_factory):
    """A configuration of a sweep over a small cross-encoder, whose generator has the training mentions as aliases."""
    ngrams = str(tmp_path_factory.mktemp("tune_ngrams") / "m")
    pairs = [("anemia", 0), ("bronchial asthma", 0), ("xqzwk", 0)]
    NgramGenerator.build(Ontology.open(model.ontology), NgramParameters(), pairs).save(ngrams)
    space = {"learning_rate": {"loguniform": [1e-4, 1e-2]}, "top_k": [1, 2, 3], "dictionary_share": [0, 0.5, 1]}
    return TuneCrossEncoderConfig(
        model.ontology,
        (corpus,),
        (corpus,),
        GeneratorPaths(ngrams_model=ngrams),
        config("x", num_samples=4, stop_early="asha", reduction=2, space=space, replace_space=True, metric="loss"),
        "multi",
        str(encoder),
        CrossEncoderParameters(max_epochs=4, patience=4, batch_tokens=128),
    )


@pytest.mark.bench
def test_an_asha_sweep_ends_and_its_trials_are_what_training_gives(cross, tmp_path, monkeypatch):
    job = replace(cross, sweep=replace(cross.sweep, output_dir=str(tmp_path / "s")))
    done = tune_crossencoder(job)
    trials = done.outcome.trials
    assert len(trials) == 4
    assert {each.status for each in trials} <= {"finished", "stopped"}
    assert done.outcome.best.value == min(each.value for each in trials)
    assert len(list((tmp_path / "s" / "features").iterdir())) == 1
    held = read_mapping(str(tmp_path / "s" / "params.json"))["multicrossencoder"]
    assert held["metric"] == "loss"
    assert CrossEncoderParameters().changed(held).of_type("multi") == CrossEncoderParameters(**held)
    from raybel.jobs.train import crossencoder as job_module

    kept = {}

    def first_epoch(worker, home, settings, workers, watch):
        """The first epoch as a worker of the training job does it, on the features that the job made."""
        paths = {"base": f"{home}/base", "features": f"{home}/features", "threads": 1}
        kept["epoch"] = Epochs(settings | paths).train_next()
        raise ConfigError("enough")

    monkeypatch.setattr(job_module, "run_workers", first_epoch)

    def other(trial):
        """Whether a trial's candidates or training aliases aren't the usual ones."""
        parameters, usual = job.parameters.changed(trial.parameters), job.parameters
        return (parameters.top_k, parameters.dictionary_share) != (usual.top_k, usual.dictionary_share)

    one = next(filter(other, trials))
    trained = TrainCrossEncoderConfig(
        *(job.ontology, str(tmp_path / "t"), job.train_corpus, job.generator, job.crosstype, job.val_corpus),
        *(job.model_name, job.parameters.changed(one.parameters)),
    )
    with pytest.raises(ConfigError, match="enough"):
        job_module.train_crossencoder(trained)
    assert kept["epoch"]["loss"] == pytest.approx(one.epochs[0]["scores"]["train_loss"], rel=1e-5)
    assert kept["epoch"]["value"] == pytest.approx(one.epochs[0]["value"], rel=1e-4)


@pytest.mark.bench
def test_two_workers_of_a_trial_train_together(cross, tmp_path):
    space = {"learning_rate": [1e-3]}
    sweep_ = replace(cross.sweep, space=space, search="grid", num_samples=None, stop_early="none")
    one, two = (
        tune_crossencoder(
            replace(
                cross,
                sweep=replace(sweep_, output_dir=str(tmp_path / str(workers)), workers_per_trial=workers),
                parameters=replace(cross.parameters, batch_tokens=tokens, max_epochs=2),
            )
        )
        for workers, tokens in ((1, 128), (2, 64))
    )
    assert two.outcome.concurrent == 1
    for left, right in zip(one.outcome.trials, two.outcome.trials, strict=True):
        assert right.status == "finished", right.error
        losses = [[epoch["scores"]["train_loss"] for epoch in each.epochs] for each in (left, right)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_what_cannot_be_tuned_is_told_before_trials(cross, tmp_path):
    def refused(match, sweep_options=(), error=ConfigError, **options):
        wanted = replace(cross.sweep, output_dir=str(tmp_path / "s"), **dict(sweep_options))
        with pytest.raises(error, match=match):
            tune_crossencoder(replace(cross, sweep=wanted, **options))
        assert not (tmp_path / "s").exists()

    refused("unknown cross-encoder parameters: lr", {"space": {"lr": [1, 2]}})
    refused("the search space is empty", {"space": {}})
    refused("the metric isn't searched", {"space": {"metric": ["F1", "loss"]}})
    refused("pretrain_epochs can't be searched", {"space": {"pretrain_epochs": [1, 2]}})
    refused("could never start", {"cpus_per_trial": 3})
    refused("sets of candidates", {"space": {"max_length": {"int": [64, 128]}}})
    refused("metric must be one of", {"metric": "recall@5"})
    refused("one to compare on", val_corpus=())
    refused("must be a whole number", {"space": {"max_epochs": {"uniform": [1, 5]}}})
    refused("mlflow can.t be used", {"tracking": TrackingConfig(("mlflow",), mlflow_uri="nosuch://x")})
    texts = [simple_document("1", f"{case} of gout here.", "gout").replace("D1", "X") for case in ("A case", "Cases")]
    for number, text in enumerate(texts):  # the second start isn't refused for another configuration
        refused("can't be compared", error=InputError, val_corpus=(save(tmp_path / f"{number}.xml", collection(text)),))


@pytest.mark.bench
@pytest.mark.parametrize("number", range(10))
def test_ten_asha_sweeps_in_a_row_on_two_cpus_end(cross, tmp_path, number):
    wanted = replace(cross.sweep, output_dir=str(tmp_path / "s"), seed=number, num_samples=10)
    done = tune_crossencoder(replace(cross, sweep=wanted))
    assert len(done.outcome.trials) == 10
    assert "stopped" in {each.status for each in done.outcome.trials}
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ray.available_resources()["CPU"] == 2
