"""A mention's id column becomes ids of the ontology."""

from __future__ import annotations

import re
from dataclasses import dataclass

from raybel.corpus.documents import NIL, format_gold
from raybel.ontology import Ontology
from raybel.prepare.common import plain_id

#: What an id column can be; every mention is exactly one of these. The values stand in reports.
LINKABLE = "one known id"
NOTHING = "no concept (NIL)"
COMPOSITE = "composite, a|b"
COMPOSITE_PLUS = "composite, a+b"
UNKNOWN = "id unknown to the ontology"
KINDS = (LINKABLE, NOTHING, COMPOSITE, COMPOSITE_PLUS, UNKNOWN)


@dataclass(frozen=True)
class Resolved:
    """An id column, read.

    Args:
        kind: One of `KINDS`.
        ids: Its concepts, canonical where the ontology knows them; empty for NIL. A composite keeps its NIL parts.
        alternatives: How many ids were alternative ids and became canonical ones.
        repaired: True if white space or an empty part of a composite was left out.
        unknown: Those of its ids that the ontology doesn't know.
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


class IdMap:
    """Resolves id columns against an ontology.

    Args:
        ontology: Its canonical ids win over alternative ones; an alternative id that several concepts share means
            the first of them.
        separators: The characters that separate a composite's ids in this corpus, such as `|+`; `+`
            alone makes a composite of another kind.
    """

    def __init__(self, ontology: Ontology, separators: str) -> None:
        self._split = re.compile("[" + re.escape(separators) + "]")
        ids: list[str] = ontology.table["concept_id"].to_pylist()
        self._canonical = frozenset(ids)
        self._alternative = {alt: ids[row] for alt, row in ontology.alternatives.items()}
        # `613097` for `OMIM:613097`: only where one concept alone can be meant.
        bare: dict[str, str | None] = {}
        for known, target in [*((one, one) for one in ids), *self._alternative.items()]:
            _, prefixed, rest = known.partition(":")
            if prefixed:
                bare[rest] = target if bare.get(rest, target) == target else None
        self._bare = {rest: target for rest, target in bare.items() if target}

    def canonical(self, concept_id: str) -> tuple[str, bool] | None:
        """Return (canonical id, whether an alternative one was given), None for an id that the ontology lacks."""
        plain = plain_id(concept_id)
        if plain in self._canonical:
            return plain, False
        target = self._alternative.get(plain) or self._bare.get(plain)
        if target is None:
            return None
        return target, target.partition(":")[2] != plain

    def resolve(self, column: str) -> Resolved:
        """Read an id column; an id that the ontology knows as a whole isn't split, whatever characters are in it."""
        if self.canonical(column):
            parts, separators = [column], ""
        else:
            parts, separators = self._split.split(column), "".join(self._split.findall(column))
        stripped = [part.strip() for part in parts if part.strip()]
        repaired = bool(stripped) and stripped != parts
        if all(plain_id(part) in NIL for part in stripped):
            return Resolved(NOTHING, repaired=repaired)
        ids, unknown, alternatives = [], [], 0
        for part in stripped:
            if plain_id(part) in NIL:
                ids.append(NIL[0])
                continue
            found = self.canonical(part)
            ids.append(found[0] if found else plain_id(part))
            if found is None:
                unknown.append(ids[-1])
            else:
                alternatives += found[1]
        if len(ids) > 1:
            kind = COMPOSITE_PLUS if set(separators) == {"+"} else COMPOSITE
        else:
            kind = UNKNOWN if unknown else LINKABLE
        return Resolved(kind, tuple(ids), alternatives, repaired, tuple(unknown))


class AnyId:
    """Reads id columns where no ontology says which ids there are: each is known, and stays as it is.

    Args:
        separator: The character that separates a composite's ids in this corpus.
    """

    def __init__(self, separator: str = "|") -> None:
        self.separator = separator

    def resolve(self, column: str) -> Resolved:
        """Read an id column."""
        parts = column.split(self.separator)
        ids = tuple(plain_id(part) for part in parts if part.strip())
        repaired = bool(ids) and len(ids) != len(parts)
        if all(one in NIL for one in ids):
            return Resolved(NOTHING, repaired=repaired)
        return Resolved(LINKABLE if len(ids) == 1 else COMPOSITE, ids, repaired=repaired)
