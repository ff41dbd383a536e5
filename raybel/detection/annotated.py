"""Annotated documents as a detector learns from them: texts of passages, and the spans of the mentions in them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from raybel.config import MentionOptions
from raybel.corpus.documents import DocumentRow, ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.errors import InputError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GoldMention:
    """A mention as it is annotated.

    Args:
        passage: Number of its passage in the document.
        start: Code points from the start of the passage's text.
        end: Of the code point behind it.
        type: Its type, "" for none.
        concepts: Its gold ids; several for a composite, none where it has none.
    """

    passage: int
    start: int
    end: int
    type: str
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnnotatedDocument:
    """The texts of a document's passages, and its mentions in the order of the document."""

    passages: tuple[str, ...]
    mentions: tuple[GoldMention, ...]

    def texts(self) -> list[str]:
        """Return the text of each mention."""
        return [self.passages[mention.passage][mention.start : mention.end] for mention in self.mentions]


def read_annotated(
    paths: Sequence[str], options: MentionOptions, type_names: Mapping[str, str] | None = None
) -> list[AnnotatedDocument]:
    """Return the documents of a corpus with the mentions of the types that count.

    Empty mentions, and those of several pieces, whose text isn't that of their span, are left out.

    Args:
        paths: BioC files, directories or globs.
        options: How mentions are read out of annotations; its types are those of `type_names`.
        type_names: New names of types by their names in the corpus.

    Raises:
        InputError: A file can't be read, or no mention counts.
    """
    set_aside = SetAside()
    uris = [path for path, _ in corpus_files(paths)]
    names, every_type = type_names or {}, replace(options, mention_types=())
    rows = read_rows(uris, ReadOptions(every_type), set_aside)
    documents = [annotated(row, names, frozenset(options.mention_types)) for row in rows]
    if sentence := set_aside.sentence():
        _LOG.warning(sentence)
    if not any(document.mentions for document in documents):
        wanted = f" of the types {', '.join(options.mention_types)}" if options.mention_types else ""
        raise InputError(
            f"has no mentions{wanted} to learn from: see --mention-types and --type-infon", path=", ".join(paths)
        )
    return documents


def annotated(row: DocumentRow, type_names: Mapping[str, str], wanted: frozenset[str]) -> AnnotatedDocument:
    """Return a row's texts and mentions.

    Args:
        row: A document.
        type_names: New names of types by their names in the document.
        wanted: The types that count, by their new names; none for all.
    """
    mentions = []
    for mention in row.mentions:
        kind = type_names.get(mention["type"], mention["type"])
        if wanted and kind not in wanted:
            continue
        passage = row.passages[mention["passage"]]
        start, end = mention["start"] - passage["offset"], mention["end"] - passage["offset"]
        if start < end and passage["text"][start:end] == mention["text"]:
            concepts = tuple(mention["gold"] or ())
            mentions.append(GoldMention(mention["passage"], start, end, kind, concepts))
    return AnnotatedDocument(tuple(passage["text"] for passage in row.passages), tuple(mentions))
