"""spaCy's DocBin: tokens of a blank English pipeline, with the mentions as spans that have ids of a knowledge base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from raybel.exports.base import ExportFormat
from raybel.exports.documents import Document, Mention, Tally
from raybel.exports.layout import Layout, lay_out

#: The key of a document's mentions in `doc.spans` and in `doc.user_data`.
KEY = "mentions"
#: The label of mentions without a type: spaCy takes an empty label for a missing one.
NO_TYPE = "ENTITY"
#: The longest string without blanks that is taken apart: the time that spaCy takes for one grows with its square.
LONGEST_STRING = 1000
_ATTRIBUTES = ("ORTH", "SPACY", "ENT_IOB", "ENT_TYPE", "ENT_KB_ID", "ENT_ID")


class DocBinFormat(ExportFormat):
    """A DocBin, which is gzipped in itself; a file of it is made in memory.

    `doc.spans["mentions"]` has every mention whose ends are ends of tokens: label, `kb_id_`, and its id. `doc.ents` has
    those of them that overlap no longer one (of equally long ones, the first). `doc.user_data` has the document's id,
    where its passages begin, and all mentions, those that begin or end within a token too. A string of more than
    `LONGEST_STRING` characters without a blank is one token.
    """

    suffixes = (".spacy",)
    gzipped = False
    package = "spacy"

    def content(self, documents: Iterable[Document], tally: Tally) -> Iterator[bytes]:
        """Yield a DocBin; see `ExportFormat.content`."""
        import spacy  # takes seconds
        from spacy.tokens import DocBin

        tokenizer = spacy.blank("en").tokenizer  # a pipeline refuses texts of a million characters, this doesn't
        tokenizer.token_match = re.compile(rf"\S{{{LONGEST_STRING + 1},}}").fullmatch  # a blank pipeline has none
        binary = DocBin(attrs=_ATTRIBUTES, store_user_data=True)
        for document in documents:
            binary.add(_doc(document, tokenizer, tally))
        yield binary.to_bytes()


DOC_BIN = DocBinFormat()


def _doc(document: Document, tokenizer: Any, tally: Tally) -> Any:
    """Return a document as spaCy's `Doc`."""
    from spacy.util import filter_spans

    layout = lay_out(document, " ")
    tally.moved += layout.moved
    doc = tokenizer(layout.text)
    spans = []
    records = []
    for start, end, mention in layout.in_order(document.mentions):
        span = _span(doc, start, end, mention)
        spans += [] if span is None else [span]
        records.append(_record(start, end, mention, span is not None))
    doc.spans[KEY] = spans
    doc.ents = filter_spans(spans)
    doc.user_data = {"id": document.doc_id, "passages": _passages(document, layout), KEY: records}
    tally.unaligned += len(records) - len(spans)
    tally.overlapping += len(spans) - len(doc.ents)
    return doc


def _span(doc: Any, start: int, end: int, mention: Mention) -> Any:
    """Return a mention as a span, None where it begins or ends within a token, or is empty."""
    if start == end:
        return None
    label, linked = mention.type or NO_TYPE, mention.link_id or ""
    return doc.char_span(start, end, label=label, kb_id=linked, span_id=mention.mention_id)


def _record(start: int, end: int, mention: Mention, aligned: bool) -> dict[str, Any]:
    return {
        "id": mention.mention_id,
        "start": start,
        "end": end,
        "type": mention.type,
        "link_id": mention.link_id,
        "link_ids": [link.concept_id for link in mention.links],
        "link_name": mention.link_name,
        "link_score": mention.link_score,
        "aligned": aligned,
    }


def _passages(document: Document, layout: Layout) -> list[dict[str, Any]]:
    """Return where each passage begins in the text, and in the corpus."""
    pairs = zip(layout.starts, document.passages, strict=True)
    return [{"start": start, "offset": passage.offset, "type": passage.type} for start, passage in pairs]
