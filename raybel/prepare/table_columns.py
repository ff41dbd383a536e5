"""Which column of a table holds what of a concept: as asked for, or by the headers that tables commonly have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from raybel.errors import ConfigError

#: What a column may hold, and the headers that say so (in lower case, letters and digits alone; the first one counts
#: where a table has several, except for lists, to which all add). OMOP's, SKOS's and other common ones.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "id": ("conceptid", "id", "identifier", "curie", "conceptcode", "notation", "uri", "iri", "concept"),
    "name": ("conceptname", "preflabel", "preferredname", "preferredlabel", "preferredterm", "name", "label", "title"),
    "aliases": (
        *("aliases", "alias", "synonyms", "synonym", "altlabel", "altlabels", "hiddenlabel", "hiddenlabels"),
        *("conceptsynonymname", "alternativenames", "othernames", "exactsynonym", "exactsynonyms", "hasexactsynonym"),
    ),
    "definition": ("definition", "definitions", "description", "scopenote"),
    "types": ("types", "type", "semantictypes", "semantictype", "domainid"),
    "alt_ids": ("altids", "altid", "alternativeids", "alternativeid", "hasalternativeid"),
    "parents": ("parents", "parent", "parentids", "parentid", "broader", "subclassof", "isa"),
    "tree_numbers": ("treenumbers", "treenumber"),
}
#: What a concept has one of; of the rest it has lists.
SINGLE = ("id", "name", "definition")
#: Headers of lists that have a value in each row: OMOP's synonyms may hold a bar.
ONE_A_ROW = ("concept_synonym_name",)
_PREFIX = re.compile(r"(?:.*[/#]|[\w-]+:)")
_LANGUAGE = re.compile(r"@([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)$")


class Column(NamedTuple):
    """A column that is read.

    Args:
        place: Its number in the table, from 0.
        header: Its header.
        field: What it holds, a key of `HEADERS`.
    """

    place: int
    header: str
    field: str

    @property
    def is_single(self) -> bool:
        """Whether a cell is one value, whatever characters are in it."""
        return self.field in SINGLE or self.header in ONE_A_ROW


def parsed(columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (field, header) of each `field=header`.

    Raises:
        ConfigError: One is something other, or there is no such field.
    """
    pairs = []
    for text in columns:
        field, equals, header = text.partition("=")
        if not equals or field.strip() not in HEADERS or not header.strip():
            raise ConfigError(f"columns are given as FIELD=HEADER, FIELD one of {', '.join(HEADERS)}; not {text!r}")
        pairs.append((field.strip(), header.strip()))
    return tuple(pairs)


def chosen(
    headers: Sequence[str], asked: Sequence[tuple[str, str]], languages: Sequence[str], path: str
) -> list[Column]:
    """Return the columns of a table that are read, in their order.

    A field that is asked for is read from the columns that are named for it alone, in each table that has them.

    Args:
        headers: The table's.
        asked: (field, header), over all tables.
        languages: Headers such as `skos:prefLabel@en` count in these languages, without a language always.
        path: The table, for messages.

    Raises:
        ConfigError: No column holds ids, none holds anything else, or a header that is asked for is there twice.
    """
    found: list[Column] = []
    for field, known in HEADERS.items():
        named = [header for name, header in asked if name == field]
        if named:
            places = [place for place, header in enumerate(headers) if header.strip() in named]
            if len(places) > len({headers[place].strip() for place in places}):
                raise ConfigError(f"{path}: has several columns {', '.join(named)}")
        else:
            keys = [_key(header, languages) for header in headers]
            ranked = sorted((known.index(key), place) for place, key in enumerate(keys) if key in known)
            places = [place for _, place in ranked]
        if field in SINGLE:
            places = places[:1]
        found += [Column(place, headers[place], field) for place in places]
    if not any(column.field == "id" for column in found) or len(found) < 2:
        lacking = "id" if not any(column.field == "id" for column in found) else "name or anything else of a concept"
        raise ConfigError(
            f"{path}: no column is known to hold the {lacking}; it has {', '.join(headers)}: "
            "say which (--columns id=HEADER,name=HEADER,aliases=HEADER)"
        )
    return sorted(found)


def _key(header: str, languages: Sequence[str]) -> str:
    """A header without prefix and language, as in `HEADERS`; "" for one in another language."""
    text = header.strip()
    if language := _LANGUAGE.search(text):
        if language[1].lower() not in [each.lower() for each in languages]:
            return ""
        text = text[: language.start()]
    return "".join(filter(str.isalnum, _PREFIX.sub("", text))).lower()
