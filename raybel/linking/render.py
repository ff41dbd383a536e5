"""A chunk with candidates -> its linked documents, its rows of the mentions table, what went wrong.

Pure functions; the link job maps them over chunks.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.documents import quote_id
from raybel.corpus.formats.registry import format_of
from raybel.files import storage
from raybel.ontology import Ontology
from raybel.runs.parts import Part
from raybel.schemas import MENTION, MENTIONS, RANKING

#: Infons that the job writes on an annotation (and takes out first, where an earlier run left them).
LINK_INFONS = ("link_id", "link_name", "link_score", "all_links")


def _one(table: pa.Table, name: str) -> Any:
    return table[name][0].as_py()


def render(chunk: pa.Table, ontology: Ontology, threshold: float | None = None) -> Part:
    """Return what a chunk with candidates becomes; deterministic to the byte.

    A document with an error, of reading or of a stage, is written as it came.
    """
    shard, number = _one(chunk, "shard"), _one(chunk, "chunk")
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    leaf = {name: pc.struct_field(documents, name).to_pylist() for name in ("doc_id", "source", "repairs", "error")}
    mention_lists = pc.struct_field(documents, "mentions")
    counts = pc.list_value_length(mention_lists).to_numpy(zero_copy_only=False).astype(np.int64)
    mentions = pc.list_flatten(mention_lists)
    failures = _one(chunk, "failures") or []

    lists = pc.list_flatten(chunk["candidates"].combine_chunks())
    lengths, keep = _kept(lists, threshold)
    flat = pc.list_flatten(lists).filter(pa.array(keep))
    concept = pc.struct_field(flat, "concept")
    ids = ontology.table["concept_id"].take(concept).combine_chunks()
    names = ontology.table["name"].take(concept).combine_chunks()
    score = pc.struct_field(flat, "score")
    rank = pc.struct_field(flat, "rank")

    infons = _infons(ids.to_pylist(), names.to_pylist(), score.to_numpy().tolist(), lengths, concept.to_numpy())
    written = format_of(shard).shard_format
    pieces, linked, quarantine = [], [], []
    errors = [reason or failure for reason, failure in zip(leaf["error"], failures, strict=True)]
    start = 0
    for index, (source, count) in enumerate(zip(leaf["source"], counts.tolist(), strict=True)):
        links = {i: infons[start + i] for i in range(count) if infons[start + i]} if not errors[index] else {}
        start += count
        linked.append(len(links))
        try:
            pieces.append(written.link(source, links, LINK_INFONS))
        except Exception:  # written as it came, and told
            pieces.append(source)
            linked[-1], failures[index] = 0, traceback.format_exc()
            errors[index] = failures[index]
        if errors[index]:
            quarantine.append(_record(index, leaf["doc_id"][index], leaf["error"][index], failures[index]))

    ranking = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)),
        pa.StructArray.from_arrays([ids, names, score, rank, _ranks(lengths)], fields=list(RANKING)),
    )
    of_document = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    table = pa.Table.from_arrays(
        [
            pa.repeat(pa.scalar(shard), len(mentions)),
            pa.array(of_document),
            pa.array(leaf["doc_id"], pa.string()).take(pa.array(of_document)),
            *(pc.struct_field(mentions, item.name) for item in MENTION),
            ranking,
        ],
        schema=MENTIONS,
    )
    header, footer = _one(chunk, "header") or b"", _one(chunk, "footer") or b""
    body = written.separator.join(pieces)
    if number and pieces:
        body = written.separator + body
    with_links = int(np.count_nonzero(lengths))
    summary = {
        "chunk": number,
        "last": _one(chunk, "last"),
        "error": _one(chunk, "error"),
        "documents": len(pieces),
        "mentions": len(mentions),
        "linked": sum(linked),
        "without_candidates": len(mentions) - with_links,
        "repairs": sum(leaf["repairs"]),
        "quarantined": len(quarantine),
    }
    rows = {
        "doc_id": leaf["doc_id"],
        "mentions": counts.tolist(),
        "linked": linked,
        "repairs": leaf["repairs"],
        "error": [record.splitlines()[-1] if record else None for record in errors],
    }
    return Part(storage.compress(header + body + footer), table, rows, summary, quarantine)


def _kept(lists: pa.Array, threshold: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Number of candidates kept for each mention, and which of all candidates."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    score = pc.struct_field(pc.list_flatten(lists), "score").to_numpy()
    keep = np.ones(len(score), bool) if threshold is None else score >= np.float32(threshold)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return np.bincount(owner[keep], minlength=len(lengths)), keep


def _ranks(lengths: np.ndarray) -> pa.Array:
    starts = np.cumsum(lengths) - lengths
    return pa.array((np.arange(int(lengths.sum())) - np.repeat(starts, lengths)).astype(np.int16))


def _infons(
    ids: list[str], names: list[str], scores: list[float], lengths: np.ndarray, concepts: np.ndarray
) -> list[dict[str, str]]:
    """Return each mention's link infons, {} where it has no candidate; the same candidates are formatted once."""
    known: dict[tuple[bytes, tuple[float, ...]], dict[str, str]] = {}

    def each() -> Iterator[dict[str, str]]:
        start = 0
        for length in lengths.tolist():
            end = start + length
            if not length:
                yield {}
                continue
            key = (concepts[start:end].tobytes(), tuple(scores[start:end]))
            if key not in known:
                known[key] = {
                    "link_id": ids[start],
                    "link_name": names[start],
                    "link_score": f"{scores[start]:.4f}",
                    "all_links": "|".join(f"{quote_id(ids[i])}={scores[i]:.4f}" for i in range(start, end)),
                }
            yield known[key]
            start = end

    return list(each())


def _record(index: int, doc_id: str, error: str | None, failure: str | None) -> dict[str, Any]:
    if error:
        return {"doc_id": doc_id, "document": index, "stage": "read", "reason": error}
    reason = (failure or "").strip().splitlines()[-1]
    return {"doc_id": doc_id, "document": index, "stage": "linking", "reason": reason, "traceback": failure}
