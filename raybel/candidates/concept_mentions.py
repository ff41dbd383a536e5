"""How many training mentions concepts have: which of them people write about.

Of two concepts that a mention could be, the one that training mentions name more often is the likelier one, whatever
they called it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import ExcludedMentions


class ConceptMentions:
    """Counts the training mentions of concepts in a generator's alias table.

    Args:
        aliases: The table: `alias`, `concept` and `frequency`, as in `AliasTable`; of fused generators their tables one
            after the other, so that a name may be there twice.
    """

    def __init__(self, aliases: pa.Table) -> None:
        trained = aliases.select(["alias", "concept", "frequency"]).filter(pc.greater(aliases["frequency"], 0))
        once = trained.group_by(["alias", "concept"]).aggregate([("frequency", "max")])
        counts = np.bincount(np.asarray(once["concept"]), np.asarray(once["frequency_max"])).astype(np.int64)
        self._counts = np.append(counts, 0)  # of any concept beyond the last one that has some

    def of(self, concepts: np.ndarray, excluded: ExcludedMentions | None = None) -> np.ndarray:
        """Return how many training mentions each concept has, int64.

        Args:
            concepts: Rows of the ontology, integers.
            excluded: Training mentions that don't count, for each concept; without counts none of them do.
        """
        if excluded is not None and excluded.counts is None:
            return np.zeros(len(concepts), np.int64)
        found = self._counts[np.minimum(concepts, len(self._counts) - 1)]
        if excluded is None or excluded.counts is None:
            return found
        left_out: dict[int, Counter[int]] = {}  # documents share one mapping for all their mentions
        for place, pairs in enumerate(excluded.counts):
            if id(pairs) not in left_out:
                left_out[id(pairs)] = _by_concept(pairs)
            found[place] -= left_out[id(pairs)][int(concepts[place])]
        return np.maximum(found, 0)


def _by_concept(pairs: Mapping[tuple[str, int], int]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for (_, concept), count in pairs.items():
        counts[concept] += count
    return counts
