import json

import pyarrow as pa

from raybel.tuning.page import best_so_far, sweep_page
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


def test_the_page_shows_every_trial_and_needs_nothing_else():
    trials = [trial(0, 0.5), trial(1, None, "failed", pair=(2, 3)), trial(2, 0.7, "stopped", side="a")]
    made = sweep_page("sweep <x>", trials, SPACE, "Acc@1", trials[2], {"search": "random"})
    assert "sweep &lt;x&gt;" in made
    assert "broke &lt;b&gt;" in made
    assert "<script src" not in made
    assert made.count("<tr") == 4
    assert made.count("class='best'") == 1
    assert "<td>70.0</td>" in made
    assert '"type":"parcoords"' in made
    assert json.dumps("best so far") in made
    cut = sweep_page("t", [*trials, trial(3, 0.9, "cut")], SPACE, "Acc@1", trials[2], {})
    line = best_so_far([*trials[::2], trial(3, 0.9, "cut")], "Acc@1").data[-1]
    assert (line.name, list(line.y)) == ("best so far", [50.0, 70.0])  # what was cut isn't the best either
    assert "cut short by the time" in cut
    failed = sweep_page("t", trials[1:2], SPACE, "Acc@1", None, {})
    assert "parcoords" not in failed
