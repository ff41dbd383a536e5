"""Lists of document ids that say which split a document belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raybel.errors import InputError
from raybel.prepare.common import find, lines, missing

#: Ids that a note names.
SHOWN = 10


def read(directory: str, files: Mapping[str, tuple[str, ...]], prefix: str = "") -> tuple[dict[str, str], list[str]]:
    """Return the split of each id, and notes on ids that stand twice in a list.

    Args:
        directory: Where the lists are.
        files: Names of each split's list.
        prefix: May stand before an id's digits.

    Raises:
        InputError: A list is missing, a line is no id, or an id stands in two lists.
    """
    found: dict[str, str] = {}
    repeated: list[str] = []
    paths = {split: path for split, names in files.items() if (path := find(directory, names))}
    if absent := [missing(directory, names) for split, names in files.items() if split not in paths]:
        raise InputError(f"{'; '.join(absent)} (an id in each line)", path=directory)
    for split, path in paths.items():
        for number, line in lines(path):
            if not line.strip():
                continue
            key = line.strip().removeprefix(prefix)
            if not (key.isascii() and key.isdecimal()):
                raise InputError(f"line {number}: {line.strip()[:40]!r} is no {prefix or 'PM'}ID", path=path)
            if found.get(key, split) != split:
                raise InputError(f"line {number}: {key} stands in the list of {found[key]} too", path=path)
            if key in found:
                repeated.append(key)
            found[key] = split
    return found, listed(repeated, "ids stand twice in a list")


def listed(ids: Iterable[str], what: str, total: int | None = None) -> list[str]:
    """Return a note on some ids, the first of `total` (None: these are all), none where there are none."""
    some = list(ids)
    if not some:
        return []
    count = len(some) if total is None else total
    return [f"{count:,} {what}: {', '.join(some[:SHOWN])}" + (" ..." if count > SHOWN else "")]
