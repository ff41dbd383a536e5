import json

import pytest
import ray
from click.testing import CliRunner
from samples import collection, save, simple_document

from raybel.cli import main
from raybel.cli.progress import epoch_training
from raybel.cli.token_classifier import show
from raybel.jobs.train.detector import TrainedDetector


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def no_ray(monkeypatch):
    def started(*_args, **_more):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", started)


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (("--model-name", "./none"), 1, "no such model directory"),
        (("--params", "p.json"), 1, "unknown detector parameters: lr"),
        (("--max-epochs", "0"), 2, "max-epochs"),
        (("--type-names", "Disease"), 1, "isn't OLD=NEW"),
        (("--mention-types", "Gene"), 1, "has no mention of the types Gene to learn from; there are: Disease (1)"),
        (("--dictionary", "none"), 1, "`raybel train dictionary` makes one"),
    ],
)
def test_wrong_usage_is_refused_before_ray_starts(encoder, tmp_path, monkeypatch, no_ray, options, status, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text(json.dumps({"detector": {"lr": 1}}))
    save(tmp_path / "c.xml", collection(simple_document("1")))
    given = ("--train-corpus", "c.xml", "--output-dir", "o", "--model-name", encoder)
    done = run("train", "detector", *given, *options)
    assert done.exit_code == status
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


def test_help_names_the_parameters():
    printed = run("train", "detector", "--help").output
    for name in ("context_tokens", "--type-names", "--dictionary", "Examples"):
        assert name in printed


def corpus(name, **counts):
    empty = dict.fromkeys(("duplicates", "discontinuous", "overlapping", "cut", "inside_words", "without_words"), 0)
    common = {"name": name, "types": ["Disease"], "documents": 10, "mentions": {"Disease": 1200}, "set_aside": None}
    return {**common, **empty, **counts}


def scores(value):
    return {kind: {"precision": value, "recall": value, "F1": value} for kind in ("Disease", "all")}


def epoch(number, value, best):
    each = {"epoch": number, "loss": 0.1234, "seconds": 61.0, "value": value, "best": best}
    return {**each, "scores": scores(value), "corpora": [scores(value)], "least_scores": {"Disease": 0.6}}


def test_what_is_shown(capsys):
    corpora = {"train": [corpus("t.xml", overlapping=3, cut=1)], "val": [corpus("v.xml")]}
    fitted = {"add": None, "keep": 0.3, "agree": 0.0}
    rule = {"types": {"Disease": fitted, "Gene": {"add": 0.5, "keep": None, "agree": None}}, "other": fitted}
    combination = {"dictionary": "f", "rule": rule, "scores": {"classifier": scores(0.8), "combined": scores(0.81)}}
    epochs = [epoch(1, 0.8, True), epoch(2, 0.7, False)]
    show(TrainedDetector("models/detector", epochs, corpora, combination, 122.0, 1))
    printed = " ".join(capsys.readouterr().out.split())
    assert "1* 0.1234 80.0 80.0 1 min 01 s" in printed
    assert "t.xml: 10 documents with 1,200 Disease; of these 3 left out, since a longer one overlaps them; 1 left" in (
        printed
    )
    assert "v.xml Disease 80.0 80.0 80.0" in printed
    assert "combined Disease 81.0" in printed
    assert "are added never; the classifier's own need 0.3 or the dictionary's consent; where both have" in printed
    assert printed.endswith("added from the score 0.5 on; the classifier's own need the dictionary's consent")
    assert "1 epoch from earlier starts" in printed
    assert "fitted here: Disease 0.6" in printed


def test_without_a_validation_corpus(capsys):
    last = {**epoch(1, None, True), "scores": None, "corpora": None}
    show(TrainedDetector("m", [last], {"train": [corpus("t.xml")]}, None, 1.0, 0))
    assert "no --val-corpus: the last epoch is kept" in capsys.readouterr().out


def test_progress():
    assert epoch_training({"stage": "reading the train corpora"}) == "train: reading the train corpora"
    state = {"stage": "training", "epoch": 2, "epochs": 6, "done": 0.5, "loss": 0.25, "last": {"all": {"F1": 0.8}}}
    assert epoch_training(state) == "train: epoch 2/6, 50 %, loss 0.2500; F1 after epoch 1: 80.0"
    assert epoch_training({**state, "last": None}) == "train: epoch 2/6, 50 %, loss 0.2500"
