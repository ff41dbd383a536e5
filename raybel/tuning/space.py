"""Search spaces: which values hyper-parameters may have."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from raybel.errors import ConfigError

#: Ranges by their name in a file: whether whole numbers, whether drawn evenly on a logarithmic scale.
RANGES = {"uniform": (False, False), "loguniform": (False, True), "int": (True, False), "logint": (True, True)}


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def sample(self, rng: np.random.Generator) -> Any:
        """Return one of the values, each as likely."""
        return self.values[int(rng.integers(len(self.values)))]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that must be allowed."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number between two, both included.

    Args:
        low: The least.
        high: The largest.
        whole: Whether it is a whole number.
        log: Whether its logarithm is drawn evenly.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def sample(self, rng: np.random.Generator) -> int | float:
        """Return a number out of the range."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        drawn = math.exp(rng.uniform(math.log(low), math.log(high))) if self.log else rng.uniform(low, high)
        drawn = min(max(drawn, self.low), self.high)
        return round(drawn) if self.whole else float(f"{drawn:.6g}")

    @property
    def ends(self) -> tuple[int | float, ...]:
        """Values that must be allowed."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """Hyper-parameters to search, in the order of their names, and fixed ones.

    Args:
        searched: Name -> what it may be.
        fixed: Name -> value.
    """

    searched: dict[str, Choice | Range]
    fixed: dict[str, Any]

    @classmethod
    def read(cls, values: dict[str, Any], where: str, default: Space | None = None) -> Space:
        """Read a space; what it doesn't name is the default's.

        Args:
            values: Name -> `[a, b]` or `{choice: [a, b]}`: one of these; `{uniform: [low, high]}`, `loguniform`, `int`,
                `logint`: a number; anything else: this value.
            where: File and key, for errors.
            default: To extend.

        Raises:
            ConfigError: Something else.
        """
        searched = dict(default.searched) if default else {}
        fixed = dict(default.fixed) if default else {}
        for name, value in values.items():
            searched.pop(name, None)
            fixed.pop(name, None)
            dimension = _dimension(value, f"{where}: {name}")
            if dimension is None:
                fixed[name] = value
            else:
                searched[name] = dimension
        return cls(dict(sorted(searched.items())), dict(sorted(fixed.items())))

    def check(self, apply: Callable[[dict[str, Any]], object]) -> None:
        """Refuse an empty space, and values that aren't allowed.

        Args:
            apply: Makes hyper-parameters of values; raises `ConfigError`.

        Raises:
            ConfigError: Nothing is searched, no such hyper-parameter, or a value that it can't have.
        """
        if not self.searched:
            raise ConfigError("the search space is empty: nothing but fixed values; name what is to be searched")
        first = {name: dimension.ends[0] for name, dimension in self.searched.items()}
        for name, value in (first | self.fixed).items():
            _try(apply, {name: value}, name)  # by itself, so that a wrong name isn't taken for another one's fault
        for name, dimension in self.searched.items():
            inner = (
                ()
                if isinstance(dimension, Choice) or dimension.whole
                else (dimension.low * 0.61 + dimension.high * 0.39,)
            )
            for value in (*dimension.ends, *inner):
                _try(apply, self.fixed | first | {name: value}, name)

    def searched_values(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """Return the searched ones among some values, None where the space doesn't have one of them."""
        searched = {}
        for name, dimension in self.searched.items():
            value = values[name]
            if isinstance(dimension, Choice):
                equal = [choice for choice in dimension.values if _same(choice, value)]
            else:
                equal = [value] if isinstance(value, int | float) and dimension.low <= value <= dimension.high else []
            if not equal:
                return None
            searched[name] = equal[0]
        return searched

    def sample(self, seed: int, number: int) -> dict[str, Any]:
        """Return the values of a trial by its number: the same ones each time."""
        rng = np.random.default_rng([seed, number])
        return {name: dimension.sample(rng) for name, dimension in self.searched.items()}

    def grid(self) -> Iterator[dict[str, Any]]:
        """Yield all combinations; the last name's values change fastest.

        Raises:
            ConfigError: A range, which has no end of values.
        """
        choices = []
        for name, dimension in self.searched.items():
            if isinstance(dimension, Range):
                raise ConfigError(f"a grid needs lists of values, and {name} is a range: give it as [a, b, c]")
            choices.append(dimension.values)
        yield from (dict(zip(self.searched, values, strict=True)) for values in itertools.product(*choices))

    def values(self, name: str, fallback: Any) -> tuple[Any, ...]:
        """Return every value that a hyper-parameter may have: the fallback alone where the space doesn't name it.

        Raises:
            ConfigError: It is a range of numbers that aren't whole.
        """
        dimension = self.searched.get(name)
        if dimension is None:
            return (self.fixed.get(name, fallback),)
        if isinstance(dimension, Choice):
            return dimension.values
        if not dimension.whole:
            raise ConfigError(f"{name} must be a list of values here, not a range")
        return tuple(range(int(dimension.low), int(dimension.high) + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the space as a file has it."""
        written: dict[str, Any] = {}
        for name, dimension in self.searched.items():
            if isinstance(dimension, Choice):
                written[name] = {"choice": list(dimension.values)}
            else:
                kind = next(key for key, value in RANGES.items() if value == (dimension.whole, dimension.log))
                written[name] = {kind: [dimension.low, dimension.high]}
        return written | self.fixed


def _same(value: Any, other: Any) -> bool:
    """Whether two values are the same: a pair is a list in a file, 0 may stand for 0.0, and 1 isn't true."""
    value, other = (list(side) if isinstance(side, tuple) else side for side in (value, other))
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _try(apply: Callable[[dict[str, Any]], object], values: dict[str, Any], name: str) -> None:
    try:
        apply(values)
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"search space, {name} = {values[name]!r}: {error}") from error


def _dimension(value: Any, where: str) -> Choice | Range | None:
    if isinstance(value, list):
        value = {"choice": value}
    if not isinstance(value, dict):
        return None
    if len(value) != 1 or next(iter(value)) not in ("choice", *RANGES):
        kinds = f"write [a, b], or one of choice, {', '.join(RANGES)} with its values"
        raise ConfigError(f"{where}: {', '.join(map(repr, value)) or 'nothing'} is none of them: {kinds}")
    kind, given = next(iter(value.items()))
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{where}: {kind} needs a list of values, not {given!r}")
    if kind == "choice":
        return Choice(tuple(given))
    whole, log = RANGES[kind]
    numbers = [end for end in given if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(given) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{where}: {kind} needs two numbers, not {given!r}")
    low, high = given
    if not low <= high or (log and low <= 0) or (whole and (low != int(low) or high != int(high))):
        kinds = ("two whole" if whole else "two") + (" positive" if log else "")
        raise ConfigError(f"{where}: {kind} needs {kinds} numbers, the smaller first, not {given!r}")
    return Range(low, high, whole, log)


NGRAMS = Space(
    {
        "add_training_data_to_ontology": Choice((True, False)),
        "analyzer": Choice(("char_wb", "char")),
        "char_count": Choice((6, 10, 14, 20, 30)),
        "char_side": Choice(("none", "front", "back", "separate", "together")),
        "max_features": Choice((None, 5_000, 20_000, 100_000)),
        "min_df": Choice((1, 2, 3, 5)),
        "ngram_range": Choice(((2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (3, 5), (4, 4))),
    },
    {},
)
CROSSENCODER = Space(
    {
        "batch_size": Choice((None, 4, 8, 16, 32)),
        "learning_rate": Range(1e-5, 3e-4, log=True),
        "top_k": Choice((5, 10, 20)),
    },
    {},
)
