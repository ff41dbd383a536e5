"""Ids of mentions as a corpus writes them, resolved to ids of the ontology."""

from __future__ import annotations

import re
from dataclasses import dataclass

from raybel.corpus.documents import NIL_IDS, format_gold
from raybel.ontology import Ontology
from raybel.prepare.common import plain_id

#: The kinds of id columns; every mention's is exactly one of them. Summaries show these values.
LINKABLE = "one known id"
NO_CONCEPT = "no concept (NIL)"
COMPOSITE = "composite, a|b"
COMPOSITE_PLUS = "composite, a+b"
UNKNOWN = "id unknown to the ontology"
ID_KINDS = (LINKABLE, NO_CONCEPT, COMPOSITE, COMPOSITE_PLUS, UNKNOWN)


@dataclass(frozen=True)
class ResolvedIds:
    """The ids of a mention's id column.

    Args:
        kind: One of `ID_KINDS`.
        ids: Concept ids, canonical where the ontology knows them; empty for NIL. A composite keeps its NIL parts.
        alternatives: How many ids were alternative ids and became canonical ones.
        repaired: Whether white space or an empty part of a composite was left out.
        unknown: The ids that the ontology doesn't know.
    """

    kind: str
    ids: tuple[str, ...] = ()
    alternatives: int = 0
    repaired: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def concept_id(self) -> str:
        """The `concept_id` infon."""
        return format_gold(self.ids)


class IdResolver:
    """Resolves id columns against an ontology.

    Args:
        ontology: Its canonical ids win over alternative ones; an alternative id that several concepts share means
            the first of them.
        separators: The characters that separate a composite's ids in this corpus, such as `|+`; a composite with `+`
            alone is of another kind.
    """

    def __init__(self, ontology: Ontology, separators: str) -> None:
        self._split = re.compile("[" + re.escape(separators) + "]")
        ids: list[str] = ontology.table["concept_id"].to_pylist()
        self._canonical = frozenset(ids)
        self._alternative = {alt: ids[row] for alt, row in ontology.alternatives.items()}
        # `613097` for `OMIM:613097`: only where one concept alone can be meant.
        bare: dict[str, str | None] = {}
        for known, target in [*((concept_id, concept_id) for concept_id in ids), *self._alternative.items()]:
            _, prefixed, local = known.partition(":")
            if prefixed:
                bare[local] = target if bare.get(local, target) == target else None
        self._bare = {local: target for local, target in bare.items() if target}

    def canonical(self, concept_id: str) -> tuple[str, bool] | None:
        """Return (canonical id, whether `concept_id` is an alternative one), None for an id that the ontology lacks."""
        plain = plain_id(concept_id)
        if plain in self._canonical:
            return plain, False
        target = self._alternative.get(plain) or self._bare.get(plain)
        if target is None:
            return None
        return target, target.partition(":")[2] != plain

    def resolve(self, column: str) -> ResolvedIds:
        """Resolve an id column; an id that the ontology knows as a whole isn't split, whatever characters it has."""
        if self.canonical(column):
            parts, separators = [column], ""
        else:
            parts, separators = self._split.split(column), "".join(self._split.findall(column))
        stripped = [part.strip() for part in parts if part.strip()]
        repaired = bool(stripped) and stripped != parts
        if all(plain_id(part) in NIL_IDS for part in stripped):
            return ResolvedIds(NO_CONCEPT, repaired=repaired)
        ids, unknown, alternatives = [], [], 0
        for part in stripped:
            if plain_id(part) in NIL_IDS:
                ids.append(NIL_IDS[0])
                continue
            canonical = self.canonical(part)
            ids.append(canonical[0] if canonical else plain_id(part))
            if canonical is None:
                unknown.append(ids[-1])
            else:
                alternatives += canonical[1]
        if len(ids) > 1:
            kind = COMPOSITE_PLUS if set(separators) == {"+"} else COMPOSITE
        else:
            kind = UNKNOWN if unknown else LINKABLE
        return ResolvedIds(kind, tuple(ids), alternatives, repaired, tuple(unknown))


class UncheckedIdResolver:
    """Resolves id columns without an ontology: every id counts as known, and stays as it is.

    Args:
        separator: The character that separates a composite's ids in this corpus.
    """

    def __init__(self, separator: str = "|") -> None:
        self.separator = separator

    def resolve(self, column: str) -> ResolvedIds:
        """Resolve an id column."""
        parts = column.split(self.separator)
        ids = tuple(plain_id(part) for part in parts if part.strip())
        repaired = bool(ids) and len(ids) != len(parts)
        if all(concept_id in NIL_IDS for concept_id in ids):
            return ResolvedIds(NO_CONCEPT, repaired=repaired)
        return ResolvedIds(LINKABLE if len(ids) == 1 else COMPOSITE, ids, repaired=repaired)
