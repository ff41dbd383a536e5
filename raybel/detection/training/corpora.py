"""Annotated corpora as a token classifier learns from them: documents with gold spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from raybel.config import MentionOptions
from raybel.corpus.documents import DocumentRow, ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.errors import InputError

#: (passage, start, end, type): a mention, code points in its passage.
Gold = tuple[int, int, int, str]

_SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_PASSAGE = pa.struct([("text", pa.string()), ("sentences", pa.list_(_SPAN))])
_GOLD = pa.struct([("passage", pa.int32()), ("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
#: A document of a corpus, as training keeps it.
DOCUMENT = pa.schema([("corpus", pa.int32()), ("passages", pa.list_(_PASSAGE)), ("gold", pa.list_(_GOLD))])


@dataclass
class AnnotatedDocument:
    """A document with gold spans.

    Args:
        corpus: Number of its corpus.
        passages: Texts of its passages.
        sentences: Of each passage: (start, end), code points in the passage.
        gold: Distinct mentions of the types that count, by passage, start, end, type. They may overlap.
    """

    corpus: int
    passages: list[str]
    sentences: list[list[tuple[int, int]]]
    gold: list[Gold]


@dataclass
class CorpusCounts:
    """What was counted of a corpus.

    Args:
        name: As it was given.
        types: Types that it annotates, sorted: those that occur in it and are wanted.
        documents: Documents that can be used.
        mentions: Mentions of types that count, duplicates too, by type.
        duplicates: Mentions with the same span and type as another one.
        discontinuous: Mentions of several pieces, which count from the first to the last one.
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
    path: str, number: int, type_names: Mapping[str, str], wanted: Sequence[str], type_infon: str
) -> tuple[list[AnnotatedDocument], CorpusCounts]:
    """Read a corpus.

    Args:
        path: A file, directory or glob.
        number: Of the corpus.
        type_names: Old name -> new name of types.
        wanted: Types that count, by their new names; none for all.
        type_infon: The infon that holds a mention's type.

    Raises:
        InputError: A file can't be read, there is no document in it, or no mention of a type that counts.
    """
    counts, set_aside = CorpusCounts(path), SetAside()
    options = ReadOptions(MentionOptions(expand_abbreviations=False, type_infon=type_infon), sentences=True)
    documents: list[AnnotatedDocument] = []
    seen: Counter[str] = Counter()
    for row in read_rows([uri for uri, _ in corpus_files([path])], options, set_aside):
        documents.append(_document(row, number, type_names, wanted, counts, seen))
    counts.documents, counts.types = len(documents), tuple(sorted(counts.mentions))
    counts.set_aside = set_aside.sentence()
    if not documents:
        raise InputError("holds no document that can be used", path=path)
    if not counts.types:
        listed = ", ".join(f"{kind or '(none)'} ({count:,})" for kind, count in sorted(seen.items()))
        raise InputError(
            f"has no mention of the types {', '.join(wanted)}; there are: {listed}" if seen else "has no mention",
            path=path,
        )
    return documents, counts


def _document(
    row: DocumentRow,
    number: int,
    type_names: Mapping[str, str],
    wanted: Sequence[str],
    counts: CorpusCounts,
    seen: Counter[str],
) -> AnnotatedDocument:
    gold: set[Gold] = set()
    for mention in row.mentions:
        kind = type_names.get(mention["type"], mention["type"])
        seen[kind] += 1
        if wanted and kind not in wanted:
            continue
        passage = row.passages[mention["passage"]]
        span = (mention["start"] - passage["offset"], mention["end"] - passage["offset"])
        if span[0] >= span[1]:
            continue
        counts.mentions[kind] += 1
        counts.discontinuous += " ".join(passage["text"][slice(*span)].split()) != " ".join(mention["text"].split())
        counts.duplicates += (mention["passage"], *span, kind) in gold
        gold.add((mention["passage"], *span, kind))
    sentences = [
        [(each["start"] - passage["offset"], each["end"] - passage["offset"]) for each in passage["sentences"]]
        for passage in row.passages
    ]
    return AnnotatedDocument(number, [passage["text"] for passage in row.passages], sentences, sorted(gold))


def to_table(documents: Iterable[AnnotatedDocument]) -> pa.Table:
    """Return documents as a table of `DOCUMENT`."""
    rows: list[dict[str, Any]] = [
        {
            "corpus": document.corpus,
            "passages": [
                {"text": text, "sentences": [{"start": start, "end": end} for start, end in spans]}
                for text, spans in zip(document.passages, document.sentences, strict=True)
            ],
            "gold": [
                {"passage": passage, "start": start, "end": end, "type": kind}
                for passage, start, end, kind in document.gold
            ],
        }
        for document in documents
    ]
    return pa.Table.from_pylist(rows, DOCUMENT)


def from_table(table: pa.Table) -> Iterator[AnnotatedDocument]:
    """Yield the documents of a table of `DOCUMENT`."""
    for batch in table.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            yield AnnotatedDocument(
                row["corpus"],
                [passage["text"] for passage in row["passages"]],
                [[(span["start"], span["end"]) for span in passage["sentences"]] for passage in row["passages"]],
                [(each["passage"], each["start"], each["end"], each["type"]) for each in row["gold"]],
            )
