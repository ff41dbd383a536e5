"""How a sweep chooses the values of its trials: at random, all of a grid, or by what was found so far (Optuna)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from raybel.errors import ConfigError
from raybel.tuning.space import Choice, Space
from raybel.tuning.trials import Trial


class Search(Protocol):
    """Chooses values."""

    def ask(self, number: int) -> dict[str, Any]:
        """Return the values of a trial."""

    def tell(self, number: int, value: float | None) -> None:
        """Take a trial's result; None where it failed."""


class RandomOrGrid:
    """Values that depend on the trial's number alone: random ones, or a grid's.

    Args:
        space: What to search.
        seed: Of random values.
        grid: All values of a grid; None for random ones.
        first: Values of the first random trial; None for random ones too.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        grid: Sequence[dict[str, Any]] | None = None,
        first: dict[str, Any] | None = None,
    ) -> None:
        self.space, self.seed, self.grid, self.first = space, seed, grid, first

    def ask(self, number: int) -> dict[str, Any]:
        """Return the values of a trial."""
        if number == 0 and self.grid is None and self.first is not None:
            return self.first
        return self.space.sample(self.seed, number) if self.grid is None else self.grid[number]

    def tell(self, number: int, value: float | None) -> None:
        """Ignore a result: the values don't depend on it."""


class Optuna:
    """Values by Optuna's tree-structured Parzen estimator, which learns from the trials that ended.

    The first ten are random. What it asks for depends on the order in which trials end: with several at a time a sweep
    isn't repeatable.

    Args:
        space: What to search.
        seed: Of the sampler.
        maximise: Whether larger values are better.
        known: Trials of earlier starts, to learn from.
        first: Values of the first trial; None for random ones.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        maximise: bool,
        known: Sequence[Trial] = (),
        first: dict[str, Any] | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.space = optuna, space
        sampler = optuna.samplers.TPESampler(seed=seed + len(known))
        self.study = optuna.create_study(sampler=sampler, direction="maximize" if maximise else "minimize")
        self.distributions = {name: self._distribution(name) for name in space.searched}
        for trial in known:
            state = optuna.trial.TrialState.COMPLETE if trial.value is not None else optuna.trial.TrialState.FAIL
            values = {name: self._to_optuna(name, value) for name, value in trial.parameters.items()}
            self.study.add_trial(
                optuna.trial.create_trial(
                    params=values, distributions=self.distributions, value=trial.value, state=state
                )
            )
        self.asked: dict[int, Any] = {}
        if first is not None and not known:
            self.study.enqueue_trial({name: self._to_optuna(name, value) for name, value in first.items()})

    def ask(self, number: int) -> dict[str, Any]:
        """Return the values of a trial."""
        self.asked[number] = self.study.ask(self.distributions)
        return {name: self._from_optuna(name, value) for name, value in self.asked[number].params.items()}

    def tell(self, number: int, value: float | None) -> None:
        """Take a trial's result; None where it failed."""
        failed = self.optuna.trial.TrialState.FAIL if value is None else None
        self.study.tell(self.asked.pop(number), value, state=failed)

    def _distribution(self, name: str) -> Any:
        dimension, distributions = self.space.searched[name], self.optuna.distributions
        if isinstance(dimension, Choice):  # Optuna's own choices can't be lists
            return distributions.CategoricalDistribution([json.dumps(value) for value in dimension.values])
        if dimension.whole:
            return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)

    def _to_optuna(self, name: str, value: Any) -> Any:
        return json.dumps(value) if isinstance(self.space.searched[name], Choice) else value

    def _from_optuna(self, name: str, value: Any) -> Any:
        dimension = self.space.searched[name]
        if not isinstance(dimension, Choice):
            return value
        return next(choice for choice in dimension.values if json.dumps(choice) == value)


def study_of(space: Space, trials: Sequence[Trial], maximise: bool) -> Any:
    """Return trials that have values as a study of Optuna's, for its plots.

    Args:
        space: What was searched.
        trials: Each with a value.
        maximise: Whether larger values are better.
    """
    known = [replace(trial, value=trial.value or 0.0) for trial in trials]
    return Optuna(space, 0, maximise, known).study


def number_of_trials(kind: str, space: Space, num_samples: int | None) -> int | None:
    """Return how many trials a search has; None for as many as there is time for.

    Raises:
        ConfigError: A grid of a range, or of another number of trials than asked for.
    """
    if kind != "grid":
        return num_samples
    points = sum(1 for _ in space.grid())
    if num_samples is not None and num_samples < points:
        raise ConfigError(
            f"the grid has {points:,} points, {num_samples:,} trials leave some out: take another --search, fewer "
            "values, or no --num-samples"
        )
    return points


def make_search(
    kind: str, space: Space, seed: int, maximise: bool, known: Sequence[Trial], first: dict[str, Any] | None = None
) -> Search:
    """Return a search.

    Args:
        kind: One of `SearchMethod`.
        space: What to search.
        seed: Of random values.
        maximise: Whether larger values are better.
        known: Trials of earlier starts.
        first: Values of the first trial, where it isn't a grid's.
    """
    if kind == "optuna":
        return Optuna(space, seed, maximise, known, first)
    return RandomOrGrid(space, seed, list(space.grid()) if kind == "grid" else None, first)
