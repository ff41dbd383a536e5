"""Numbers of files, as `1-20,33,1340-` chooses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from raybel.errors import ConfigError

_RANGE = re.compile(r"(\d{1,9})(?:(-)(\d{1,9})?)?", re.ASCII)


def chosen_numbers(ranges: Iterable[str], available: Collection[int]) -> list[int]:
    """Return the numbers that are chosen, ascending, each once; all that are available where `ranges` is empty.

    Args:
        ranges: `N`, `N-M` or `N-` (up to the last one) each.
        available: The numbers that there are.

    Raises:
        ConfigError: One isn't of this form, goes backwards, or names a number that there isn't.
    """
    if not available:
        return []
    last = max(available)
    wanted: set[int] = set()
    ranges = list(ranges)
    for text in ranges:
        found = _RANGE.fullmatch(text)
        if not found:
            raise ConfigError(f"--files {text}: isn't a number or a range, such as 7, 1-20 or 1340-")
        first = int(found[1])
        end = first if found[2] is None else last if found[3] is None else int(found[3])
        if found[3] is not None and end < first:
            raise ConfigError(f"--files {text}: the range goes backwards")
        if first > last or end > last:
            raise ConfigError(f"--files {text}: there are files {described(available)}")
        wanted.update(range(first, end + 1))
    if not ranges:
        return sorted(available)
    if missing := wanted.difference(available):
        raise ConfigError(f"--files: {described(missing)} isn't there; there are files {described(available)}")
    return sorted(wanted)


def described(numbers: Iterable[int]) -> str:
    """Return numbers as ranges, such as `1-20, 33`; no more than the first ten of them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [f"{first}-{last}" if last > first else str(first) for first, last in runs[:10]]
    return ", ".join(shown) + (f" and {len(runs) - 10} more ranges" if len(runs) > 10 else "")
