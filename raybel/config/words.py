"""What doesn't fit into a configuration, in words."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

#: The library's words -> ours.
_WORDS = (
    ("Value error, ", ""),
    ("Input should be ", "must be "),
    ("Field required", "must be given"),
    ("Missing required argument", "must be given"),
    ("Unexpected keyword argument", "isn't an option"),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
    ("a valid integer", "a whole number"),
    ("a valid boolean", "true or false"),
    ("a valid string", "text"),
)


def in_words(error: ValidationError, names: Sequence[str]) -> str:
    """Return which fields don't fit, and why: `top_k must be at least 1, not 0`."""
    reasons: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for problem in error.errors(include_url=False):
        place = problem["loc"][0] if problem["loc"] else "a value"
        name = names[place] if isinstance(place, int) else place
        reason = functools.reduce(lambda text, words: text.replace(*words), _WORDS, problem["msg"])
        reasons.setdefault(name, []).append(reason)
        values[name] = problem["input"]
    sentences = []
    for name, problems in reasons.items():
        musts = dict.fromkeys(reason.removeprefix("must ") for reason in problems if reason.startswith("must "))
        if problems[0] == "isn't an option":
            sentences.append(f"{name} isn't an option")
        elif not musts:
            sentences.append(f"{name}: {problems[0]}" if name not in problems[0] else problems[0])
        elif "be given" in musts:
            sentences.append(f"{name} must be given")
        else:
            sentences.append(f"{name} must {' or '.join(musts)}, not {values[name]!r}")
    return "; ".join(sentences)
