"""Numbers, durations and paths as people read them."""

from __future__ import annotations

import os

from raybel.errors import without_secrets


def duration(seconds: float) -> str:
    """Return a duration as `12 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def rate(count: int, seconds: float) -> str:
    """Return a rate per second, with one decimal below ten; 0.0 where no time has passed."""
    per_second = count / seconds if seconds else 0.0
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun in the right number: `1 alias`, `1,200 aliases`.

    Args:
        count: How many.
        noun: The singular.
        plural: None for the singular with an s.
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def percent(value: float | None) -> str | None:
    """Return a share as a percentage with one decimal, None for None."""
    return None if value is None else f"{100 * value:.1f}"


def relative(path: str) -> str:
    """Return a local path below the working directory relative to it, any other path as it is, a URI without keys."""
    path = without_secrets(path)
    here = os.getcwd().rstrip("/") + "/"
    return path.removeprefix(here) if path != here else path
