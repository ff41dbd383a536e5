"""How many actors hold a job's models: a number, or bounds between which it follows the cluster and the work."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_NUMBERS = re.compile(r"(\d+)(?::(\d+))?")
_SHAPE = "must be a whole number, or the least and the most, such as 2:64"


def _read_actors(value: Any) -> int | tuple[int, int]:
    """Return a number of actors or its bounds, of a number, `4`, `2:64` or `[2, 64]`; equal bounds are a number.

    Raises:
        ValueError: It is none of these, below 1, or the least is more than the most.
    """
    if isinstance(value, str):
        found = _NUMBERS.fullmatch(value)
        numbers = [int(number) for number in found.groups() if number is not None] if found else []
    else:
        numbers = list(value) if isinstance(value, tuple | list) and len(value) == 2 else [value]
    if not numbers or not all(type(number) is int for number in numbers):
        raise ValueError(_SHAPE)
    least, most = numbers[0], numbers[-1]
    if least < 1:
        raise ValueError("must be at least 1")
    if least > most:
        raise ValueError("must have the least before the most")
    return least if least == most else (least, most)


#: A number of actors, or the least and the most; may be given as text (`4`, `2:64`).
Actors = Annotated[int | tuple[int, int], BeforeValidator(_read_actors)]
