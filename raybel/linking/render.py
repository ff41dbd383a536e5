"""Renders a chunk with rankings: its linked documents, its rows of the mentions table, what went wrong.

Pure functions; the link job maps them over chunks.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.formats.base import ShardFormat
from raybel.corpus.formats.registry import format_of
from raybel.display import counted
from raybel.files import storage
from raybel.linking.rankings import LINK_INFONS, Rankings
from raybel.runs.parts import Part
from raybel.schemas import MENTION, MENTIONS


def render(chunk: pa.Table, rankings: Rankings) -> Part:
    """Return what a chunk becomes; deterministic to the byte.

    A document with an error, of reading or of a stage, is written as it came.

    Args:
        chunk: A table of `schemas.CHUNK`, one row, perhaps with `failures`.
        rankings: Of all its mentions.
    """
    documents = _Documents.of(chunk)
    shard = _value(chunk, "shard")
    shard_format = format_of(shard).shard_format
    output = _link(documents, rankings.infons(), shard_format)
    unreadable, unnamed = _value(chunk, "unreadable"), _value(chunk, "unnamed")
    return Part(
        storage.compress(_serialised(chunk, output.pieces)),
        _mention_rows(shard, documents, rankings),
        {
            "doc_id": documents.doc_ids,
            "file": documents.files,
            "version": documents.versions,
            "deleted": documents.deleted,
            "mentions": documents.counts.tolist(),
            "linked": output.linked,
            "repairs": documents.repairs,
            "set_aside": [len(reasons) for reasons in documents.set_aside],
            "error": [error.splitlines()[-1] if error else None for error in output.errors],
        },
        {
            "chunk": _value(chunk, "chunk"),
            "last": _value(chunk, "last"),
            "next": _value(chunk, "next"),
            "error": _value(chunk, "error"),
            "documents": len(output.pieces) - sum(documents.deleted),
            "mentions": len(documents.mentions),
            "linked": sum(output.linked),
            "without_candidates": len(documents.mentions) - int(np.count_nonzero(rankings.counts)),
            **rankings.settled(),
            "repairs": sum(documents.repairs),
            "set_aside": sum(map(len, documents.set_aside)),
            "quarantined": len(output.quarantine),
            "deleted": sum(documents.deleted),
            "unreadable": len(unreadable) + unnamed,
            "passed_over": _value(chunk, "passed_over"),
        },
        [
            *sorted([*output.quarantine, *_set_aside_records(documents)], key=lambda record: record["document"]),
            *({"doc_id": None, "document": None, "stage": "read", "reason": reason} for reason in unreadable),
            *([_unnamed_record(unnamed)] if unnamed else []),
        ],
    )


def _set_aside_records(documents: _Documents) -> list[dict[str, Any]]:
    """Return a record of the quarantine for each annotation that can't be used."""
    return [
        {
            "doc_id": documents.doc_ids[number],
            "document": int(documents.places[number]),
            "stage": "annotation",
            "reason": reason,
        }
        for number, reasons in enumerate(documents.set_aside)
        for reason in reasons
    ]


def _unnamed_record(count: int) -> dict[str, Any]:
    reason = f"{counted(count, 'more file')} couldn't be read; so many in a row aren't named one by one"
    return {"doc_id": None, "document": None, "stage": "read", "reason": reason}


def _value(chunk: pa.Table, name: str) -> Any:
    return chunk[name][0].as_py()


