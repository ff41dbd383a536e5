"""What the first stage knows of a mention's candidates, whichever generator found them, and what it is worth.

The score and the place, whether the matched name is the surface itself, how often training mentions of that concept had
it, how much of the surface it shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from raybel.candidates.base import NO_CANDIDATES, ExcludedMentions
from raybel.candidates.calibration import FEATURES, CandidateCalibration
from raybel.candidates.overlap import overlaps

#: Surfaces whose probabilities are kept; 40 bytes each and more.
CACHE = 200_000
NO_PROBABILITIES = np.zeros(0, np.float32)


class Evidence:
    """Looks at candidates' names in a generator's alias table.

    Args:
        aliases: Its alias table; None where it isn't known: names tell nothing then.
    """

    def __init__(self, aliases: pa.Table | None) -> None:
        self.aliases = None if aliases is None else aliases.select(["alias", "frequency"])

    def of(
        self, surfaces: Sequence[str], by_mention: Sequence[np.ndarray], excluded: ExcludedMentions | None = None
    ) -> list[np.ndarray]:
        """Return the features of each mention's candidates, float64 (candidates, `FEATURES`).

        `score` is the generator's, `rank` 1 / (1 + rank), `exact` 1 as long as each candidate so far has the surface as
        its matched name. The first candidate alone has a `frequency`, log(1 + training mentions of its concept that are
        this name), 0 where it isn't exact, and an `overlap`, the share of letter trigrams that name and surface have
        in common (Dice). So no feature rises from a candidate to the next, and probabilities don't change the order.

        Args:
            surfaces: Of the mentions.
            by_mention: Their candidates, best first, as `CANDIDATE_DTYPE`.
            excluded: Training mentions that don't count, for each mention.
        """
        flat = np.concatenate([NO_CANDIDATES, *by_mention])
        names: list[str | None] = [None] * len(flat)
        frequency = np.zeros(len(flat), np.int64)
        known = np.flatnonzero(flat["alias"] >= 0)
        if self.aliases is not None and len(known):
            rows = self.aliases.take(pa.array(flat["alias"][known]))
            for place, name in zip(known.tolist(), rows["alias"].to_pylist(), strict=True):
                names[place] = name
            frequency[known] = rows["frequency"].to_numpy()
        features = []
        bounds = list(pairwise(np.cumsum([0, *map(len, by_mention)]).tolist()))
        first_names = [(names[start] or "") if end > start else "" for start, end in bounds]
        places = np.arange(len(bounds))
        shared = overlaps([*surfaces, *first_names], places, places + len(bounds))
        for number, (surface, (start, end)) in enumerate(zip(surfaces, bounds, strict=True)):
            of_mention = np.zeros((end - start, len(FEATURES)))
            if end > start:
                exact = np.cumprod([name == surface for name in names[start:end]])
                of_mention[:, 0], of_mention[:, 1] = flat["score"][start:end], exact
                of_mention[:, 2] = 1 / (1 + np.arange(end - start))
                pair = (surface, int(flat["concept"][start]))
                of_mention[0, 3] = np.log1p(_remaining(frequency[start], pair, number, excluded)) * exact[0]
                of_mention[0, 4] = shared[number]
            features.append(of_mention)
        return features


def _remaining(frequency: int, pair: tuple[str, int], number: int, excluded: ExcludedMentions | None) -> int:
    """Return how often a concept has a surface in training mentions, those that don't count for a mention aside."""
    if excluded is None:
        return frequency
    return 0 if excluded.counts is None else max(0, frequency - excluded.counts[number].get(pair, 0))


class Probabilities:
    """A generator's candidates as probabilities; those of the last `CACHE` surfaces are kept.

    Args:
        calibration: What they are worth.
        aliases: The generator's alias table; None where it isn't known.
    """

    def __init__(self, calibration: CandidateCalibration, aliases: pa.Table | None) -> None:
        self.calibration, self.evidence = calibration, Evidence(aliases)
        self._known: dict[str, np.ndarray] = {}

    def of(self, surfaces: Sequence[str], by_mention: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the probabilities of each mention's candidates, float32.

        Args:
            surfaces: Of the mentions.
            by_mention: Their candidates, which are the same for the same surface, or none.
        """
        known = self._known
        pairs = zip(surfaces, by_mention, strict=True)
        unknown = {surface: found for surface, found in pairs if len(found) and surface not in known}
        features = self.evidence.of([*unknown], [*unknown.values()])
        fresh = dict(zip(unknown, map(self.calibration.probabilities, features), strict=True))
        result = [
            NO_PROBABILITIES if not len(found) else fresh[surface] if surface in fresh else known[surface]
            for surface, found in zip(surfaces, by_mention, strict=True)
        ]
        known.update(fresh)
        while len(known) > CACHE:  # the oldest go first
            del known[next(iter(known))]
        return result


def places_of(candidates: Sequence[np.ndarray], concepts: Sequence[int]) -> list[int]:
    """Return the place of each mention's concept among its candidates; -1 where it isn't there, or is none."""
    pairs = zip(candidates, concepts, strict=True)
    places = [np.flatnonzero(of_mention["concept"] == concept) for of_mention, concept in pairs]
    return [int(found[0]) if len(found) else -1 for found in places]
