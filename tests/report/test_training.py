from lxml import html as parser

from raybel.files import storage
from raybel.files.work_directory import WorkDirectory
from raybel.report import write
from raybel.report.config import ReportConfig


def epoch(number, best=False):
    scores = {"Acc@1": 0.8 + number / 100, "recall@5": 0.95, "F1": 0.7, "loss": 0.4}
    return {
        "epoch": number,
        "loss": 1 / number,
        "validation_loss": 0.5,
        "seconds": 61.0,
        "scores": scores,
        "best": best,
    }


def described(home, kind="crossencoder", **facts):
    WorkDirectory(str(home), kind, "a model").write_description({"seed": 7}, **facts)
    return parser.document_fromstring(write.make_page(ReportConfig(str(home))).html())


def table(tree, caption):
    (found,) = [each for each in tree.iter("table") if (each.findtext("caption") or "").startswith(caption)]
    return [[cell.text_content() for cell in row.iter("td")] for row in found.iterfind("tbody/tr")]


def test_a_cross_encoders_epochs_and_what_is_sure(tmp_path):
    cascade = {
        "generator": "ngrams abc",
        "sure_from": 0.9,
        "threshold": 0.23,
        "figures": {"ECE": 0.07, "mentions": 271},
    }
    tree = described(
        tmp_path / "<tree>",
        finished=True,
        crosstype="tree",
        parameters={"metric": "Acc@1", "prior": True},
        counts={"train": {"documents": 71, "mentions": 736}},
        epochs=[epoch(1), epoch(2, best=True), epoch(3)],
        calibration={"logit": 0.5},
        cascades=[cascade],
    )
    assert tree.xpath("string(//h1)") == "Training of the cross-encoder <tree>"
    assert [each.text_content() for each in tree.iter("h2")] == ["What was trained", "Epochs", "Calibration"]
    assert "3 min 03 s" in tree.text_content()
    assert table(tree, "Corpora") == [["train", "71", "736"]]
    scores = {row[0]: row[1:] for row in table(tree, "Scores in percent")}
    assert scores["Acc@1"] == ["81.0", "82.0", "83.0"]
    assert "2 (best)" in [each.text_content() for each in tree.iter("th")]
    assert table(tree, "Weights of the evidence") == [["logit", "0.5000"]]
    assert "sure from a probability of 0.9 on" in tree.text_content()
    assert len(tree.xpath("//div[@class='plot']")) == 2


def test_a_detectors_scores_are_by_type(tmp_path):
    scores = {"all": {"precision": 0.8, "recall": 0.9, "F1": 0.85}, "Disease": {"F1": 0.85}}
    corpora = {"train": [{"documents": 10, "mentions": {"Disease": 5, "Gene": 2}, "types": ["Disease"]}]}
    epochs = [{"epoch": n, "loss": 0.1, "seconds": 1.0, "scores": scores, "best": True} for n in (1, 2)]
    tree = described(tmp_path / "d", "detector", finished=True, types=["Disease"], epochs=epochs, corpora=corpora)
    assert ["all F1", "85.0", "85.0"] in table(tree, "Scores in percent")
    assert table(tree, "Corpora") == [["train 1", "10", "7"]]


def test_one_that_isnt_finished_says_how_far_it_is(tmp_path):
    home = tmp_path / "m"
    assert "isn't finished: no epoch is over" in described(home, finished=False).text_content()
    storage.publish_json(str(home / "progress.json"), {"stage": "training", "epoch": 2, "epochs": 3, "loss": 0.25})
    said = described(home, finished=False).xpath("string(//p[@role='note'])")
    assert "it is in epoch 2 of at most 3, with a loss of 0.2500" in said


def test_one_without_a_validation_corpus(tmp_path):
    epochs = [{"epoch": 1, "loss": 0.5, "seconds": 1.0, "scores": None, "best": True}]
    tree = described(tmp_path / "m", "sapbert", finished=True, epochs=epochs)
    assert "There was no validation corpus" in tree.text_content()
