"""What every generator has in common: it finds candidates for surfaces, which a chunk holds as a column."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.calibration import FittedCalibration
from raybel.reporting import tally
from raybel.schemas import CANDIDATE, CANDIDATES

#: One candidate: row of the ontology, score (higher is better), row of the generator's alias table or -1.
CANDIDATE_DTYPE = np.dtype([("concept", np.int32), ("score", np.float32), ("alias", np.int32)])
NO_CANDIDATES = np.zeros(0, CANDIDATE_DTYPE)
#: Distinct surfaces whose candidates a cache keeps.
CACHED_SURFACES = 200_000
#: What stands for the name of a generator whose candidates were stored without it.
UNKNOWN_GENERATOR = "lookup"


@dataclass(frozen=True)
class ExcludedMentions:
    """What a search treats as if it weren't there, so that nothing is its own answer: training mentions, and names.

    Args:
        counts: For each query, how many training mentions of each (surface, concept) are excluded. None excludes all
            training mentions from every query, so that only the ontology's own names are searched.
        names: For each query, the (surface, concept) pairs that don't count although the ontology has them; None for
            none. Training mentions that are such a pair still count.
    """

    counts: Sequence[Mapping[tuple[str, int], int]] | None = None
    names: Sequence[Collection[tuple[str, int]]] | None = None

    def take(self, queries: Sequence[int] | np.ndarray) -> ExcludedMentions:
        """Return what is excluded from some of the queries, given by their places."""
        counts = None if self.counts is None else [self.counts[query] for query in queries]
        return ExcludedMentions(counts, None if self.names is None else [self.names[query] for query in queries])


class Generator(ABC):
    """The first stage: finds candidates for surfaces. `registry.KINDS` lists the kinds of generators."""

    #: What the candidates' `generator` field says.
    name: str
    #: Fingerprint of the artefact that it was loaded from.
    fingerprint: str
    #: Fingerprint of the ontology whose rows its candidates refer to.
    ontology_fingerprint: str
    #: Whether abbreviations were expanded in the training mentions that are its aliases; None where that isn't known.
    expands_abbreviations: bool | None
    #: Whether it only repeats what was found before, and so can't exclude training mentions.
    stored: bool = False
    #: Whether a search for few candidates may find others than the first ones of a search for many.
    depends_on_top_k: bool = False

    #: What its scores are worth, as it was fitted and stored with the model; None where it wasn't.
    calibration: FittedCalibration | None = None

    @property
    @abstractmethod
    def alias_table(self) -> pa.Table | None:
        """The table whose rows the candidates' `alias` refers to; None where it isn't known.

        Its column `alias` holds the alias, `frequency` the number of training mentions that have it.
        """

    @abstractmethod
    def search(self, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None = None) -> list[np.ndarray]:
        """Return for each surface its best `top_k` distinct concepts, best first, as `CANDIDATE_DTYPE` arrays.

        A surface without any match (the empty one too) gets an empty array. What is found for a surface doesn't depend
        on the other surfaces.

        Args:
            surfaces: What to search for.
            top_k: The most concepts per surface, at least 1.
            excluded: Training mentions and names that don't count, for each surface; None where all of them do.
        """

    @property
    def description(self) -> str:
        """Its name and its fingerprint, with a space between."""
        return f"{self.name} {self.fingerprint}"

    @property
    def components(self) -> Sequence[Generator]:
        """The generators whose candidates it fuses; itself alone, where it isn't a fusion."""
        return [self]

    @property
    def has_training_aliases(self) -> bool | None:
        """Whether training mentions are among its aliases; None where that isn't known."""
        table = self.alias_table
        return None if table is None else bool(len(table) and (table["frequency"].to_numpy() > 0).any())

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:  # noqa: B027
        """Refuse a job that it can't give candidates to.

        Args:
            top_k: Candidates per mention.
            expand_abbreviations: Whether the job's surfaces have their abbreviations expanded.

        Raises:
            ConfigError: It holds fewer candidates per surface, or its surfaces were made in another way.
        """


class CandidateCache:
    """Searches a generator, and keeps the candidates of the last `size` distinct surfaces.

    Ten candidates of a surface take about 300 bytes: those of 200,000 surfaces take 60 MB.
    """

    def __init__(self, generator: Generator, top_k: int, size: int = CACHED_SURFACES) -> None:
        self.generator, self.top_k, self.size = generator, top_k, size
        self._candidates: dict[str, np.ndarray] = {}

    def search(self, surfaces: Sequence[str]) -> list[np.ndarray]:
        """Return candidates for surfaces, which may repeat; each distinct unknown one is searched once."""
        known = self._candidates
        unknown = sorted({surface for surface in surfaces if surface not in known})
        begun = time.perf_counter()
        fresh = dict(zip(unknown, self.generator.search(unknown, self.top_k), strict=True)) if unknown else {}
        result = [fresh[surface] if surface in fresh else known[surface] for surface in surfaces]
        known.update(fresh)
        tally.add("search_seconds", time.perf_counter() - begun, self.generator.name)
        tally.add("cache_misses", len(unknown), self.generator.name)
        tally.add("cache_hits", len(surfaces) - len(unknown), self.generator.name)
        while len(known) > self.size:  # the oldest go first
            del known[next(iter(known))]
        return result


def chunk_surfaces(chunk: pa.Table) -> list[str]:
    """Return the surfaces of a chunk's mentions, in document order."""
    mentions = pc.list_flatten(pc.struct_field(pc.list_flatten(chunk["docs"]), "mentions"))
    surfaces: list[str] = pc.struct_field(mentions, "surface").to_pylist()
    return surfaces


def candidates_column(
    by_mention: Sequence[np.ndarray], generator: str, probabilities: Sequence[np.ndarray] | None = None
) -> pa.Array:
    """Return a chunk's candidates as a column of type `schemas.CANDIDATES` with one row.

    Args:
        by_mention: Each mention's candidates, best first, as `CANDIDATE_DTYPE`.
        generator: Name of what found them.
        probabilities: Those of each mention's candidates, which become their scores; None where they aren't known.
    """
    flat = np.concatenate([NO_CANDIDATES, *by_mention])
    lengths = np.fromiter(map(len, by_mention), np.int32, len(by_mention))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    rank = (np.arange(len(flat)) - np.repeat(offsets[:-1], lengths)).astype(np.int16)
    first_score = pa.array(flat["score"])
    score = first_score
    if probabilities is not None:
        score = pa.array(np.concatenate([np.zeros(0, np.float32), *probabilities]))
    candidates = pa.StructArray.from_arrays(
        [
            pa.array(flat["concept"]),
            pa.array(rank),
            score,
            first_score,
            pa.array(flat["alias"]),
            pa.repeat(pa.scalar(generator), len(flat)),
        ],
        fields=list(CANDIDATE),
    )
    per_mention = pa.ListArray.from_arrays(pa.array(offsets), candidates)
    column = pa.ListArray.from_arrays(pa.array([0, len(by_mention)], pa.int32()), per_mention)
    return column.cast(CANDIDATES)
