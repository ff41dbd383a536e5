"""Counts and samples of streams whose size isn't known, in bounded memory: the same stream gives the same ones."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: The most keys that are counted at a time: some 150 MB of texts.
MOST_KEYS = 500_000


class Frequent(Generic[K]):
    """Counts keys, exactly up to a number of distinct ones; beyond it, rare keys are forgotten and come back as new.

    The counters of Misra & Gries, "Finding repeated elements" (Science of Computer Programming 2, 1982), of which half
    go at a time: a count is too low by at most `error`, never too high, and a key that occurs more often than that is
    there.

    Args:
        most: Distinct keys that are kept in memory.
    """

    def __init__(self, most: int = MOST_KEYS) -> None:
        self.most, self.error = most, 0
        self.counts: dict[K, int] = {}

    def add(self, key: K, count: int = 1) -> None:
        """Count a key."""
        self.counts[key] = self.counts.get(key, 0) + count
        if len(self.counts) > self.most:
            self._forget()

    def update(self, counted: Iterable[tuple[K, int]]) -> None:
        """Count keys that were counted before."""
        for key, count in counted:
            self.add(key, count)

    def _forget(self) -> None:
        """Take the same from every count, so that at least half of the keys go."""
        lost = sorted(self.counts.values())[len(self.counts) // 2]
        self.error += lost
        self.counts = {key: count - lost for key, count in self.counts.items() if count > lost}

    def top(self, most: int) -> list[tuple[K, int]]:
        """Return the most frequent keys with their counts, of equal ones the first in order."""
        return heapq.nsmallest(most, self.counts.items(), key=lambda item: (-item[1], _order(item[0])))

    def __len__(self) -> int:
        """How many distinct keys there are; where `error` isn't 0, how many are still known."""
        return len(self.counts)


class Least(Generic[K]):
    """Keeps the keys with the smallest values, each key once with the smallest of its own, and what belongs to it.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: dict[K, tuple[float, Any]] = {}
        self.bound: float | None = None

    def add(self, key: K, value: float, item: Any) -> None:
        """Take a key; `item` is compared where values are the same, and comes back with it."""
        if self.bound is not None and value > self.bound:
            return
        before = self.kept.get(key)
        if before is None or (value, _order(item)) < (before[0], _order(before[1])):
            self.kept[key] = (value, item)
        if len(self.kept) >= 4 * self.most:
            self.kept = dict(self._ordered()[: self.most])
            self.bound = max(value for value, _ in self.kept.values())

    def _ordered(self) -> list[tuple[K, tuple[float, Any]]]:
        return sorted(self.kept.items(), key=lambda each: (each[1][0], _order(each[0]), _order(each[1][1])))

    def items(self) -> Iterator[tuple[K, float, Any]]:
        """Yield (key, value, item), the smallest value first."""
        for key, (value, item) in self._ordered()[: self.most]:
            yield key, value, item


def sample_key(seed: int, *what: object) -> int:
    """Return a number that decides whether something is drawn: those with the smallest numbers are.

    So a sample depends on the seed and on what there is, and not on the order in which it is read
    (Cohen & Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
    """
    written = "\0".join(map(str, what)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(written, digest_size=8, key=seed.to_bytes(16, "little")).digest(), "little")


def _order(value: Any) -> Any:
    """Return what orders values that may hold None."""
    if isinstance(value, tuple):
        return tuple(map(_order, value))
    return (value is not None, "" if value is None else value)
