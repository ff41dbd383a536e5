import pytest

from raybel.errors import ConfigError
from raybel.tuning.search import make_search, number_of_trials
from raybel.tuning.space import Choice, Range, Space
from raybel.tuning.trials import Trial

SPACE = Space({"pair": Choice(((2, 3), (3, 3))), "rate": Range(1e-5, 1e-3, log=True), "top": Range(1, 20, True)}, {})
GRID = Space({"a": Choice((1, 2)), "b": Choice((3, 4, 5))}, {})


def test_random_values_do_not_depend_on_results_or_order():
    one, other = (make_search("random", SPACE, 7, True, ()) for _ in range(2))
    one.tell(0, 0.5)
    assert [one.ask(number) for number in range(5)] == [other.ask(number) for number in (0, 1, 2, 3, 4)]
    assert one.ask(3) == other.ask(3)
    assert one.ask(3) != make_search("random", SPACE, 8, True, ()).ask(3)


@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_the_first_trial_is_what_there_would_be_without_a_sweep(kind):
    first = {"pair": (3, 3), "rate": 1e-4, "top": 5}
    found = make_search(kind, SPACE, 0, True, (), first)
    assert found.ask(0) == first
    assert found.ask(1) != first


def test_a_grid_is_searched_whole_or_refused():
    assert number_of_trials("grid", GRID, None) == 6
    assert number_of_trials("grid", GRID, 60) == 6
    with pytest.raises(ConfigError, match="the grid has 6 points, 5 trials leave some out"):
        number_of_trials("grid", GRID, 5)
    found = make_search("grid", GRID, 0, True, ())
    assert {tuple(found.ask(number).values()) for number in range(6)} == {(a, b) for a in (1, 2) for b in (3, 4, 5)}


@pytest.mark.parametrize("maximise", [True, False])
def test_optuna_learns_where_good_values_are(maximise):
    found = make_search("optuna", SPACE, 0, maximise, ())
    late = []
    for number in range(60):
        values = found.ask(number)
        assert values["pair"] in ((2, 3), (3, 3))
        assert isinstance(values["top"], int)
        distance = abs(values["top"] - 15) / 20 + (values["pair"] != (3, 3))
        found.tell(number, -distance if maximise else distance)
        late += [values] if number >= 40 else []
    assert sum(each["pair"] == (3, 3) for each in late) >= 15
    assert sum(abs(each["top"] - 15) <= 4 for each in late) >= 12


def test_optuna_goes_on_with_what_earlier_starts_found():
    known = [Trial(n, {"pair": (3, 3), "rate": 1e-4, "top": n % 20 + 1}, value=float(n % 20)) for n in range(40)]
    known.append(Trial(40, {"pair": (2, 3), "rate": 1e-4, "top": 1}, "failed", error="no"))
    found = make_search("optuna", SPACE, 0, True, known)
    assert sum(found.ask(number)["top"] > 10 for number in range(41, 61)) >= 15
    found.tell(45, None)  # a failed trial
