"""A run's documents with their links, whatever they are written as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raybel.corpus.documents import quote_id


@dataclass(frozen=True, slots=True)
class Link:
    """A concept that a mention is linked to, or that is a candidate of it; the score is None where none is known."""

    concept_id: str
    name: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a composite mention: what was looked up, its place where the text has it in one piece, its link."""

    surface: str
    start: int | None
    end: int | None
    link: Link | None


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a document: where it begins there (code points), its text, its type ("" for none)."""

    offset: int
    text: str
    type: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention with its links.

    Args:
        mention_id: Its annotation's id.
        passage: Its passage's place in the document.
        start: Code points from the document's start.
        end: Of the code point behind it; of a discontinuous mention, behind its last piece.
        text: Its text; of a discontinuous mention, as the corpus has it.
        type: Its type, "" for none.
        locations: (Start, end) of its pieces, one for a mention that isn't discontinuous.
        gold: Gold ids; None where the corpus has no gold for it, empty for NIL.
        links: What it is linked to: one concept, several for a composite, none for NIL.
        candidates: Its ranking, best first.
        parts: Of a composite; empty for other mentions.
    """

    mention_id: str
    passage: int
    start: int
    end: int
    text: str
    type: str
    locations: tuple[tuple[int, int], ...]
    gold: tuple[str, ...] | None
    links: tuple[Link, ...]
    candidates: tuple[Link, ...]
    parts: tuple[Part, ...] = ()

    @property
    def link_id(self) -> str | None:
        """The link's id as the mentions table has it: several are joined by `|`, each quoted; None for NIL."""
        ids = [link.concept_id for link in self.links]
        return "|".join(map(quote_id, ids)) if len(ids) > 1 or (self.parts and ids) else next(iter(ids), None)

    @property
    def link_name(self) -> str | None:
        """The link's name, several joined by `|`; None for NIL."""
        return "|".join(link.name for link in self.links) if self.links else None

    @property
    def link_score(self) -> float | None:
        """The lowest score of its links, to six decimals; None for NIL."""
        return min((score for link in self.links if (score := rounded(link.score)) is not None), default=None)


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its id, its place among those of its shard, its passages, its mentions in the corpus's order."""

    doc_id: str
    shard: str
    number: int
    passages: Sequence[Passage]
    mentions: Sequence[Mention]


@dataclass
class Tally:
    """What was exported, and what of it isn't as it was in the run.

    Args:
        documents: That were written.
        mentions: That were written.
        linked: Of these, how many have a link.
        unrouted: Of the mentions, how many weren't to be linked to anything.
        left_out: Documents that weren't written, since they are in the quarantine.
        set_aside: Annotations of the written documents that can't be used, and aren't among the mentions.
        moved: Documents in which offsets aren't the corpus's, since the format has one text for all passages.
        replaced: Documents in which line breaks, tabs or control characters became spaces.
        unaligned: Mentions that begin or end within a token.
        overlapping: Aligned mentions that overlap a longer one.
    """

    documents: int = 0
    mentions: int = 0
    linked: int = 0
    unrouted: int = 0
    left_out: int = 0
    set_aside: int = 0
    moved: int = 0
    replaced: int = 0
    unaligned: int = 0
    overlapping: int = 0


def rounded(score: float | None) -> float | None:
    """Return a score to six decimals, so that it is written as short as it is precise (float32)."""
    return None if score is None else round(score, 6)
