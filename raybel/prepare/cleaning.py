"""Names of vocabularies cleaned: entities, invisible characters, `, INCLUDED`, joined names, what stands for nothing.

What a name is can be told from the name alone, except for two changes that wait until all names are known: a
qualifier is cut, and the parts of a joined name are taken over, only where no other concept has that very name
(`CROHN DISEASE, INCLUDED` of another disease stays as it is beside Crohn disease itself).
"""

from __future__ import annotations

import html
import html.entities
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from raybel.ontology import Concept, Ontology
from raybel.ontology.concept import NULLS
from raybel.prepare.joined_names import ENDS, parts_of, without_qualifiers
from raybel.schemas import ONTOLOGY

#: How names that may have a qualifier end, before a bar.
_LAST_PIECES = tuple(f"{end}|" for end in ENDS)
#: What is counted, in the order in which it is shown.
ENTITIES, INVISIBLE, SPACE = "HTML entities decoded", "invisible characters taken out", "white space folded"
NOTHING, CUT = "stand for nothing, left out", "`, INCLUDED` and the like cut"
JOINED, GAINED, KEPT = "joined, and their parts added", "parts added", "left, since another concept has the name"
KINDS = (ENTITIES, INVISIBLE, SPACE, NOTHING, CUT, JOINED, GAINED, KEPT)
# An entity ends in a semicolon: without one, `AT&T`, `B&notch` would be damaged.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
#: `&amp;amp;apos;` takes three rounds; a name that takes more isn't one that was encoded twice by mistake.
_MOST_ROUNDS = 3
# Joiners are spelling between the letters of Persian or Indian scripts, and are nothing beside ASCII.
_UNSEEN = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cc}--\p{White_Space}--\u200c\u200d]"
    r"|(?<!\p{L}|\p{M})[\u200c\u200d]|[\u200c\u200d](?![\p{L}\p{M}])|(?<=\p{Latin})[\u200c\u200d]",
    regex.VERSION1,
)


def decoded(text: str) -> str:
    """Return a text with its HTML entities decoded, also those that were encoded twice; `AT&T` and `R&D;` stay."""
    for _ in range(_MOST_ROUNDS):
        if "&" not in text:
            break
        once = _ENTITY.sub(_character, text)
        if once == text:
            break
        text = once
    return text


def _character(match: re.Match[str]) -> str:
    """The character that an entity stands for; the entity itself where it stands for none."""
    entity = match.group()
    if entity[1] != "#":
        return html.entities.html5.get(entity[1:], entity)
    character = html.unescape(entity)
    return character if character not in ("", "\ufffd") else entity


@dataclass(frozen=True)
class _Proposal:
    """What may become of a name, if no other concept has the new names.

    Args:
        row: The concept's row.
        name: The name as it is in the ontology.
        cut: The name without qualifiers; the name itself where it has none.
        parts: The names that it was joined from; none for most.
    """

    row: int
    name: str
    cut: str
    parts: tuple[str, ...]


