import json

import pyarrow as pa

from raybel.tuning.page import _curve, page
from raybel.tuning.space import Choice, Range, Space
from raybel.tuning.trials import Trial, best, load, table

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
    assert load(str(tmp_path), choices) == sorted(trials, key=lambda each: each.number)
    assert load(str(tmp_path / "none"), choices) == []


def test_the_best_is_the_first_of_equal_ones_and_was_not_cut():
    trials = [trial(3, 0.5), trial(1, 0.5), trial(2, 0.1), trial(0, 0.9, "cut"), trial(4, None, "failed")]
    assert best(trials, True).number == 1
    assert best(trials, False).number == 2
    assert best([trials[-1]], True) is None


def test_the_table_has_a_row_for_each_trial():
    made = table([trial(0, 0.5), trial(1, None, "failed", pair=(2, 3), side="a")], list(SPACE.searched))
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
    assert table([], ["rate"]).num_rows == 0


def test_the_page_shows_every_trial_and_needs_nothing_else():
    trials = [trial(0, 0.5), trial(1, None, "failed", pair=(2, 3)), trial(2, 0.7, "stopped", side="a")]
    made = page("sweep <x>", trials, SPACE, "Acc@1", trials[2], {"search": "random"})
    assert "sweep &lt;x&gt;" in made
    assert "broke &lt;b&gt;" in made
    assert "<script src" not in made
    assert made.count("<tr") == 4
    assert made.count("class='best'") == 1
    assert '"type":"parcoords"' in made
    assert json.dumps("best so far") in made
    cut = page("t", [*trials, trial(3, 0.9, "cut")], SPACE, "Acc@1", trials[2], {})
    line = _curve([*trials[::2], trial(3, 0.9, "cut")], "Acc@1").data[-1]
    assert (line.name, list(line.y)) == ("best so far", [0.5, 0.7])  # what was cut isn't the best either
    assert "cut short by the time" in cut
    failed = page("t", trials[1:2], SPACE, "Acc@1", None, {})
    assert "parcoords" not in failed
