"""Composite mentions: each part of `breast and ovarian cancer` is linked by itself, and the mention to all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CandidateCache
from raybel.corpus.coordination import NamePart, matching, readings
from raybel.linking.chunk_mentions import mentions_of, with_mentions
from raybel.linking.poison import CrashRecord, isolate_failures, with_failures
from raybel.schemas import MENTION

#: A surface's parts; () for one that stays whole.
Parts = tuple[NamePart, ...]
#: Surfaces that can be taken apart, of which it is remembered how.
CACHE = 50_000


def similarity(first: str, second: str) -> float:
    """Return how much two surfaces have in common: Dice's coefficient of their character trigrams, from 0 to 1."""
    one, other = (Counter(f" {text} "[place : place + 3] for place in range(len(text))) for text in (first, second))
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


class CompositeSplitter:
    """Decides which surfaces are composites, by what a generator finds for their parts.

    A surface that can be taken apart (`corpus.coordination.readings`) stays whole if one of its candidates matched by
    this very name. Otherwise the reading is taken whose worst part is most similar to the name that its first candidate
    matched, if that part is more similar than the whole is to its own, and if no two parts have the same concept.
    Similarities of names are compared since scores of some generators (fused ones) only say who came first.

    Args:
        cache: Finds candidates.
        aliases: The generator's alias table.
    """

    def __init__(self, cache: CandidateCache, aliases: pa.Table) -> None:
        self.cache, self.aliases = cache, aliases
        self._known: dict[str, Parts] = {}

    def split(self, surfaces: Sequence[str]) -> list[Parts]:
        """Return the parts of each surface; () for one that stays whole."""
        of_surface = {surface: readings(surface) for surface in sorted(set(surfaces)) if surface not in self._known}
        divisible = {surface: found for surface, found in of_surface.items() if found}
        wanted = sorted({part.text for found in divisible.values() for reading in found for part in reading})
        found = dict(zip([*divisible, *wanted], self.cache.search([*divisible, *wanted]), strict=True))
        fresh = {surface: self._best(surface, found, known) for surface, known in divisible.items()}
        result = [fresh.get(surface) or self._known.get(surface, ()) for surface in surfaces]
        self._known |= fresh
        while len(self._known) > CACHE:  # the oldest go first
            del self._known[next(iter(self._known))]
        return result

    def _best(self, surface: str, candidates: dict[str, np.ndarray], found: Sequence[Parts]) -> Parts:
        """Return the reading that is taken of a surface, () for none."""
        names = self._names(candidates[surface])
        if surface in names:
            return ()
        best: Parts = ()
        evidence = similarity(surface, names[0]) if names else 0.0
        for reading in found:
            firsts = [candidates[part.text][:1] for part in reading]
            concepts = {int(first["concept"][0]) for first in firsts if len(first)}
            if len(concepts) < len(reading):
                continue
            pairs = zip(reading, firsts, strict=True)
            worst = min(similarity(part.text, *self._names(first)) for part, first in pairs)
            if worst > evidence:
                best, evidence = reading, worst
        return best

    def _names(self, candidates: np.ndarray) -> list[str]:
        """Return the name that each candidate matched, "" where it isn't known."""
        rows = candidates["alias"]
        known = iter(self.aliases["alias"].take(pa.array(rows[rows >= 0])).to_pylist())
        return [next(known) if row >= 0 else "" for row in rows.tolist()]


def split_composites(
    chunk: pa.Table, splitter: CompositeSplitter, crashes: CrashRecord | None = None
) -> tuple[pa.Table, dict[int, Parts]]:
    """Return a chunk that has a mention for each part of a composite, in its place; and the parts of each composite.

    A part's mention differs from its composite's in `text` and `surface` alone.

    Args:
        chunk: A table of `schemas.CHUNK`, one row, perhaps with `failures`.
        splitter: Decides.
        crashes: What happened at earlier attempts at this chunk.

    Returns:
        The chunk, with `failures` of documents that couldn't be worked on, and parts by the place of the composite
        among the mentions of the chunk that was given.

    Raises:
        RaybelError: The generator can't be used, whatever the document.
    """
    mentions, counts = mentions_of(chunk)
    bounds = np.concatenate([[0], np.cumsum(counts)]).tolist()
    surfaces = pc.struct_field(mentions, "surface").to_pylist()
    documents = [surfaces[start:end] for start, end in pairwise(bounds)]
    nothing: Parts = ()
    by_document, failures = isolate_failures(splitter.split, documents, nothing, crashes)
    chunk = with_failures(chunk, failures)
    flat = [parts for of_document in by_document for parts in of_document]
    composites = {place: parts for place, parts in enumerate(flat) if parts}
    if not composites:
        return chunk, {}
    sizes = np.array([len(parts) or 1 for parts in flat], np.int64)
    of_whole = np.repeat(np.arange(len(flat)), sizes)
    columns = {item.name: pc.struct_field(mentions, item.name).take(pa.array(of_whole)) for item in MENTION}
    starts = np.cumsum(sizes) - sizes
    for name in ("text", "surface"):
        values = columns[name].to_pylist()
        for place, parts in composites.items():
            values[starts[place] : starts[place] + len(parts)] = [part.text for part in parts]
        columns[name] = pa.array(values, pa.string())
    divided = pa.StructArray.from_arrays([columns[item.name] for item in MENTION], fields=list(MENTION))
    document_of = np.repeat(np.arange(len(counts)), counts)
    in_documents = np.bincount(document_of, weights=sizes, minlength=len(counts)).astype(np.int64)
    return with_mentions(chunk, divided, in_documents), composites


def places_of_parts(chunk: pa.Table, composites: dict[int, Parts]) -> dict[int, list[dict[str, Any]]]:
    """Return the surface, start and end of each part of the composites, as `schemas.PART` has them, by their places.

    Args:
        chunk: A table of `schemas.CHUNK`, one row, with the composites as mentions.
        composites: As `split_composites` returns them.
    """
    mentions, _ = mentions_of(chunk)
    found = {}
    for place, parts in composites.items():
        mention = mentions[place].as_py()
        in_one_piece = len(mention["text"]) == mention["end"] - mention["start"]
        spans = matching(parts, mention["text"]) if in_one_piece else (None for _ in parts)
        offset = mention["start"]
        found[place] = [
            {"surface": part.text, "start": span and offset + span[0], "end": span and offset + span[1]}
            for part, span in zip(parts, spans, strict=True)
        ]
    return found