class NameCleaner:
    """Cleans the names of an ontology, in two steps, and counts what it changes.

    Args:
        joined: Whether names that OMIM's lists of titles joined are taken apart.
        nulls: Whether names that stand for nothing (`NULLS`) are left out.

    Attributes:
        counts: How many names each kind of change met; `GAINED` are the names that taking apart added.
    """

    def __init__(self, *, joined: bool = True, nulls: bool = True) -> None:
        self.joined, self.nulls = joined, nulls
        self.counts: Counter[str] = Counter()
        self._proposals: list[_Proposal] = []
        self._row = 0

    def cleaned(self, concepts: Iterable[Concept]) -> Iterator[Concept]:
        """Yield concepts with names that are cleaned as far as each alone tells, and definitions decoded."""
        for self._row, concept in enumerate(concepts):
            names = [concept.name, *concept.aliases]
            if not self.joined and not self.nulls and _are_plain(names) and "&" not in concept.definition:
                yield concept
                continue
            if not all(map(_is_plain, names)):
                names = [name if _is_plain(name) else self._name(name) for name in names]
                concept = replace(concept, name=names[0], aliases=names[1:])
            if self.nulls and not NULLS.isdisjoint(names):
                self.counts[NOTHING] += sum(name in NULLS for name in names)
                names = ["" if name in NULLS else name for name in names]
                concept = replace(concept, name=names[0], aliases=names[1:])
            if "&" in concept.definition:
                concept = replace(concept, definition=decoded(concept.definition))
            for name in names:
                self._propose(name)
            yield concept

    def _name(self, name: str) -> str:
        plain = decoded(name)
        self.counts[ENTITIES] += plain != name
        seen = _UNSEEN.sub("", plain)
        self.counts[INVISIBLE] += seen != plain
        folded = " ".join(seen.split())
        self.counts[SPACE] += folded != seen.strip()
        return folded

    def _propose(self, name: str) -> None:
        cut, was_included = without_qualifiers(name)
        parts = parts_of(cut, was_included) if self.joined else ()
        if self.nulls:
            cut, parts = "" if cut in NULLS else cut, tuple(part for part in parts if part not in NULLS)
        if cut != name or parts:
            self._proposals.append(_Proposal(self._row, name, cut, parts))

    def finished(self, ontology: Ontology) -> Ontology:
        """Return the ontology of the concepts that were cleaned with what waited for all names.

        Args:
            ontology: Of the concepts that `cleaned` yielded, in their order.
        """
        if self._proposals:
            ontology = self._changed(ontology)
        ontology.cleaned = {f"names: {kind}": self.counts[kind] for kind in KINDS}
        return ontology

    def _changed(self, ontology: Ontology) -> Ontology:
        owners = _owners(ontology, {name.lower() for each in self._proposals for name in (each.cut, *each.parts)})
        changes: dict[int, dict[str, list[str]]] = {}
        for each in self._proposals:
            kept = each.cut and each.row not in owners.get(each.cut.lower(), (each.row,))
            whole = each.name if kept else each.cut
            gained = [part for part in each.parts if part.lower() not in owners]
            if each.cut != each.name:
                self.counts[KEPT if kept else CUT] += 1
            self.counts[JOINED] += bool(gained)
            self.counts[GAINED] += len(gained)
            changes.setdefault(each.row, {})[each.name] = [whole, *gained]
        return Ontology(_with_rows(ontology, changes), path=ontology.path)


def _is_plain(name: str) -> bool:
    """True for most names: there is nothing to decode, to take out or to fold in them."""
    return name.isascii() and name.isprintable() and "&" not in name and "  " not in name and name == name.strip()


def _are_plain(names: list[str]) -> bool:
    """True if all of a concept's names are plain, without a qualifier; one look at all takes a third of the time."""
    joined = f"|{'|'.join(names)}|"
    return (
        joined.isascii()
        and joined.isprintable()
        and not any(piece in joined for piece in ("&", "  ", " |", "| ", *_LAST_PIECES))
    )


def _owners(ontology: Ontology, wanted: set[str]) -> dict[str, set[int]]:
    """Return the rows of the concepts that have each of some names (in lower case); names that none has are absent."""
    lists = ontology.table["aliases"].combine_chunks()
    strings = pa.chunked_array([*ontology.table["name"].chunks, pc.list_flatten(lists)])
    rows = np.concatenate([np.arange(len(ontology)), np.asarray(pc.list_parent_indices(lists))])
    lower = pc.utf8_lower(strings)
    hits = np.flatnonzero(np.asarray(pc.is_in(lower, value_set=pa.array(sorted(wanted), pa.string()))))
    owners: dict[str, set[int]] = {}
    for name, row in zip(lower.take(pa.array(hits)).to_pylist(), rows[hits].tolist(), strict=True):
        owners.setdefault(name, set()).add(row)
    return owners


def _with_rows(ontology: Ontology, changes: dict[int, dict[str, list[str]]]) -> pa.Table:
    """Return an ontology's table with some concepts' names replaced: row -> name -> the names in its place."""
    pieces, start = [], 0
    for row, names in sorted(changes.items()):
        concept = ontology.concept(row)
        sources = concept.alias_sources or [""] * len(concept.aliases)
        sourced = [
            (new, source)
            for name, source in zip((concept.name, *concept.aliases), ("", *sources), strict=True)
            for new in names.get(name, [name])
        ]
        concept = replace(concept, name=sourced[0][0], aliases=[name for name, _ in sourced[1:]])
        concept.alias_sources = [source for _, source in sourced[1:]] if any(sources) else []
        name, aliases, alias_sources = concept.distinct_names()
        values = {**vars(concept), "name": name, "aliases": aliases, "alias_sources": alias_sources}
        pieces += [ontology.table.slice(start, row - start), pa.Table.from_pylist([values], schema=ONTOLOGY)]
        start = row + 1
    return pa.concat_tables([*pieces, ontology.table.slice(start)]).combine_chunks()
