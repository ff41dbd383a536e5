"""Annotated corpora as detectors learn from them, and are judged by: texts of passages, and the mentions in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raybel.config import MentionOptions
from raybel.corpus.documents import DocumentRow, ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.errors import InputError

#: (passage, start, end, type): where a mention is, code points in its passage.
GoldSpan = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True)
class GoldMention:
    """A mention as it is annotated.

    Args:
        passage: Number of its passage in the document.
        start: Code points from the start of the passage's text.
        end: Of the code point behind it; behind `start`.
        type: Its type, "" for none.
        concepts: Its gold ids; several for a composite, none where it has none.
        discontinuous: Whether it has several pieces; it goes from the first to the last one, with what is between them.
    """

    passage: int
    start: int
    end: int
    type: str
    concepts: tuple[str, ...] = ()
    discontinuous: bool = False

    @property
    def span(self) -> GoldSpan:
        """Where it is, and its type."""
        return self.passage, self.start, self.end, self.type


@dataclass(frozen=True, slots=True)
class AnnotatedDocument:
    """A document with gold mentions.

    Args:
        passages: Texts of its passages.
        mentions: Those of the types that count, in the order of the document. They may overlap.
        sentences: Of each passage: (start, end), code points in the passage.
        corpus: Number of its corpus.
    """

    passages: tuple[str, ...]
    mentions: tuple[GoldMention, ...]
    sentences: tuple[tuple[tuple[int, int], ...], ...] = ()
    corpus: int = 0

    @property
    def spans(self) -> list[GoldSpan]:
        """The distinct spans of its mentions, by passage, start, end, type."""
        return sorted({mention.span for mention in self.mentions})

    @property
    def mentions_with_text(self) -> list[tuple[GoldMention, str]]:
        """The mentions of one piece, each with its text."""
        return [
            (mention, self.passages[mention.passage][mention.start : mention.end])
            for mention in self.mentions
            if not mention.discontinuous
        ]


@dataclass
class CorpusCounts:
    """What was counted of a corpus.

    Args:
        name: As it was given.
        types: Types that it annotates, sorted: those that occur in it and are wanted.
        documents: Documents that can be used.
        mentions: Mentions of types that count, duplicates too, by type.
        duplicates: Mentions with the same span and type as another one.
        discontinuous: Mentions of several pieces.
        set_aside: What can't be used, in words; None for nothing.
    """

    name: str
    types: tuple[str, ...] = ()
    documents: int = 0
    mentions: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    discontinuous: int = 0
    set_aside: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {**vars(self), "types": list(self.types), "mentions": dict(sorted(self.mentions.items()))}


def read_corpus(
    paths: Sequence[str], options: MentionOptions, type_names: Mapping[str, str] | None = None, number: int = 0
) -> tuple[list[AnnotatedDocument], CorpusCounts]:
    """Return a corpus' documents with the mentions of the types that count, and what was counted.

    Args:
        paths: Files, directories or globs.
        options: How mentions are read out of annotations; its types are those of `type_names`, none for all.
        type_names: New names of types by their names in the corpus.
        number: Of the corpus.

    Raises:
        InputError: A file can't be read, there is no document in it, or no mention of a type that counts.
    """
    name = ", ".join(paths)
    counts, set_aside = CorpusCounts(name), SetAside()
    read = ReadOptions(replace(options, mention_types=()), sentences=True)
    documents: list[AnnotatedDocument] = []
    seen: Counter[str] = Counter()
    for row in read_rows([uri for uri, _ in corpus_files(paths)], read, set_aside):
        mentions = _mentions(row, type_names or {}, seen)
        if wanted := options.mention_types:
            mentions = [mention for mention in mentions if mention.type in wanted]
        counts.mentions.update(mention.type for mention in mentions)
        counts.discontinuous += sum(mention.discontinuous for mention in mentions)
        counts.duplicates += len(mentions) - len({mention.span for mention in mentions})
        texts = tuple(passage["text"] for passage in row.passages)
        sentences = tuple(
            tuple((each["start"] - passage["offset"], each["end"] - passage["offset"]) for each in passage["sentences"])
            for passage in row.passages
        )
        documents.append(AnnotatedDocument(texts, tuple(mentions), sentences, number))
    counts.documents, counts.types = len(documents), tuple(sorted(counts.mentions))
    counts.set_aside = set_aside.sentence()
    if not documents:
        raise InputError("holds no document that can be used", path=name)
    if not counts.types:
        listed = ", ".join(f"{kind or '(none)'} ({count:,})" for kind, count in sorted(seen.items()))
        wanted_types = ", ".join(options.mention_types)
        raise InputError(
            f"has no mention of the types {wanted_types} to learn from; there are: {listed}: see --mention-types and "
            "--type-infon"
            if seen
            else "has no mention to learn from",
            path=name,
        )
    return documents, counts


def _mentions(row: DocumentRow, type_names: Mapping[str, str], seen: Counter[str]) -> list[GoldMention]:
    """Return a row's mentions, but empty ones; count the types of all."""
    mentions = []
    for mention in row.mentions:
        kind = type_names.get(mention["type"], mention["type"])
        seen[kind] += 1
        passage = row.passages[mention["passage"]]
        start, end = mention["start"] - passage["offset"], mention["end"] - passage["offset"]
        if start < end:
            pieces = " ".join(passage["text"][start:end].split()) != " ".join(mention["text"].split())
            concepts = tuple(mention["gold"] or ())
            mentions.append(GoldMention(mention["passage"], start, end, kind, concepts, pieces))
    return mentions
