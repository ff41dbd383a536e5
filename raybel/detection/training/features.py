"""What a token classifier's training keeps of annotated documents, as an Arrow table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from raybel.detection.annotated import AnnotatedDocument, GoldMention

_SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_PASSAGE = pa.struct([("text", pa.string()), ("sentences", pa.list_(_SPAN))])
_GOLD = pa.struct([("passage", pa.int32()), ("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
#: A document, with the distinct spans of its mentions.
FEATURES = pa.schema([("corpus", pa.int32()), ("passages", pa.list_(_PASSAGE)), ("gold", pa.list_(_GOLD))])


def to_table(documents: Iterable[AnnotatedDocument]) -> pa.Table:
    """Return documents as a table of `FEATURES`."""
    rows: list[dict[str, Any]] = [
        {
            "corpus": document.corpus,
            "passages": [
                {"text": text, "sentences": [{"start": start, "end": end} for start, end in spans]}
                for text, spans in zip(document.passages, document.sentences, strict=True)
            ],
            "gold": [
                {"passage": passage, "start": start, "end": end, "type": kind}
                for passage, start, end, kind in document.spans
            ],
        }
        for document in documents
    ]
    return pa.Table.from_pylist(rows, FEATURES)


def from_table(table: pa.Table) -> Iterator[AnnotatedDocument]:
    """Yield the documents of a table of `FEATURES`; concepts aren't in it."""
    for batch in table.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            yield AnnotatedDocument(
                tuple(passage["text"] for passage in row["passages"]),
                tuple(GoldMention(each["passage"], each["start"], each["end"], each["type"]) for each in row["gold"]),
                tuple(
                    tuple((span["start"], span["end"]) for span in passage["sentences"]) for passage in row["passages"]
                ),
                row["corpus"],
            )
