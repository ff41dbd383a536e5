"""What a run's quarantine holds: why documents weren't linked, annotations weren't used, and files weren't read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from raybel.files import storage
from raybel.runs.run_directory import RunDirectory


def quarantined(run: RunDirectory, name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a shard's quarantine."""
    path = run.file("quarantine", name)
    if storage.identity(path) is not None:
        # Not `splitlines`, which would also cut at a U+2028 in an id or a text.
        yield from map(json.loads, filter(None, storage.read_bytes(path).decode().split("\n")))


def is_of_file(record: Mapping[str, Any]) -> bool:
    """True for a file that couldn't be read, false for a document or an annotation."""
    return record["document"] is None
