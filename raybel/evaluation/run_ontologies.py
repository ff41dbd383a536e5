"""The ontologies that runs were linked to: one, or one for each of a run's routes, taken together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raybel.display import relative
from raybel.errors import ConfigError, MismatchError
from raybel.files import storage
from raybel.ontology import Ontology
from raybel.runs.run_directory import Routes


class JoinedOntologies(Ontology):
    """Several ontologies as one, to look ids up in.

    Its rows are those of the ontologies, one after the other; an id has the row of the first one that knows its
    concept. No id may mean one concept in one of them and another one in another.

    Args:
        ontologies: At least one.
        advice: What to do where ids mean several concepts.
    """

    def __init__(self, ontologies: Sequence[Ontology], advice: str) -> None:
        path = ", ".join(relative(each.path) for each in ontologies)
        super().__init__(pa.concat_tables([each.table for each in ontologies]), path=path)
        self.ontologies, self.advice = ontologies, advice
        self.starts = np.cumsum([0, *map(len, ontologies)])[:-1].tolist()

    def indices(self, concept_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each id or alternative id, int32, -1 for ids that none of the ontologies knows.

        Raises:
            MismatchError: An id means one concept in one ontology and another one in another.
        """
        found = np.full(len(concept_ids), -1, np.int32)
        for ontology in self.ontologies:
            rows = ontology.indices(concept_ids)
            known = np.flatnonzero(rows >= 0)
            distinct, places = np.unique(rows[known], return_inverse=True)
            own = ontology.table["concept_id"].take(pa.array(distinct)).to_pylist()
            shared = self._first(own)
            rows = shared[places]
            values, counts = np.unique(shared, return_counts=True)
            merged = np.isin(shared, values[counts > 1])  # two of this ontology's concepts, one of another's
            wrong = (found[known] >= 0) & (found[known] != rows)
            if merged.any() or wrong.any():
                example = own[merged.argmax()] if merged.any() else concept_ids[known[wrong.argmax()]]
                raise MismatchError(
                    f"{self.path}: ids mean one concept in one of them and another one in another, such as {example}; "
                    f"{self.advice}"
                )
            found[known] = rows
        return found

    def _first(self, concept_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each id in the first ontology that knows it."""
        found = np.full(len(concept_ids), -1, np.int32)
        for ontology, start in zip(self.ontologies, self.starts, strict=True):
            rows = ontology.indices(concept_ids)
            found = np.where((found < 0) & (rows >= 0), rows + np.int32(start), found)
        return found


def open_recorded(recorded: Sequence[Routes]) -> Ontology | None:
    """Open what runs were linked to; None where nothing is recorded.

    Args:
        recorded: The distinct routes of the runs.

    Raises:
        ConfigError: The runs used several ontologies, or one that isn't there.
    """
    if not recorded:
        return None
    if len(recorded) > 1:
        named = ", ".join(dict.fromkeys(ontology for routes in recorded for _, ontology in routes))
        raise ConfigError(f"the runs used several ontologies ({named}): choose one with --ontology")
    routes = recorded[0]
    by_type = [f"--ontology {ontology} --mention-types {','.join(types)}" for types, ontology in routes if types]
    advice = f"score types one by one, with {' and then with '.join(by_type)}" if by_type else ""
    paths = dict.fromkeys(ontology for _, ontology in routes)
    for path in paths:
        if storage.identity(path) is None:
            where = f"; or {advice}, and the files where they are now" if by_type else ""
            raise ConfigError(f"the run's ontology {path} isn't there: say where it is with --ontology{where}")
    opened = [Ontology.open(path) for path in paths]
    return opened[0] if len(opened) == 1 else JoinedOntologies(opened, advice)
