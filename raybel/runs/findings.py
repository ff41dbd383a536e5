"""What a run's output says of its input: what couldn't be linked, ids that repeat, types and gold ids."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.files import storage
from raybel.runs import parts
from raybel.runs.quarantine import is_of_file, quarantined
from raybel.runs.run_directory import RunDirectory


def quarantine_reasons(run: RunDirectory, names: Iterable[str], most: int = 3) -> list[str]:
    """Return the first few reasons for which documents of finished shards are in the quarantine, or annotations."""
    records = (record for name in sorted(names) for record in quarantined(run, name) if not is_of_file(record))
    return [f"{record['path']}: {record['reason']}" for record in islice(records, most)]


def unreadable_files(run: RunDirectory, states: Mapping[str, Mapping[str, Any]], most: int = 3) -> list[str]:
    """Return why the first few files of archives and groups couldn't be read to their end; reasons name their file.

    Args:
        run: The run.
        states: Of finished shards, by name.
        most: How many reasons.
    """
    names = (name for name in sorted(states) if states[name]["unreadable"])
    records = (record for name in names for record in quarantined(run, name) if is_of_file(record))
    return [record["reason"] for record in islice(records, most)]


def repeated_ids(run: RunDirectory, names: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many documents have an id that another document of the run has, and the first few such ids.

    Rows that withdraw a document don't count.
    """
    return parts.repeated_ids(list(names), partial(_document_ids, run))


def _document_ids(run: RunDirectory, name: str) -> list[str]:
    data = storage.read_bytes(run.file("documents", name))
    table = pq.read_table(io.BytesIO(data), columns=["doc_id", "deleted"])
    ids: list[str] = table.filter(pc.invert(table["deleted"]))["doc_id"].to_pylist()
    return ids


def types_and_golds(run: RunDirectory, names: Iterable[str], most: int) -> tuple[list[str], list[list[str] | None]]:
    """Return the type and the gold ids of the first `most` mentions of finished shards (or somewhat more)."""
    types: list[str] = []
    golds: list[list[str] | None] = []
    for name in sorted(names):
        if len(types) >= most:
            break
        file = pq.ParquetFile(io.BytesIO(storage.read_bytes(run.mentions_file(name))))
        for batch in file.iter_batches(most, columns=["type", "gold"]):
            types += batch["type"].to_pylist()
            golds += batch["gold"].to_pylist()
            break
    return types, golds
