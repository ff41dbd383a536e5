"""A run's shards read as documents with their links: the texts from the shard, the links from its mentions table."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raybel.corpus.documents import ReadOptions, mentions_in, passage_text
from raybel.corpus.reading import read_documents
from raybel.errors import InputError, MismatchError
from raybel.exports.documents import Document, Link, Mention, Part, Passage, Tally
from raybel.files import storage
from raybel.linking.rankings import reaches
from raybel.runs.run_directory import RunDirectory

_OF_DOCUMENTS = ("doc_id", "deleted", "set_aside", "error")
_OF_MENTIONS = (
    *("document", "mention_id", "ordinal", "passage", "start", "end", "text", "type", "gold"),
    *("ontology", "parts", "ranking"),
)
#: The run had its own limit of a document's size, and links made its documents larger.
_OPTIONS = ReadOptions(max_document_bytes=1 << 40)
#: Rows of the mentions table that are in memory at a time.
_ROWS = 2048
_AGAIN = "link it again"


@dataclass(frozen=True)
class Selection:
    """Which of a mention's candidates count.

    Args:
        top_k: How many at most; None for all.
        threshold: The score below which they are left out; None for none.
    """

    top_k: int | None = None
    threshold: float | None = None

    def reached(self, candidates: Sequence[Link]) -> list[Link]:
        """Return the candidates that reach the threshold."""
        if self.threshold is None or not candidates:
            return list(candidates)
        reached = reaches(np.array([link.score for link in candidates], np.float64), self.threshold)
        return [link for link, enough in zip(candidates, reached.tolist(), strict=True) if enough]


def read_shard(run: RunDirectory, shard: str, selection: Selection, tally: Tally) -> Iterator[Document]:
    """Yield a shard's documents, without those that couldn't be linked.

    Memory: a document, a few thousand rows of the shard's tables, and these as they are compressed.

    Args:
        run: The run.
        shard: Its name.
        selection: Which candidates count.
        tally: Counts documents, mentions, links, and what is left out.

    Raises:
        InputError: A file of the shard is missing, or can't be read.
        MismatchError: The shard and its tables don't belong together, or are another version's.
    """
    listed = (row for row in _rows(run, "documents", shard, _OF_DOCUMENTS) if not row["deleted"])
    by_document = groupby(_rows(run, "mentions", shard, _OF_MENTIONS), key=itemgetter("document"))
    number, waiting = -1, next(by_document, None)
    for piece in read_documents(run.shard_file(shard), _OPTIONS):
        if isinstance(piece, bytes):
            continue
        document, number = piece[0], number + 1
        entry = next(listed, None)
        if entry is None or entry["doc_id"] != (document.id or ""):
            raise MismatchError(f"{run.shard_file(shard)}, document {document.id}: its table has another: {_AGAIN}")
        rows: list[dict[str, Any]] = []
        if waiting is not None and waiting[0] == number:
            rows, waiting = list(waiting[1]), next(by_document, None)
        if entry["error"] is not None:
            tally.left_out += 1
            continue
        found = _document(document, rows, shard, number, selection)
        tally.documents += 1
        tally.mentions += len(found.mentions)
        tally.linked += sum(bool(mention.links) for mention in found.mentions)
        tally.unrouted += sum(row["ontology"] is None for row in rows)
        tally.set_aside += entry["set_aside"]
        yield found
    if next(listed, None) is not None or waiting is not None:
        raise MismatchError(f"{run.shard_file(shard)} has {number + 1:,} documents, its tables have more: {_AGAIN}")


def _rows(run: RunDirectory, folder: str, shard: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one of a shard's tables, with some of its columns."""
    path = run.file(folder, shard)
    data = storage.find_bytes(path)
    if data is None:
        raise InputError(f"the shard's table is missing: {_AGAIN}", path=path)
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        if missing := sorted(set(columns) - set(file.schema_arrow.names)):
            raise MismatchError(f"{path} lacks the columns {', '.join(missing)}, as another version wrote it: {_AGAIN}")
        for batch in file.iter_batches(_ROWS, columns=list(columns)):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"isn't a readable table ({error}): {_AGAIN}", path=path) from error


def _document(
    document: Any, rows: Sequence[Mapping[str, Any]], shard: str, number: int, selection: Selection
) -> Document:
    passages = [
        Passage(passage.offset, passage_text(passage), passage.infons.get("type") or "")
        for passage in document.passages
    ]
    annotations = [annotation for _, annotation in mentions_in(document)] if rows else []
    mentions = []
    for row in rows:
        if row["ordinal"] >= len(annotations) or row["passage"] >= len(passages):
            raise MismatchError(f"{shard}, document {document.id}: mention {row['mention_id']} isn't there: {_AGAIN}")
        annotation = annotations[row["ordinal"]]
        if not _is_there(row, annotation, passages[row["passage"]]):
            raise MismatchError(
                f"{shard}, document {document.id}, offset {row['start']}: mention {row['mention_id']} isn't there: the "
                f"shard and its mentions table don't belong together; {_AGAIN}"
            )
        mentions.append(_mention(row, annotation, selection))
    return Document(document.id or "", shard, number, passages, mentions)


def _is_there(row: Mapping[str, Any], annotation: Any, passage: Passage) -> bool:
    """True if a mention's text is where its offsets say; of a discontinuous one, if its pieces are."""
    start, end = row["start"] - passage.offset, row["end"] - passage.offset
    if not 0 <= start <= end <= len(passage.text):
        return False
    places = [(place.offset, place.offset + place.length) for place in annotation.locations]
    if len(places) > 1:
        return (min(first for first, _ in places), max(last for _, last in places)) == (row["start"], row["end"])
    return bool(passage.text[start:end] == row["text"])


def _mention(row: Mapping[str, Any], annotation: Any, selection: Selection) -> Mention:
    ranking = [Link(each["concept_id"], each["name"] or "", each["score"]) for each in row["ranking"] or ()]
    candidates = selection.reached(ranking)
    parts = tuple(_part(part, selection) for part in row["parts"] or ())
    links = _lowest([part.link for part in parts if part.link is not None])
    pieces = sorted((place.offset, place.offset + place.length) for place in annotation.locations)
    gold = row["gold"]
    return Mention(
        row["mention_id"],
        row["passage"],
        row["start"],
        row["end"],
        row["text"],
        row["type"] or "",
        tuple(pieces) if len(pieces) > 1 else ((row["start"], row["end"]),),
        None if gold is None else tuple(gold),
        tuple(links) if row["parts"] else tuple(candidates[:1]),
        tuple(candidates[: selection.top_k]),
        parts,
    )


def _part(part: Mapping[str, Any], selection: Selection) -> Part:
    found = part["link_id"] is not None and Link(part["link_id"], part["link_name"] or "", part["link_score"])
    reached = selection.reached([found] if found else [])
    return Part(part["surface"], part["start"], part["end"], next(iter(reached), None))


def _lowest(links: Sequence[Link]) -> list[Link]:
    """Return each concept once, in the order of their first links, with the lowest score that it has."""
    lowest: dict[str, Link] = {}
    for link in links:
        known = lowest.get(link.concept_id)
        if known is None or (link.score is not None and known.score is not None and link.score < known.score):
            lowest[link.concept_id] = link
    return list(lowest.values())
