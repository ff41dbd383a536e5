import json
from dataclasses import replace

import pytest
import ray
from click.testing import CliRunner

from raybel.candidates.calibration import CandidateCalibration
from raybel.cli import main
from raybel.cli.calibrate import show_cascade
from raybel.cli.crossencoder import show
from raybel.cli.progress import epoch_training
from raybel.jobs.train.crossencoder import TrainedCrossEncoder
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters


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
        (("--crosstype", "best"), 2, "best"),
        (("--params", "p.json"), 1, "unknown cross-encoder parameters: lr"),
        (("--params", "p.json", "--crosstype", "base"), 1, "has no key `basecrossencoder`"),
        (("--top-k", "0"), 2, "top-k"),
    ],
)
def test_wrong_usage_is_refused_before_ray_starts(model, tmp_path, monkeypatch, no_ray, options, status, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text(json.dumps({"treecrossencoder": {"lr": 1}}))
    (tmp_path / "c.xml").write_text("<collection/>")
    given = ("--train_corpus", "c.xml", "--ontology", model.ontology, "--ngrams-model", model.ngrams)
    done = run("train", "crossencoder", *given, "--output-dir", "o", *options)
    assert done.exit_code == status
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_the_types_and_parameters():
    printed = run("train", "crossencoder", "--help").output
    for name in (*CROSSTYPES, "dictionary_share", "--recipe", "Examples"):
        assert name in printed


def record(epoch, best, **scores):
    names = [
        f"{prefix}{name}" for prefix in ("", "alone_", "first_stage_") for name in ("Acc@1", "recall@5", "recall@10")
    ]
    held = {**dict.fromkeys(names, 0.5), "first_share": 0.9, "shuffled_Acc@1": 0.4, "loss": 0.3, **scores}
    return {"epoch": epoch, "loss": 0.7, "seconds": 65, "scores": held, "best": best}


def test_the_tables(capsys):
    counts = {"documents": 1, "mentions": 10, "left_out": 2, "cut": 3, "without_gold": 1}
    epochs = [record(1, True), record(2, True, **{"Acc@1": 0.875}), record(3, False)]
    done = TrainedCrossEncoder("out", epochs, {"train": counts, "val": counts}, 1.0, 1, ["a note"])
    show(done, CrossEncoderParameters(top_k=5))
    printed = " ".join(capsys.readouterr().out.split())
    for said in ("2*", "87.5", "1 epoch from earlier starts", "their share of the window: 6", "a note", "stays first"):
        assert said in printed
    assert "recall@10" not in printed
    assert "are sure" not in printed
    assert "few of its mentions lack their concept among the candidates (1)" in printed
    done.counts["train"] = {**counts, "mentions": 10, "sure": 7, "sure_by_names": 4}
    show(done, CrossEncoderParameters(top_k=5, train_on="unsure", sure_share=0.1))
    printed = " ".join(capsys.readouterr().out.split())
    said = "7 of 10 training mentions are sure (4 by the ontology's names alone), and left out, but for 10 % of them in"
    assert said in printed
    bare = TrainedCrossEncoder("out", [{**record(1, True), "scores": None}], {"train": counts}, 1.0, 0, [])
    show(bare, CrossEncoderParameters())
    printed = capsys.readouterr().out
    assert "validation corpus" not in printed
    assert "(--val-corpus): all mentions will be re-ranked" in printed
    show(bare, CrossEncoderParameters.published())
    assert "sure" not in capsys.readouterr().out


def test_the_tables_of_several_corpora_and_of_names(capsys):
    counts = {"documents": 1, "mentions": 10, "left_out": 2, "cut": 3, "without_gold": 1}
    names = {"names": 2000, "shared": 31, "ids": 7, "obsolete": 5, "drawn": 1500}
    names |= {"mentions": 1200, "without_gold": 300, "cut": 4}
    epochs = [record(1, True), record(2, True, **{"Acc@1": 0.875})]
    for epoch in epochs:
        epoch |= {"value": 0.6875, "corpora": {"main": epoch["scores"], "genes": {**epoch["scores"], "Acc@1": 0.765}}}
    epochs[0]["stage"] = "names"
    of_splits = {"train": counts, "val": counts, "genes train": counts, "genes val": {**counts, "mentions": 77}}
    done = TrainedCrossEncoder("out", epochs, of_splits, 1.0, 0, [], {}, {"/x/mesh.arrow": names})
    show(done, CrossEncoderParameters(top_k=5))
    printed = " ".join(capsys.readouterr().out.split())
    for said in (
        "1 names",
        "mean Acc@1",
        "68.8",
        "genes 77 50.0 50.0 76.5",
        "genes train: 10 mentions of 1 document",
        "mesh.arrow: 1,200 of 1,500 that were drawn; 300 left out, without their concept among 5; of 2,000 aliases 31",
        "their share of the window: 16",
        "the best epoch has the best mean of Acc@1",
        "the model keeps each corpus's weights, for all mentions and for the unsure ones",
    ):
        assert said in printed
    only_other = [{**epoch, "scores": None, "corpora": {"genes": epoch["scores"]}} for epoch in epochs]
    show(TrainedCrossEncoder("out", only_other, of_splits, 1.0, 0, []), CrossEncoderParameters(metric="loss"))
    printed = capsys.readouterr().out
    assert "validation corpora" in printed
    assert "(--val-corpus): all mentions will be re-ranked" in printed
    rule = Cascade(CandidateCalibration(), 0.9, Calibration(), "ngrams f", "o", 0.46, RIGHT)
    show(TrainedCrossEncoder("out", only_other, of_splits, 1.0, 0, [], {"genes": rule}), CrossEncoderParameters())
    printed = capsys.readouterr().out
    assert "sure from a probability of 0.90" in printed
    assert "all mentions will be re-ranked" not in printed


RIGHT = {
    **{f"first_stage_right_of_{name}": share for name, share in (("sure", 0.988), ("unsure", 0.74))},
    **{f"reranked_right_of_{name}": share for name, share in (("sure", 0.987), ("unsure", None))},
    **{"right": 0.904, "right_if_all_are_reranked": 0.902, "sure": 0.649, "pairs_saved": 0.65, "ECE": 0.019},
    **{"without_concept": 12, "F1": 0.92, "F1_without_threshold": 0.9},
}


def test_the_table_of_what_is_sure(capsys):
    rule = Cascade(CandidateCalibration(), 0.9, Calibration(), "ngrams", "o", 0.46, RIGHT)
    show_cascade(rule, "cross-encoder out")
    printed = " ".join(capsys.readouterr().out.split())
    for said in (
        "sure (64.9 %) 98.8 98.7",
        "unsure (35.1 %) 74.0",
        "sure from a probability of 0.90: these have the first stage's order",
        "pairs of mention and candidate that this saves: 65.0 %",
        "right of all mentions with candidates: 90.4, if all are re-ranked 90.2",
        "recommended --threshold 0.46: F1 of links 92.0 on the validation corpus, without one 90.0; 12 mentions there",
    ):
        assert said in printed
    figures = RIGHT | {"settled_right_of_sure": 0.992, "settled_right_of_unsure": 0.75}
    figures["tokens_saved"] = 0.7
    rule = replace(rule, threshold=None, figures=figures, settled=Calibration(), pruned_below=0.02)
    show_cascade(rule, "cross-encoder out")
    printed = " ".join(capsys.readouterr().out.split())
    assert "first stage with the prior re-ranked sure (64.9 %) 98.8 99.2 98.7" in printed
    assert "unsure mentions' candidates of a probability below 0.020 aren't scored" in printed
    assert "saves: 65.0 %, and 70.0 % of the tokens" in printed
    assert "these have the order by first stage and prior" in printed
    show_cascade(
        Cascade(CandidateCalibration(), None, Calibration(), "ngrams", "o", None, RIGHT | {"sure": 0.0}), "out"
    )
    printed = " ".join(capsys.readouterr().out.split())
    assert "no mention is sure" in printed
    assert "no --threshold to recommend" in printed
    show_cascade(None, "out")
    assert "all mentions will be re-ranked" in capsys.readouterr().out


def test_the_progress_line():
    assert epoch_training({"stage": "candidates of the train corpus"}) == "train: candidates of the train corpus"
    state = {"stage": "training", "epoch": 1, "epochs": 3, "done": 0.25, "loss": 0.5, "last": {}}
    assert epoch_training(state) == "train: epoch 1/3, 25 %, loss 0.5000"
    state |= {"epoch": 2, "last": {"Acc@1": 0.9, "first_stage_Acc@1": 0.875}}
    assert epoch_training(state) == "train: epoch 2/3, 25 %, loss 0.5000; Acc@1 after epoch 1: 87.5 -> 90.0"
