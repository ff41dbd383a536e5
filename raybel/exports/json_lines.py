"""JSON Lines: a document on each line, with the candidates of its mentions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from raybel.exports.base import ExportFormat, json_line
from raybel.exports.documents import Document, Link, Mention, Part, Tally, rounded


class JsonLines(ExportFormat):
    """A document on each line; offsets are the corpus's own."""

    suffixes = (".jsonl",)

    def content(self, documents: Iterable[Document], tally: Tally) -> Iterator[bytes]:
        """Yield a line for each document; see `ExportFormat.content`."""
        return map(json_line, map(_document, documents))


JSON_LINES = JsonLines()


def _document(document: Document) -> dict[str, Any]:
    passages = [{"offset": each.offset, "type": each.type, "text": each.text} for each in document.passages]
    return {
        "id": document.doc_id,
        "shard": document.shard,
        "document": document.number,
        "passages": passages,
        "mentions": list(map(_mention, document.mentions)),
    }


def _mention(mention: Mention) -> dict[str, Any]:
    return {
        "id": mention.mention_id,
        "type": mention.type,
        "passage": mention.passage,
        "start": mention.start,
        "end": mention.end,
        "locations": [{"start": start, "end": end} for start, end in mention.locations],
        "text": mention.text,
        "gold": None if mention.gold is None else list(mention.gold),
        "link_id": mention.link_id,
        "link_name": mention.link_name,
        "link_score": mention.link_score,
        "parts": list(map(_part, mention.parts)),
        "candidates": list(map(_candidate, mention.candidates)),
    }


def _candidate(link: Link) -> dict[str, Any]:
    return {"id": link.concept_id, "name": link.name, "score": rounded(link.score)}


def _part(part: Part) -> dict[str, Any]:
    found = part.link
    return {
        "surface": part.surface,
        "start": part.start,
        "end": part.end,
        "link_id": found and found.concept_id,
        "link_name": found and found.name,
        "link_score": found and rounded(found.score),
    }
