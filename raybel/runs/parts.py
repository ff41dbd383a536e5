"""A chunk's finished piece of output, and how a shard's pieces are joined; where they lie is the run directory's."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raybel.files import artefacts, tables
from raybel.schemas import DOCUMENTS, SHARD_COUNTS

#: What is counted of a chunk, of a shard and of a run.
COUNTS = tuple(SHARD_COUNTS.names[1:])
_SUMMARY = b"summary"


@dataclass
class Part:
    """A chunk's finished piece of output.

    Args:
        data: The linked documents, one gzip member (with the shard's header or footer where the chunk has one).
        mentions: Rows of `schemas.MENTIONS`.
        documents: For each document: doc_id, file, version, deleted, mentions, linked, repairs, set_aside, error.
        summary: Counts; `next`, where the next chunk begins; `error` where the file couldn't be read to its end.
        quarantine: For each document that couldn't be linked, each annotation that can't be used, and each unreadable
            file of a bundle: doc_id, document (null for a file), stage, reason, and traceback if there is one.
    """

    data: bytes
    mentions: pa.Table
    documents: dict[str, list[Any]]
    summary: dict[str, Any]
    quarantine: list[dict[str, Any]]

    def table_bytes(self) -> bytes:
        """Return the mentions as an Arrow file, whose metadata are the summary, with the documents and the quarantine.

        So a part is two files: on an object store, each is a request to write and one to read.
        """
        value = {**self.summary, "quarantine": self.quarantine, "rows": self.documents}
        metadata = {**(self.mentions.schema.metadata or {}), _SUMMARY: json.dumps(value, ensure_ascii=False).encode()}
        return artefacts.arrow_bytes(self.mentions.replace_schema_metadata(metadata))


def read_part(data: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Return the mentions and the summary that `Part.table_bytes` wrote."""
    table = pa.ipc.open_file(data).read_all()
    metadata = dict(table.schema.metadata)
    summary: dict[str, Any] = json.loads(metadata.pop(_SUMMARY))
    return table.replace_schema_metadata(metadata or None), summary


def join_mentions(tables: Iterable[pa.Table], summaries: Iterable[dict[str, Any]]) -> bytes:
    """Join the parts' tables into a Parquet file, a row group each; document positions become those in the shard.

    Args:
        tables: Of each part in order, taken one at a time.
        summaries: As `read_part` returns them.
    """
    sink = io.BytesIO()
    writer, first = None, 0
    for table, summary in zip(tables, summaries, strict=True):
        place = table.schema.get_field_index("document")
        moved = pa.array(table["document"].to_numpy() + first, pa.int32())
        table = table.set_column(place, table.schema.field("document"), moved)
        writer = writer or pq.ParquetWriter(sink, table.schema, compression="zstd")
        writer.write_table(table)
        first += summary["documents"]
    if writer is not None:
        writer.close()
    return sink.getvalue()


def join_documents(shard: str, summaries: Iterable[dict[str, Any]]) -> bytes:
    """Return the shard's table of documents as a Parquet file of `schemas.DOCUMENTS`."""
    columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS.names}
    for summary in summaries:
        for name, values in summary["rows"].items():
            columns[name] += values
    columns["shard"] = [shard] * len(columns["doc_id"])
    places = iter(range(len(columns["doc_id"])))
    columns["document"] = [None if deleted else next(places) for deleted in columns["deleted"]]
    return tables.parquet_bytes(pa.table(columns, schema=DOCUMENTS))


def quarantine_lines(path: str, summaries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line of JSON for each record of the quarantine, with its document's place in the shard."""
    first = 0
    for summary in summaries:
        for record in summary["quarantine"]:
            moved = {"path": path, **record}
            if record["document"] is not None:
                moved["document"] += first
            yield json.dumps(moved, ensure_ascii=False) + "\n"
        first += summary["documents"]


def sum_counts(tallies: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return the sums of `COUNTS` over parts' summaries or shards' states."""
    return {name: sum(tally[name] for tally in tallies) for name in COUNTS}


def counts_table(states: Iterable[dict[str, Any]]) -> pa.Table:
    """Return finished shards' counts as a table of `schemas.SHARD_COUNTS`, in order of their names."""
    ordered = sorted(states, key=lambda state: str(state["name"]))
    columns = {"shard": [state["name"] for state in ordered]}
    return pa.table({**columns, **{name: [state[name] for state in ordered] for name in COUNTS}}, schema=SHARD_COUNTS)


def repeated_ids(shards: Sequence[str], ids_of: Callable[[str], list[str]]) -> tuple[int, list[str]]:
    """Return how many documents have an id that another one has, and the first few such ids.

    Memory: 8 bytes a document while counting.

    Args:
        shards: Names.
        ids_of: Reads a shard's document ids.
    """

    def hashes(ids: list[str]) -> np.ndarray:
        digests = (hashlib.blake2b(doc_id.encode(), digest_size=8).digest() for doc_id in ids)
        return np.frombuffer(b"".join(digests), np.uint64)

    every_hash = np.concatenate([np.zeros(0, np.uint64), *(hashes(ids_of(shard)) for shard in shards)])
    values, counts = np.unique(every_hash, return_counts=True)
    repeated = values[counts > 1]
    examples: dict[str, None] = {}
    for shard in shards if len(repeated) else ():
        ids = ids_of(shard)
        examples.update(dict.fromkeys(ids[i] for i in np.flatnonzero(np.isin(hashes(ids), repeated))[:5].tolist()))
        if len(examples) >= 5:
            break
    return int(counts[counts > 1].sum()), list(examples)[:5]
