"""Ontologies as the published system writes them: a JSON list of `{id, name, aliases, definition}`."""

from __future__ import annotations

import json
import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from raybel.display import counted, relative
from raybel.errors import InputError
from raybel.files import storage
from raybel.ontology import kinds
from raybel.ontology.concept import Concept
from raybel.schemas import OPTIONAL_ONTOLOGY_COLUMNS

#: Concepts written at once.
BATCH = 65_536


_NAMES = frozenset(
    [
        "alias",
        "alt_labels",
        "altlabel",
        "label",
        "labels",
        "names",
        "preferred_name",
        "preflabel",
        "synonym",
        "synonyms",
    ]
)
_LISTS = ("aliases", "types", "alt_ids", "alias_sources", "parents", "tree_numbers")
_KNOWN = frozenset(["id", "name", "definition", "tags", *_LISTS])
_LOG = logging.getLogger(__name__)


def read(uri: str) -> Iterator[Concept]:
    """Yield the concepts of a JSON file, plain or gzipped.

    A text where a list belongs is a list of one; null and NaN, which pandas writes for empty cells, are absent; a whole
    number as an id is its digits. Keys that aren't known are named in a warning, or refused where they seem to hold
    names, which would be lost.

    Raises:
        InputError: Not JSON, or not a list of concepts; the entry, its key and its value are named.
    """
    try:
        value = storage.read_json(uri)
    except InputError as error:
        raise InputError(f"{error.message}{kinds.looks_like(uri)}", path=uri) from error
    if not isinstance(value, list):
        content = "a list of {id, name, aliases, definition}"
        raise InputError(f"isn't an ontology: expected {content}{kinds.looks_like(uri)}", path=uri)
    unknown: Counter[str] = Counter()
    for row, item in enumerate(value):
        if not isinstance(item, dict):
            raise InputError(f"concept {row} isn't an object: {_shown(item)}", path=uri)
        unknown.update(item.keys() - _KNOWN)
        try:
            yield _concept(item)
        except ValueError as error:
            raise InputError(f"concept {row} {error}", path=uri) from error
    if unknown:
        keys = ", ".join(f"{key} ({counted(count, 'concept')})" for key, count in sorted(unknown.items()))
        _LOG.warning(f"{relative(uri)}: keys that aren't read: {keys}")


def _concept(item: dict[str, Any]) -> Concept:
    """Return an entry as a concept; a `ValueError` says what is wrong with it, after "concept 7"."""
    if names := sorted(key for key in item if key.casefold() in _NAMES):
        raise ValueError(f"has a key {names[0]!r}, which isn't read: call it `aliases` (or `name`)")
    concept_id = _id(item.get("id"))
    lists = {key: _texts(item.get(key), key) for key in _LISTS}
    lists["types"] = lists["types"] or _texts(item.get("tags"), "tags")
    if lists["alias_sources"] and len(lists["alias_sources"]) != len(lists["aliases"]):
        raise ValueError("has another number of `alias_sources` than of `aliases`")
    return Concept(
        concept_id, _text(item.get("name"), "name"), definition=_text(item.get("definition"), "definition"), **lists
    )


def _id(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    concept_id = _text(value, "id")
    if not concept_id.strip():
        raise ValueError("has no `id`: give it one, or leave it out")
    return concept_id


def _absent(value: Any) -> bool:
    """True for null and for NaN, which alone isn't equal to itself."""
    return value is None or (isinstance(value, float) and value != value)


def _text(value: Any, key: str) -> str:
    if _absent(value):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"has {_shown(value)} as `{key}`, where a text should be")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"has half a surrogate pair in `{key}`, which is no text: {value!a}") from error
    return value


def _texts(value: Any, key: str) -> list[str]:
    if _absent(value):
        return []
    values = value if isinstance(value, list) else [value]
    return [_text(item, key) for item in values if not _absent(item)]


def _shown(value: Any) -> str:
    return repr(value)[:80]


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
