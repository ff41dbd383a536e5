import pyarrow as pa

from raybel.tuning.space import Choice, Range, Space
from raybel.tuning.trials import Trial, best_trial, load_trials, score_text, trials_table

SPACE = Space({"pair": Choice(((2, 3), (3, 3))), "rate": Range(1e-5, 1e-3, log=True), "side": Choice(("a", None))}, {})


def trial(number, value, status="finished", **parameters):
    epochs = [] if value is None else [{"epoch": 1, "value": value, "seconds": 1.0, "scores": {"F1": value / 2}}]
    values = {"pair": (3, 3), "rate": 1e-4, "side": None} | parameters
    error = "broke <b>" if status == "failed" else None
    return Trial(number, values, status, value, epochs, 1.5, error)


def test_a_trial_comes_back_as_it_was(tmp_path):
    trials = [trial(2, 0.5), trial(0, None, "failed", pair=(2, 3)), trial(1, 0.25, "stopped", side="a")]
    for each in trials:
        each.save(str(tmp_path))
    choices = {"pair": ((2, 3), (3, 3))}
    assert load_trials(str(tmp_path), choices) == sorted(trials, key=lambda each: each.number)
    assert load_trials(str(tmp_path / "none"), choices) == []


def test_the_best_is_the_first_of_equal_ones_and_was_not_cut():
    trials = [trial(3, 0.5), trial(1, 0.5), trial(2, 0.1), trial(0, 0.9, "cut"), trial(4, None, "failed")]
    assert best_trial(trials, True).number == 1
    assert best_trial(trials, False).number == 2
    assert best_trial([trials[-1]], True) is None


def test_scores_are_percentages_and_a_loss_is_a_number():
    assert [score_text(metric, 0.9764) for metric in ("Acc@1", "MRR", "loss")] == ["97.6", "97.6", "0.9764"]
    assert score_text("F1", None) == ""


def test_the_table_has_a_row_for_each_trial():
    made = trials_table([trial(0, 0.5), trial(1, None, "failed", pair=(2, 3), side="a")], list(SPACE.searched))
    assert made.schema.field("parameter_rate").type == pa.float64()
    assert made.to_pylist()[1] == {
        "trial": 1,
        "status": "failed",
        "value": None,
        "epochs": 0,
        "seconds": 1.5,
        "error": "broke <b>",
        "parameter_pair": "[2, 3]",
        "parameter_rate": 1e-4,
        "parameter_side": "a",
        "score_F1": None,
    }
    assert made["score_F1"].to_pylist() == [0.25, None]
    assert trials_table([], ["rate"]).num_rows == 0
