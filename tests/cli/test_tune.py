import json
import re

import pytest
import ray
from click.testing import CliRunner
from samples import collection, save, simple_document

from raybel.candidates.parameters import NgramParameters
from raybel.cli import main
from raybel.cli.progress import tuning
from raybel.cli.tune import show
from raybel.errors import ConfigError
from raybel.files.mappings import read_mapping
from raybel.jobs.tune.results import SweepResult
from raybel.jobs.tune.sweep import Outcome
from raybel.tuning.config import SweepConfig
from raybel.tuning.space import Choice, Space
from raybel.tuning.trials import Trial


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def no_ray(monkeypatch):
    def started(*_args, **_more):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", started)


@pytest.mark.parametrize(
    ("target", "options", "status", "reason"),
    [
        ("ngrams", ("--space", "wrong.yaml"), 1, "unknown n-gram parameters: lr"),
        ("ngrams", ("--space", "empty.yaml"), 1, "give each hyper-parameter with its values"),
        ("ngrams", ("--space", "fixed.yaml", "--replace-space"), 1, "the search space is empty"),
        ("ngrams", ("--metric", "accuracy"), 1, "metric must be one of Acc@1, recall@5"),
        ("ngrams", ("--search", "annealing"), 2, "annealing"),
        ("ngrams", ("--search", "grid", "--num-samples", "7"), 1, "7 trials leave some out"),
        ("ngrams", ("--time-budget", "soon"), 1, "isn't a duration"),
        ("ngrams", ("--time-budget", "12"), 1, "isn't a duration"),
        ("ngrams", ("--space", "normal.yaml"), 1, "normal.yaml: ngrams: min_df: 'normal' is none of them"),
        ("crossencoder", ("--space", "wrong.yaml"), 1, "search space, lr = 1: unknown"),
        ("ngrams", ("--resume",), 1, "no sweep that could go on"),
        ("crossencoder", ("--metric", "recall@5"), 1, "metric must be one of Acc@1"),
        ("crossencoder", ("--space", "wrong.yaml"), 1, "unknown cross-encoder parameters: lr"),
        ("crossencoder", ("--search", "grid"), 1, "learning_rate is a range"),
        ("crossencoder", ("--params", "wrong.yaml"), 1, "has no key `treecrossencoder`"),
        ("crossencoder", ("--model-name", "./none"), 1, "no such model directory"),
    ],
)
def test_wrong_usage_is_refused_before_ray_starts(
    model, tmp_path, monkeypatch, no_ray, target, options, status, reason
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("lr: [1, 2]\n")
    (tmp_path / "normal.yaml").write_text("min_df: {normal: [1, 3]}\n")
    (tmp_path / "empty.yaml").write_text("{}\n")
    (tmp_path / "fixed.yaml").write_text("ngrams: {min_df: 2}\n")
    save(tmp_path / "c.xml", collection(simple_document("1", "An anemia", "anemia")))
    given = ("--train_corpus", "c.xml", "--val-corpus", "c.xml", "--ontology", model.ontology, "--output-dir", "o")
    given += ("--ngrams-model", model.ngrams, "--stop-early", "none") if target == "crossencoder" else ()
    done = run("tune", target, *given, *options)
    assert done.exit_code == status, done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("45m", 2700), ("1.5h", 5400), ("2d", 172800)])
def test_durations(text, seconds):
    assert SweepConfig("s", time_budget=text).time_budget == seconds


def test_help_has_examples_and_the_form_of_a_space():
    assert "loguniform" in run("tune", "--help").output
    for target in ("ngrams", "crossencoder"):
        assert "Examples" in run("tune", target, "--help").output


@pytest.mark.bench
def test_a_sweep_from_the_command_line(local_ray, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "c.xml", collection(simple_document("1", "An anemia", "anemia")))
    (tmp_path / "space.json").write_text(json.dumps({"ngrams": {"min_df": [1, 500], "char_side": "none"}}))
    (tmp_path / "p.json").write_text(json.dumps({"ngrams": {"analyzer": "char"}}))
    given = ("--train-corpus", "c.xml", "--val-corpus", "c.xml", "--ontology", model.ontology)
    done = run(
        "tune",
        "ngrams",
        *given,
        "--space",
        "space.json",
        "--replace-space",
        "--search",
        "grid",
        "--output-dir",
        "o",
        "--params",
        "p.json",
    )
    assert done.exit_code == 0, done.stderr
    for said in ("trial  recall@10", "1 failed, the first", "o/params.json, key `ngrams`", "2 trials in"):
        assert said in done.stdout
    assert NgramParameters().changed(read_mapping("o/params.json")["ngrams"]).min_df == 1
    page = (tmp_path / "o" / "report.html").read_text()
    assert "<h1>Sweep over ngrams: o</h1>" in page
    assert "<dt>fixed</dt><dd>analyzer char, char_side none</dd>" in page
    assert "<dt>validation corpus</dt><dd>c.xml</dd>" in page
    pace = r"<dd>\d+ s of work in trials; the last start: 2 trials in \d+ s \([\d,]+ an hour\), "
    assert re.search(pace, page)
    assert len(list((tmp_path / "o" / "tensorboard").iterdir())) == 2


def result(trials, best, **options):
    outcome = Outcome(
        trials, best, **{"earlier": 1, "concurrent": 2, "seconds": 90.0, "busy": 0.875, "notes": []} | options
    )
    return SweepResult("d", outcome, "loss", Space({"a": Choice((1, 2))}, {}), {"a": 1} if best else None)


def test_the_table_shows_the_best_trials_first(capsys):
    trials = [Trial(n, {"a": n}, "finished" if n else "stopped", 1.0 - n / 10, [{}] * n) for n in range(3)]
    trials.append(Trial(3, {"a": 1}, "failed", error="no luck"))
    show(result(trials, trials[2]), "treecrossencoder")
    printed = capsys.readouterr().out
    assert printed.index("0.8000") < printed.index("0.9000") < printed.index("1.0000")
    for said in (
        "3 trials in 1 min 30 s (120 an hour), 2 at a time; trials worked 88 %",
        "1 trial from earlier starts",
        "1 stopped early",
        "1 failed, the first (trial 3): no luck",
        "key `treecrossencoder`",
    ):
        assert said in printed
    with pytest.raises(ConfigError, match="no trial ended with a value"):
        show(result(trials[3:], None), "ngrams")


def test_the_progress_line():
    best = Trial(7, {}, value=0.9)
    state = {"done": 3, "samples": 20, "running": [1, 0], "max_epochs": 4, "failed": 1, "metric": "Acc@1"}
    state |= {"best": best, "left": 75.0}
    assert tuning(state) == (
        "tune: 3/20 trials ended, 2 running (epochs 2, 1 of 4), 1 failed, best Acc@1 90.0 (trial 7), 1 min 15 s left"
    )
    assert "best loss 0.9000 (trial 7)" in tuning(state | {"metric": "loss"})
    assert "1 running (epoch 2 of 4)," in tuning(state | {"running": [1]})
    state |= {"samples": None, "max_epochs": 1, "failed": 0, "best": None, "left": None}
    assert tuning(state) == "tune: 3 trials ended, 2 running, time left unknown"
    assert tuning({"stage": "reading"}) == "tune: reading"
