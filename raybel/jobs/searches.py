"""How many searches for candidates a longer job has to do, foretold from those of a short trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from raybel.candidates.base import CACHED_SURFACES


@dataclass(frozen=True)
class Searches:
    """How an actor's searches for candidates grow more slowly than its mentions: surfaces come again.

    Distinct surfaces grow as a power of the text's length (Heaps, Information Retrieval, 1978, section 7.5), up to what
    an actor keeps; from there on they are searched at the rate that they have then.

    Args:
        surfaces: Searched by an actor, all that it did.
        documents: That they were in.
        exponent: Of the power.
        seconds: What a search takes.
    """

    surfaces: float
    documents: float
    exponent: float
    seconds: float

    @classmethod
    def of(cls, grown: Sequence[tuple[int, float]], seconds: float, searched: float) -> Searches | None:
        """Return the law of a trial; None where nothing was searched.

        Args:
            grown: Documents and searched surfaces so far, after each piece.
            seconds: Of the searches that are counted.
            searched: Their number.
        """
        documents, surfaces = grown[-1] if grown else (0, 0.0)
        if not surfaces or not searched:
            return None
        half, of_half = min(grown, key=lambda each: abs(each[0] - documents / 2))
        exponent = 1.0
        if half < documents and of_half:
            exponent = min(1.0, math.log(surfaces / of_half) / math.log(documents / half))
        return cls(surfaces, documents, exponent, seconds / searched)

    def seconds_of(self, documents: float) -> float:
        """Return what an actor's searches take for so many documents."""
        if not self.exponent:
            return self.seconds * self.surfaces
        full = self.documents * math.exp(min(math.log(CACHED_SURFACES / self.surfaces) / self.exponent, 500.0))
        searched = self.surfaces * (min(documents, full) / self.documents) ** self.exponent
        beyond = max(0.0, documents - full) * self.exponent * CACHED_SURFACES / full
        return self.seconds * (searched + beyond)
