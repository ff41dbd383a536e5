"""A document's passages as one text, for formats that have no passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raybel.exports.documents import Document, Mention


@dataclass(frozen=True)
class Layout:
    """The text, and where things are in it (code points).

    Args:
        text: All passages, one character between two.
        starts: Where each passage begins.
        spans: (Start, end) of each mention.
        moved: Whether a passage begins elsewhere than in the document.
    """

    text: str
    starts: Sequence[int]
    spans: Sequence[tuple[int, int]]
    moved: bool

    def in_order(self, mentions: Sequence[Mention]) -> list[tuple[int, int, Mention]]:
        """Return (start, end, mention) of a document's mentions, by their places in the text."""
        located = [(*span, mention) for span, mention in zip(self.spans, mentions, strict=True)]
        return sorted(located, key=lambda item: item[:2])


def lay_out(document: Document, separator: str) -> Layout:
    """Return a document as one text.

    Passages one character apart, as in PubMed and PubTator, keep their offsets; gaps and overlaps are evened out.

    Args:
        document: With any passages; its mentions lie within theirs.
        separator: One character.
    """
    starts: list[int] = []
    place = 0
    for passage in document.passages:
        starts.append(place)
        place += len(passage.text) + 1
    spans = []
    for mention in document.mentions:
        shift = starts[mention.passage] - document.passages[mention.passage].offset
        spans.append((mention.start + shift, mention.end + shift))
    text = separator.join(passage.text for passage in document.passages)
    moved = any(start != passage.offset for start, passage in zip(starts, document.passages, strict=True))
    return Layout(text, starts, spans, moved)
