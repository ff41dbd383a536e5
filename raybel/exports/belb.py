"""BELB's records, a line of JSON each: the schema to which the Biomedical Entity Linking Benchmark brings its corpora.

Garda, Weber-Genzel, Martin, Leser: BELB, Bioinformatics 39(11), 2023; the schema is that of the benchmark's repository
(https://github.com/sg-wbi/belb, "Corpora"), which replaced the BioC JSON of the paper's first version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from raybel.exports.base import ExportFormat, json_line
from raybel.exports.documents import Document, Tally
from raybel.exports.layout import lay_out

#: The id of a mention without a concept.
NIL = "NIL"


class Belb(ExportFormat):
    """A record for each document: one text, annotations with their links in the place of gold ids."""

    suffixes = (".belb.jsonl", ".jsonl")

    def content(self, documents: Iterable[Document], tally: Tally) -> Iterator[bytes]:
        """Yield a line for each document; see `ExportFormat.content`."""
        return (json_line(_record(document, tally)) for document in documents)


BELB = Belb()


def _record(document: Document, tally: Tally) -> dict[str, Any]:
    layout = lay_out(document, "\n")
    tally.moved += layout.moved
    starts = zip(layout.starts, document.passages, strict=True)
    return {
        "id": document.doc_id,
        "text": layout.text,
        "annotations": [
            {
                "type": mention.type,
                "text": layout.text[start:end],
                "start": start,
                "end": end,
                "ids": [link.concept_id for link in mention.links] or [NIL],
            }
            for start, end, mention in layout.in_order(document.mentions)
        ],
        "metadata": {"passages": [{"offset": start, "type": passage.type} for start, passage in starts]},
    }