@dataclass
class _Documents:
    """A chunk's documents.

    Args:
        doc_ids: Their ids.
        files: The files that they are from.
        versions: Their own versions, None where they have none.
        deleted: Whether their file only says that they were withdrawn.
        sources: Their original serialisations.
        repairs: How many spans were repaired in each.
        set_aside: Why annotations of each can't be used.
        errors: Why a document can't be linked, None where it can.
        failures: The traceback of a document that failed in a stage, None where it didn't.
        counts: Number of mentions of each, int64.
        mentions: The mentions of all documents, one after the other.
    """

    doc_ids: list[str]
    files: list[str]
    versions: list[int | None]
    deleted: list[bool]
    sources: list[bytes]
    repairs: list[int]
    set_aside: list[list[str]]
    errors: list[str | None]
    failures: list[str | None]
    counts: np.ndarray
    mentions: pa.StructArray

    @classmethod
    def of(cls, chunk: pa.Table) -> _Documents:
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        mentions = pc.struct_field(documents, "mentions")
        counts = pc.list_value_length(mentions).to_numpy(zero_copy_only=False).astype(np.int64)
        names = ("doc_id", "file", "version", "deleted", "source", "repairs", "set_aside", "error")
        ids, files, versions, deleted, sources, repairs, set_aside, errors = (
            pc.struct_field(documents, name).to_pylist() for name in names
        )
        failures = _value(chunk, "failures") if "failures" in chunk.column_names else [None] * len(ids)
        flat = pc.list_flatten(mentions)
        return cls(ids, files, versions, deleted, sources, repairs, set_aside, errors, failures, counts, flat)

    @cached_property
    def places(self) -> np.ndarray:
        """Each document's place among those of the chunk that aren't withdrawn: int32."""
        return np.cumsum(~np.array(self.deleted, bool), dtype=np.int32) - np.int32(1)


@dataclass
class _Output:
    """What a chunk's documents become.

    Args:
        pieces: Their serialisations with links.
        linked: Number of linked mentions of each.
        errors: Why a document wasn't linked, None where it was.
        quarantine: Records of those that weren't.
    """

    pieces: list[bytes]
    linked: list[int]
    errors: list[str | None]
    quarantine: list[dict[str, Any]]


def _link(documents: _Documents, infons: Sequence[dict[str, str]], shard_format: ShardFormat) -> _Output:
    """Put links into documents."""
    output = _Output([], [], [], [])
    start = 0
    ordinals = pc.struct_field(documents.mentions, "ordinal").to_pylist()
    rows = zip(documents.sources, documents.counts.tolist(), documents.errors, documents.failures, strict=True)
    for number, (source, count, error, failure) in enumerate(rows):
        of_document = zip(ordinals[start : start + count], infons[start : start + count], strict=True)
        start += count
        reason = error or failure
        links = {} if reason else {ordinal: new for ordinal, new in of_document if new}
        try:
            piece = b"" if documents.deleted[number] else shard_format.link(source, links, LINK_INFONS)
        except Exception:  # written as it came, and quarantined
            piece, links, failure = source, {}, traceback.format_exc()
            reason = failure
        output.pieces.append(piece)
        output.linked.append(len(links))
        output.errors.append(reason)
        if reason:
            place = int(documents.places[number])
            output.quarantine.append(_quarantine_record(place, documents.doc_ids[number], error, failure))
    return output


def _quarantine_record(place: int, doc_id: str, error: str | None, failure: str | None) -> dict[str, Any]:
    if error:
        return {"doc_id": doc_id, "document": place, "stage": "read", "reason": error}
    reason = (failure or "").strip().splitlines()[-1]
    return {"doc_id": doc_id, "document": place, "stage": "linking", "reason": reason, "traceback": failure}


def _mention_rows(shard: str, documents: _Documents, rankings: Rankings) -> pa.Table:
    """Return a chunk's rows of the mentions table."""
    document_of = np.repeat(np.arange(len(documents.counts)), documents.counts)
    columns = [
        pa.repeat(pa.scalar(shard), len(documents.mentions)),
        pa.array(documents.places[document_of]),
        pa.array(documents.doc_ids, pa.string()).take(pa.array(document_of)),
        *(pc.struct_field(documents.mentions, item.name) for item in MENTION),
        *rankings.columns(),
    ]
    return pa.Table.from_arrays(columns, schema=MENTIONS)


def _serialised(chunk: pa.Table, pieces: Sequence[bytes]) -> bytes:
    """Return a chunk's documents as they stand in the shard, with its header or footer where the chunk has one."""
    header, footer = _value(chunk, "header") or b"", _value(chunk, "footer") or b""
    return header + b"".join(pieces) + footer
