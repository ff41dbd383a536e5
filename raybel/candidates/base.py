"""What every generator has in common: it finds candidates for surfaces, and a chunk gets them as a column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.schemas import CANDIDATE, CANDIDATES

#: One candidate: row of the ontology, score (higher is better), row of the generator's alias table or -1.
CANDIDATE_DTYPE = np.dtype([("concept", np.int32), ("score", np.float32), ("alias", np.int32)])
NOTHING = np.zeros(0, CANDIDATE_DTYPE)
#: Stands for the name of a generator whose candidates were stored without it.
UNKNOWN = "lookup"


@dataclass(frozen=True)
class Without:
    """Training mentions that queries must not profit from, so that a training mention can't be its own answer.

    Args:
        mentions: For each query, how many training mentions of each (surface, concept) don't count; None: none of them
            counts, so that what is left is the ontology's own names.
    """

    mentions: Sequence[Mapping[tuple[str, int], int]] | None = None

    def take(self, rows: Sequence[int] | np.ndarray) -> Without:
        """The same for some of the queries."""
        return self if self.mentions is None else Without([self.mentions[row] for row in rows])


class Generator(ABC):
    """The first stage: surface -> candidates. `registry.KINDS` lists the kinds."""

    #: Stands in the candidates' `generator` field.
    name: str
    #: Of the artefact that it was loaded from.
    fingerprint: str
    #: Of the ontology whose rows its candidates refer to.
    ontology_fingerprint: str
    #: Whether abbreviations were expanded when training mentions became aliases; None where that isn't known.
    expanded: bool | None
    #: Whether it only repeats what was found before, and so can't leave out training mentions.
    stored: bool = False
    #: Whether the candidates of a search for few may be others than the first ones of a search for many.
    depends_on_top_k: bool = False

    @property
    @abstractmethod
    def alias_table(self) -> pa.Table | None:
        """What the candidates' `alias` refers to, with a column `alias`; None where it wasn't kept.

        A column `frequency` counts the training mentions of each alias, in a generator that has such aliases.
        """

    @abstractmethod
    def search(self, surfaces: Sequence[str], top_k: int, without: Without | None = None) -> list[np.ndarray]:
        """Return for each surface its best `top_k` distinct concepts, best first, as `CANDIDATE_DTYPE` arrays.

        A surface without any match (the empty one too) gets an empty array. What comes back for a surface doesn't
        depend on the others.

        Args:
            surfaces: What is looked for.
            top_k: At least 1.
            without: Training mentions that don't count for each surface.
        """

    @property
    def parts(self) -> Sequence[Generator]:
        """The generators whose lists are put together: itself, where it isn't a fusion."""
        return [self]

    @property
    def has_training_aliases(self) -> bool | None:
        """Whether training mentions are among its aliases; None where that isn't known."""
        table = self.alias_table
        return None if table is None else bool(len(table) and (table["frequency"].to_numpy() > 0).any())

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:  # noqa: B027
        """Refuse a job that it can't give candidates to.

        Args:
            top_k: Candidates of a mention.
            expand_abbreviations: Whether the job's surfaces have their abbreviations expanded.

        Raises:
            ConfigError: It holds fewer candidates, or those of surfaces that were made in another way.
        """


class Cached:
    """A generator that remembers what it found for the last `size` distinct surfaces.

    A surface's candidates take about 300 bytes at ten candidates; 200,000 are 60 MB.
    """

    def __init__(self, generator: Generator, top_k: int, size: int = 200_000) -> None:
        self.generator, self.top_k, self.size = generator, top_k, size
        self._found: dict[str, np.ndarray] = {}

    def search(self, surfaces: Sequence[str]) -> list[np.ndarray]:
        """Return candidates for surfaces, which may repeat; each distinct unknown one is searched once."""
        unknown = sorted({surface for surface in surfaces if surface not in self._found})
        fresh = dict(zip(unknown, self.generator.search(unknown, self.top_k), strict=True)) if unknown else {}
        result = [fresh[s] if s in fresh else self._found[s] for s in surfaces]
        self._found.update(fresh)
        while len(self._found) > self.size:  # the oldest go first
            del self._found[next(iter(self._found))]
        return result


def surfaces(chunk: pa.Table) -> list[str]:
    """Return the surfaces of a chunk's mentions, in document order."""
    mentions = pc.list_flatten(pc.struct_field(pc.list_flatten(chunk["docs"]), "mentions"))
    found: list[str] = pc.struct_field(mentions, "surface").to_pylist()
    return found


def to_column(found: Sequence[np.ndarray], generator: str) -> pa.Array:
    """Return candidates of one chunk's mentions as a column of one row of `schemas.CANDIDATES`."""
    flat = np.concatenate([NOTHING, *found])
    lengths = np.fromiter((len(each) for each in found), np.int32, len(found))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    rank = (np.arange(len(flat)) - np.repeat(offsets[:-1], lengths)).astype(np.int16)
    candidates = pa.StructArray.from_arrays(
        [
            pa.array(flat["concept"]),
            pa.array(rank),
            pa.array(flat["score"]),
            pa.array(flat["alias"]),
            pa.repeat(pa.scalar(generator), len(flat)),
        ],
        fields=list(CANDIDATE),
    )
    per_mention = pa.ListArray.from_arrays(pa.array(offsets), candidates)
    column = pa.ListArray.from_arrays(pa.array([0, len(found)], pa.int32()), per_mention)
    return column.cast(CANDIDATES)
