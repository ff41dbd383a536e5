"""Titles of OMIM in lists of names: qualifiers behind them, and several that were joined into one.

OMIM's titles (https://www.omim.org/help/faq, "What do the titles mean?") are lists such as `MIGRAINE, FAMILIAL
HEMIPLEGIC, 1; FHM1;; MHP1` with further entities `..., INCLUDED`. Vocabularies that took them over (CTD's MEDIC, MeSH's
supplementary records) lost some of the separators: `MHP1 MIGRAINE, FAMILIAL HEMIPLEGIC 1, ..., INCLUDED`.
"""

from __future__ import annotations

import re

#: How a name ends that has a qualifier to cut, or a comma without anything behind it.
ENDS = ("INCLUDED", "FORMERLY", "included)", "formerly)", ",")
_QUALIFIER = re.compile(r"(?:(?:\A|[,;]\s*)(INCLUDED|FORMERLY)|\s*\((included|formerly)\)|\s*,)\Z")
_SEPARATOR = re.compile(r";;")
#: `NAME;SYM` and `NAME;SYM, FORMERLY`, where behind a blank another title may follow.
_WITH_SYMBOL = re.compile(
    r"(?P<name>[^;]{3,});(?P<blank> ?)(?P<symbol>[A-Z][A-Z0-9/+-]{0,11})(?:, FORMERLY)?(?: (?P<rest>[A-Z0-9][^;]+))?"
)
#: A symbol with a digit, then words in capitals: `SCA1 SPINOCEREBELLAR ATROPHY I`.
_SYMBOL_FIRST = re.compile(r"(?P<symbol>[A-Z][A-Z0-9]*[0-9][A-Z0-9]*) (?P<rest>[A-Z][A-Z0-9'-]{3,}[ ,].+)")
_LOWER = re.compile("[a-z]{2}")
#: Words behind a symbol that belong to it: `GLUT1 DEFICIENCY SYNDROME 1`.
_BELONGING = frozenset(
    (
        *("ACTIVITY", "ANTIGEN", "COMPLEX", "CONTAINING", "DEFECT", "DEFICIENCY", "DELETION", "DISEASE", "DISORDER"),
        *("DUPLICATION", "ENZYME", "FACTOR", "FUSION", "GENE", "INHIBITOR", "LIKE", "LOCUS", "MUTATION", "NEGATIVE"),
        *("POSITIVE", "PROTEIN", "RECEPTOR", "RELATED", "RESISTANCE", "SUPERACTIVITY", "SUPERFAMILY", "SYNDROME"),
        *("TYPE", "VARIANT", "WITH", "WITHOUT"),
    )
)
#: Characters of a name, above which it is left as it is: the search is quadratic.
MAX_NAME = 2000


def without_qualifiers(name: str) -> tuple[str, bool]:
    """Return a name without `, INCLUDED`, `; FORMERLY`, `(formerly)` and a loose comma at its end.

    Returns:
        The name, which is empty where it was nothing but a qualifier; and whether `INCLUDED` was cut.
    """
    was_included = False
    while len(name) <= MAX_NAME and name.endswith(ENDS) and (found := _QUALIFIER.search(name)):
        name = name[: found.start()].rstrip()
        was_included |= (found[1] or found[2] or "").upper() == "INCLUDED"
    return name, was_included


def parts_of(name: str, was_included: bool) -> tuple[str, ...]:
    """Return the names that a name was joined from, () where that isn't plain to see.

    Taken apart are names with `;;`, `NAME;SYMBOL` (with another name behind the symbol where the name was `INCLUDED`
    or the symbol begins like a word of the name), and a symbol with a digit before a name in capitals, two of whose
    words begin with letters of the symbol (of an `INCLUDED` name one with its first letter).

    Args:
        name: Without qualifiers.
        was_included: Whether `INCLUDED` was cut: such names are joined far more often.
    """
    if len(name) > MAX_NAME:
        return ()
    if ";" in name:
        pieces = [piece.strip() for piece in _SEPARATOR.split(name)]
        parts = [part for piece in pieces for part in _of_symbol(piece, was_included) or [piece]]
        parts = [cut for part in parts if (cut := without_qualifiers(part.strip())[0])]
        return tuple(dict.fromkeys(parts)) if parts != [name] else ()
    found = _SYMBOL_FIRST.fullmatch(name)
    if not found or _LOWER.search(found["rest"]):
        return ()
    symbol, rest = found["symbol"], found["rest"]
    words = re.findall(r"[A-Z0-9]+", rest)
    initials = {word[0] for word in words}
    letters = set(filter(str.isalpha, symbol))
    alike = symbol[0] in initials if was_included else len(letters & initials) > 1
    return (symbol, rest) if alike and words[0] not in _BELONGING and len(words) > 1 else ()


def _of_symbol(name: str, was_included: bool) -> list[str]:
    """The parts of `NAME;SYMBOL` and `NAME;SYMBOL NAME`; [] for a name that is neither."""
    found = _WITH_SYMBOL.fullmatch(name)
    if not found:
        if name.isupper() and re.fullmatch(r"[^;]{3,};[A-Z][^;]+", name):  # `GSD II;ACID ALPHA-GLUCOSIDASE DEFICIENCY`
            return name.split(";")
        return []
    if not (found["blank"] or was_included or found["name"].isupper()):  # `caused by variants of HBA1;HBA2`
        return []
    initials = {word[0] for word in re.findall(r"\w+", found["name"].upper())}
    sure = any(map(str.isdigit, found["symbol"])) or found["symbol"][0] in initials
    if found["rest"] is None:
        return [found["name"], found["symbol"]] if sure or was_included or not found["blank"] else []
    if found["blank"]:
        return []
    if was_included or (sure and found["name"].isupper()):
        return [found["name"], found["symbol"], found["rest"]]
    return name.split(";") if found["name"].isupper() else []
