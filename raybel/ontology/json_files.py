"""Ontologies as the published system writes them: a JSON list of `{id, name, aliases, definition}`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from raybel.errors import InputError
from raybel.files import storage
from raybel.ontology.concept import Concept
from raybel.schemas import OPTIONAL_ONTOLOGY_COLUMNS

#: Concepts written at once.
BATCH = 65_536


def read(uri: str) -> Iterator[Concept]:
    """Yield the concepts of a JSON file, plain or gzipped.

    Raises:
        InputError: Not JSON, or not a list of concepts.
    """
    value = storage.read_json(uri)
    if not isinstance(value, list):
        raise InputError("isn't an ontology: expected a list of {id, name, aliases, definition}", path=uri)
    for row, item in enumerate(value):
        if not isinstance(item, dict) or "id" not in item:
            raise InputError(f"concept {row} has no `id`: {str(item)[:80]}", path=uri)
        yield Concept(
            str(item["id"]),
            str(item.get("name") or ""),
            [str(alias) for alias in item.get("aliases") or []],
            str(item.get("definition") or ""),
            list(item.get("types") or item.get("tags") or []),
            list(item.get("alt_ids") or []),
            list(item.get("alias_sources") or []),
            list(item.get("parents") or []),
            list(item.get("tree_numbers") or []),
        )


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
