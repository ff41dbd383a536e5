"""A small sweep, whose trials are made by hand."""

from raybel.tuning.space import Choice, Range, Space
from raybel.tuning.trials import Trial

SPACE = Space({"pair": Choice(((2, 3), (3, 3))), "rate": Range(1e-5, 1e-3, log=True), "side": Choice(("a", None))}, {})


def trial(number, value, status="finished", **parameters):
    epochs = [] if value is None else [{"epoch": 1, "value": value, "seconds": 1.0, "scores": {"F1": value / 2}}]
    values = {"pair": (3, 3), "rate": 1e-4, "side": None} | parameters
    return Trial(number, values, status, value, epochs, 1.5, "broke <b>" if status == "failed" else None)


def sweep():
    """Ten trials in which the side decides, one of which failed."""
    trials = [trial(n, 0.5 + 0.3 * (n % 2) + n / 1000, side="a" if n % 2 else None) for n in range(9)]
    for each in trials[::2]:
        each.epochs = [{"epoch": n + 1, "value": each.value - 0.1 + n / 10, "scores": {}} for n in range(2)]
    return [*trials, trial(9, None, "failed", pair=(2, 3))]
