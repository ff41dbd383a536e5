"""What must hold before anything is written to a directory or deleted from it: that this process still may."""

from __future__ import annotations

from collections.abc import Callable

_GUARDS: dict[str, Callable[[], None]] = {}


def _start(uri: str) -> str:
    """Return a URI without its query, as what all that lies below it begins with."""
    return uri.partition("?")[0].rstrip("/") + "/"


def add(directory: str, check: Callable[[], None]) -> None:
    """Have a function be called, which may raise, before each change below a directory's URI."""
    _GUARDS[_start(directory)] = check


def remove(directory: str) -> None:
    """Take back `add`."""
    _GUARDS.pop(_start(directory), None)


def check(uri: str) -> None:
    """Raise where a directory that a path lies in may not be changed any more."""
    for start, still_held in list(_GUARDS.items()):
        if _start(uri).startswith(start):
            still_held()
