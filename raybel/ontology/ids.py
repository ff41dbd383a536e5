"""Ids of concepts: with and without their prefixes, and as numbers."""

from __future__ import annotations

from collections.abc import Iterable

#: Prefixes (in lower case) that ids may lack: `D003924`, `C0011860`.
BARE_PREFIXES = ("mesh", "umls")
#: The largest whole number up to which floating-point numbers, which pandas makes of ids, hold each one.
MOST_EXACT = 2**53


def respellings(concept_id: str, prefixes: Iterable[str]) -> list[str]:
    """Return an id with its prefix as others write it: in another case, or one of `BARE_PREFIXES` left out or put on.

    Other prefixes say what the local id means: `NCIT:C105721` isn't MeSH's `C105721`.

    Args:
        concept_id: An id, with or without a prefix.
        prefixes: Prefixes that ids of an ontology have; "" for none.
    """
    prefix, _, local = concept_id.rpartition(":")

    def is_same(other: str) -> bool:
        if prefix and other:
            return prefix.casefold() == other.casefold()
        return (prefix or other).casefold() in BARE_PREFIXES

    return [f"{other}:{local}" if other else local for other in sorted(prefixes) if other != prefix and is_same(other)]
