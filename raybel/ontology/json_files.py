"""Ontologies as the published system writes them: a JSON list of `{id, name, aliases, definition}`."""

from __future__ import annotations

import difflib
import functools
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from raybel.display import counted
from raybel.errors import InputError
from raybel.files import storage
from raybel.ontology.concept import Concept
from raybel.ontology.ids import MOST_EXACT
from raybel.schemas import OPTIONAL_ONTOLOGY_COLUMNS

#: Concepts written at once.
BATCH = 65_536
#: The keys of an entry; `tags` is another name of `types`.
KEYS = ("id", "name", "aliases", "definition", "types", "tags", "alt_ids", "alias_sources", "parents", "tree_numbers")
#: What other programs call a name, in lower case without `_`, `-` and the like; the key that is meant.
_SYNONYMS_OF_KEYS = {
    **dict.fromkeys(("preferredname", "preflabel", "preferredlabel", "preferredterm", "conceptname"), "name"),
    **dict.fromkeys(("label", "title", "term"), "name"),
    **dict.fromkeys(("alias", "synonym", "synonyms", "labels", "names", "terms", "altlabel", "altlabels"), "aliases"),
    **dict.fromkeys(("alternativenames", "alternatenames", "othernames", "alternatives", "entryterms"), "aliases"),
    **dict.fromkeys(("exactsynonym", "exactsynonyms", "conceptsynonymname", "abbreviations", "symbol"), "aliases"),
    **dict.fromkeys(("conceptid", "identifier", "cui", "curie"), "id"),
}
#: Keys whose loss changes what is linked: an unknown key that means one of these is refused.
_NAMING = ("id", "name", "aliases")


def read(uri: str, notes: list[str]) -> Iterator[Concept]:
    """Yield the concepts of a JSON file, plain or gzipped.

    A text where a list belongs is a list of that one text. `null` and `NaN`, which pandas writes for nothing, are
    nothing. Whole numbers count as ids and names (`7`, `7.0`), others don't.

    Args:
        uri: The file.
        notes: Gets a note on keys that aren't known, once the file is read.

    Raises:
        InputError: Not JSON, not a list of concepts, an id that is missing, a value of another type, or an unknown key
            that seems to hold ids or names (`synonyms`). The concept is named by its number, from 0.
    """
    value = storage.read_json(uri)
    if not isinstance(value, list):
        raise InputError("isn't an ontology: expected a list of {id, name, aliases, definition}", path=uri)
    unknown: Counter[str] = Counter()
    for number, item in enumerate(value):
        try:
            yield _concept(item, unknown)
        except ValueError as error:
            raise InputError(f"concept {number}{_called(item)}: {error}", path=uri) from error
    if unknown:
        keys = [f"`{key}` ({counted(count, 'concept')}){_hint(key)}" for key, count in sorted(unknown.items())]
        notes.append(f"keys that aren't known, not read: {', '.join(keys)}")


def _called(item: Any) -> str:
    """An entry's id or name in parentheses, for messages; "" where it has neither."""
    shown = [item[key] for key in ("id", "name") if isinstance(item, dict) and isinstance(item.get(key), str)]
    return f" ({shown[0][:40]!a})" if shown else ""


def _concept(item: Any, unknown: Counter[str]) -> Concept:
    """Return an entry as a concept; `unknown` counts its keys that aren't known.

    Raises:
        ValueError: Something is wrong with it.
    """
    if not isinstance(item, dict):
        raise ValueError(f"expected {{id, name, aliases, definition}}, found {_shown(item)}")
    concept_id = _text(item, "id")
    for key in item:
        if key not in KEYS:
            meant = _meant(key)
            holds = not _is_nothing(item[key]) and item[key] not in ("", [])
            if holds and meant in _NAMING and (meant != "id" or not concept_id):
                raise ValueError(f"unknown key `{key}`; is it `{meant}`? Rename it, or leave it out")
            unknown[key] += 1
    if not concept_id.strip():
        raise ValueError("has no `id`")
    aliases = _texts(item, "aliases", keep_nothing=True)
    sources = _texts(item, "alias_sources", keep_nothing=True)
    if sources and len(sources) != len(aliases):
        raise ValueError(f"{counted(len(sources), 'alias source')} for {counted(len(aliases), 'alias', 'aliases')}")
    if _is_nothing(item.get("types")) and "tags" in item:
        item = {**item, "types": item["tags"]}
    return Concept(
        concept_id,
        _text(item, "name"),
        aliases,
        _text(item, "definition"),
        _texts(item, "types"),
        _texts(item, "alt_ids"),
        sources,
        _texts(item, "parents"),
        _texts(item, "tree_numbers"),
    )


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(item: dict[str, Any], key: str) -> str:
    return _as_text(item.get(key), f"`{key}`")


def _texts(item: dict[str, Any], key: str, keep_nothing: bool = False) -> list[str]:
    """Return a list of texts; what is nothing in it is left out, or is "" with `keep_nothing`."""
    value = item.get(key)
    if _is_nothing(value):
        return []
    values = value if isinstance(value, list) else [value]
    texts = [_as_text(each, f"`{key}`" if values is not value else f"`{key}` {n}") for n, each in enumerate(values)]
    return texts if keep_nothing else [text for text in texts if text]


def _as_text(value: Any, what: str) -> str:
    """Return a value as a text, "" for nothing.

    Raises:
        ValueError: It is neither a text nor a whole number, or can't be written as UTF-8.
    """
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{what} holds half a character (a lone surrogate): {value[:40]!a}")
        return value
    if _is_nothing(value):
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, int):
            return str(value)
        if value.is_integer() and abs(value) < MOST_EXACT:
            return str(int(value))
        raise ValueError(f"{what} is the number {value!r}: put it into quotation marks, with all its digits")
    raise ValueError(f"{what} should be a text, and is {_shown(value)}")


def _shown(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true or false", str: "a text"}
    return f"{kinds.get(type(value), 'a number')}: {json.dumps(value)[:60]}"


def _folded(key: str) -> str:
    return "".join(filter(str.isalnum, key.casefold()))


@functools.cache
def _meant(key: str) -> str | None:
    """Return the known key that an unknown one seems to mean, None for no guess."""
    folded = _folded(key)
    if folded in _SYNONYMS_OF_KEYS:
        return _SYNONYMS_OF_KEYS[folded]
    known = {_folded(name): name for name in KEYS}
    near = difflib.get_close_matches(folded, known, 1, 0.85)
    return known[near[0]] if near else {"description": "definition", "def": "definition"}.get(folded)


def _hint(key: str) -> str:
    meant = _meant(key)
    return f", did you mean `{meant}`?" if meant else ""


def pieces(table: pa.Table) -> Iterator[bytes]:
    """Yield a table as a JSON list, a batch of concepts at a time."""
    yield b"["
    for start in range(0, len(table), BATCH):
        rows = table.slice(start, BATCH).to_pylist()
        entries = [json.dumps(_entry(row), ensure_ascii=False) for row in rows]
        yield ((", " if start else "") + ", ".join(entries)).encode()
    yield b"]"


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the published system writes it, with the columns that it doesn't know where they hold any."""
    known = {name: value for name, value in row.items() if value or name not in OPTIONAL_ONTOLOGY_COLUMNS}
    return {"id": known.pop("concept_id"), **known}


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces compressed as one gzip member without a time stamp."""
    compressor = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()
