"""An entry of an ontology, in Python's own types."""

from __future__ import annotations

from dataclasses import dataclass, field

import regex

#: What programs write for nothing. Other spellings (`NA`, `NAN`, `none`, `Null`) are left: they may be symbols.
NULLS = frozenset(("nan", "NaN", "None", "null", "NULL", "<NA>", "NaT", "N/A", "n/a", "#N/A", "-", "--", ".", "?"))
_UNSEEN = regex.compile(r"[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}]*")


def is_seen(text: str) -> bool:
    """True if a text has a character that can be seen: not for white space, zero-width and control characters."""
    if text.isascii() and text.isprintable():
        return bool(text) and not text.isspace()
    return not _UNSEEN.fullmatch(text)


@dataclass
class Concept:
    """One entry of an ontology.

    Args:
        concept_id: Its id, unique in the ontology.
        name: Its preferred name.
        aliases: Its other names.
        definition: "" for none.
        types: Semantic types or the like.
        alt_ids: Other ids that mean the same.
        alias_sources: Where each alias is from, "" for the ontology itself; [] where all are its own.
        parents: Ids of broader concepts.
        tree_numbers: Its places in a hierarchy, as MeSH writes them (C18.452.394.750).
    """

    concept_id: str
    name: str
    aliases: list[str] = field(default_factory=list)
    definition: str = ""
    types: list[str] = field(default_factory=list)
    alt_ids: list[str] = field(default_factory=list)
    alias_sources: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    tree_numbers: list[str] = field(default_factory=list)

    def distinct_names(self) -> tuple[str, list[str], list[str]]:
        """Return the name, the aliases without empty and repeated ones, and their sources ([] for all its own).

        A name in which nothing can be seen (zero-width characters alone) counts as empty.

        Raises:
            ValueError: There are sources, but not one for each alias.
        """
        sources = self.alias_sources or [""] * len(self.aliases)
        distinct: dict[str, str] = {}
        for alias, source in zip((self.name, *self.aliases), ("", *sources), strict=True):
            if is_seen(stripped := alias.strip()):
                distinct.setdefault(stripped, source)
        name, *aliases = distinct or [""]
        kept = [distinct[alias] for alias in aliases]
        return name, aliases, kept if any(kept) else []
