"""Which name of its concept a mention's link matched, as the ontology writes it, and where that name is from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raybel.corpus.text import surface
from raybel.ontology import Ontology

#: Sources of a matched name beside an enrichment's own label.
NAME, ALIAS, TRAINING = "name", "alias", "training"
#: Pairs of concept and alias that are remembered; about 200 bytes each.
CACHE = 200_000


class MatchedNames:
    """Looks up the names that candidates matched.

    A generator searches folded names; this finds the concept's name that was folded: 50 µs for a pair of concept and
    alias that isn't remembered.

    Args:
        ontology: The ontology whose rows are the candidates' concepts.
        aliases: The generator's alias table; None where it isn't known.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None) -> None:
        self.ontology, self.aliases = ontology, aliases
        self._known: dict[tuple[int, int], tuple[str | None, str | None]] = {}

    def look_up(self, concepts: Sequence[int], aliases: Sequence[int]) -> list[tuple[str | None, str | None]]:
        """Return (name, source) that each candidate matched; (None, None) where the alias isn't known.

        The source is `name` for the concept's preferred name, `alias` for another one of the ontology's own, the label
        of the ontology that an enrichment took it from, or `training` for a training mention that is no name of the
        concept; that one is given as its surface.

        Args:
            concepts: Rows of the ontology.
            aliases: Rows of the generator's alias table, -1 for none.
        """
        pairs = list(zip(concepts, aliases, strict=True))
        unknown = sorted({pair for pair in pairs if pair not in self._known})
        fresh = dict(zip(unknown, self._search(unknown), strict=True))
        names = [fresh[pair] if pair in fresh else self._known[pair] for pair in pairs]
        self._known.update(fresh)
        while len(self._known) > CACHE:
            del self._known[next(iter(self._known))]
        return names

    def _search(self, pairs: list[tuple[int, int]]) -> list[tuple[str | None, str | None]]:
        if self.aliases is None or not pairs:
            return [(None, None)] * len(pairs)
        rows = np.array([alias for _, alias in pairs])
        strings = iter(self.aliases["alias"].take(pa.array(rows[rows >= 0])).to_pylist())
        return [self._name(concept, next(strings)) if alias >= 0 else (None, None) for concept, alias in pairs]

    def _name(self, row: int, string: str) -> tuple[str, str]:
        concept = self.ontology.concept(row)
        if surface(concept.name) == string:
            return concept.name, NAME
        sources = concept.alias_sources or [""] * len(concept.aliases)
        for alias, source in zip(concept.aliases, sources, strict=True):
            if surface(alias) == string:
                return alias, source or ALIAS
        return string, TRAINING
