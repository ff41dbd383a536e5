"""Linked documents as streams, out of a run's tables or out of BioC files; two such streams, document by document."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.config import MentionOptions
from raybel.corpus.documents import TYPE_INFON, ReadOptions
from raybel.corpus.reading import read_documents
from raybel.corpus.sources import corpus_files
from raybel.errors import ConfigError
from raybel.evaluation.predictions import predictions, sure_of
from raybel.runs.mentions import document_ids, mention_groups
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import RunDirectory

_COLUMNS = ("document", "doc_id", "mention_id", "start", "end", "text", "type", "link_id", "link_name", "sure")


@dataclass(slots=True)
class LinkedMention:
    """A mention with what it was linked to.

    Args:
        mention_id: Its annotation's id.
        start: Code points from the document's start.
        end: Of the code point behind it.
        text: Its text.
        type: Its type; "" for none.
        link: The concept id, several joined by `|` for a composite; None where it isn't linked.
        name: The concept's name; None where it isn't known.
        sure: Whether it was settled before re-ranking; None where nothing says so.
        candidates: Concept ids, best first.
    """

    mention_id: str
    start: int
    end: int
    text: str
    type: str
    link: str | None
    name: str | None
    sure: bool | None
    candidates: list[str]

    @property
    def key(self) -> tuple[str, int, int]:
        """What says which mention of its document it is."""
        return self.mention_id, self.start, self.end


@dataclass(slots=True)
class LinkedDocument:
    """A document's mentions.

    Args:
        doc_id: Its id.
        place: The file that it is in, and its number in there.
        mentions: In the document's order.
    """

    doc_id: str
    place: tuple[str, int]
    mentions: list[LinkedMention]


@dataclass(frozen=True)
class LinkedCorpus:
    """What one run linked: a run directory, or BioC files with links.

    Args:
        files: The BioC files; none of a run directory.
        run: The run directory; None for files.
        mention_types: Types of the mentions that count; none for all.
    """

    files: tuple[str, ...]
    run: RunDirectory | None
    mention_types: tuple[str, ...] = ()

    @classmethod
    def open(cls, uri: str, mention_types: Sequence[str]) -> LinkedCorpus:
        """Open what is at a path or URI.

        Raises:
            ConfigError: There is nothing, or a run without a finished shard.
            InputError: A directory of runs' files isn't a run.
        """
        run = run_with_links(uri)
        if run.uri == uri and not run.exists():
            return cls(tuple(file for file, _ in corpus_files([uri])), None, tuple(mention_types))
        run.manifest()
        if not run.shard_names():
            raise ConfigError(f"{uri}: the run has no finished shard yet; see `raybel status`, or run it again")
        return cls((), run, tuple(mention_types))

    def hashes(self) -> np.ndarray | None:
        """Return a hash of each id of documents with mentions that count; None where that takes parsing them.

        Returns:
            uint64 (ids,), sorted.

        Raises:
            InputError: A table can't be read.
        """
        if self.run is None:
            return None
        return np.sort(np.concatenate([np.zeros(0, np.uint64), *map(hashed, self._ids(self.run))]))

    def _ids(self, run: RunDirectory) -> Iterator[list[str]]:
        """Yield ids of documents with mentions that count, of a shard or a row group at a time."""
        if self.mention_types:
            for group in mention_groups(run, ["doc_id", "type"]):
                yield pc.unique(self._of_types(group.read(["doc_id", "type"]))["doc_id"]).to_pylist()
            return
        for shard in run.shard_names():
            table = document_ids(run, shard)
            yield table.filter(pc.greater(table["mentions"], 0))["doc_id"].to_pylist()

    def _of_types(self, table: pa.Table) -> pa.Table:
        return table.filter(pc.is_in(table["type"], value_set=pa.array(self.mention_types, pa.string())))

    def documents(self) -> Iterator[LinkedDocument]:
        """Yield the documents; of a run, those with mentions.

        Memory: a chunk's mentions, or a document.

        Raises:
            InputError: A file can't be read.
        """
        yield from self._of_tables(self.run) if self.run is not None else self._of_files()

    def _of_tables(self, run: RunDirectory) -> Iterator[LinkedDocument]:
        groups = mention_groups(run, [*_COLUMNS, "ranking"])
        rows = ((group.shard, *row) for group in groups for row in self._rows(group.read([*_COLUMNS, "ranking"])))
        for (shard, number, doc_id), of_document in groupby(rows, key=lambda row: row[:3]):
            yield LinkedDocument(doc_id, (run.shard_file(shard), number), [mention for *_, mention in of_document])

    def _rows(self, table: pa.Table) -> Iterator[tuple[int, str, LinkedMention]]:
        """Yield each mention with its document's number in the shard and the document's id."""
        if self.mention_types:
            table = self._of_types(table)
        rankings = table["ranking"].combine_chunks()
        ends = np.cumsum(pc.fill_null(pc.list_value_length(rankings), 0).to_numpy()).tolist()
        ids = pc.struct_field(pc.list_flatten(rankings), "concept_id").to_pylist()
        candidates = (ids[start:end] for start, end in pairwise([0, *ends]))
        columns = (table[name].to_pylist() for name in _COLUMNS)
        for number, doc_id, *mention in zip(*columns, candidates, strict=True):
            yield number, doc_id, LinkedMention(*mention)

    def _of_files(self) -> Iterator[LinkedDocument]:
        # By the long form no mention is joined.
        options = ReadOptions(MentionOptions(expand_abbreviations=False))
        for file in self.files:
            pieces = (piece for piece in read_documents(file, options) if not isinstance(piece, bytes))
            for number, (document, source) in enumerate(pieces):
                mentions = []
                for found in predictions(document, source, options):
                    kind = found.infons.get(TYPE_INFON) or ""
                    if self.mention_types and kind not in self.mention_types:
                        continue
                    link = found.infons.get("link_id") or next(iter(found.ranking), None)
                    of_mention = (found.mention_id, found.start, found.end, found.text, kind)
                    of_link = (link if found.ranking else None, found.infons.get("link_name"), sure_of(found.infons))
                    mentions.append(LinkedMention(*of_mention, *of_link, found.ranking))
                yield LinkedDocument(document.id or "", (file, number), mentions)


def hashed(doc_ids: Iterable[str]) -> np.ndarray:
    """Return a hash of each id, uint64."""
    digests = (hashlib.blake2b(doc_id.encode(), digest_size=8).digest() for doc_id in doc_ids)
    return np.frombuffer(b"".join(digests), np.uint64)


def side_by_side(
    first: Iterable[LinkedDocument], second: Iterable[LinkedDocument]
) -> Iterator[tuple[LinkedDocument | None, LinkedDocument | None]]:
    """Yield the documents of two streams in pairs of the same id, taken in order where it repeats, then the rest.

    Memory: the documents of one stream that the other one hasn't come to yet; none where both are in the same order.
    """
    waiting: tuple[dict[str, deque[LinkedDocument]], ...] = ({}, {})
    for both in zip_longest(first, second):
        for side, document in enumerate(both):
            if document is None:
                continue
            if partners := waiting[1 - side].get(document.doc_id):
                partner = partners.popleft()
                yield (partner, document) if side else (document, partner)
                if not partners:
                    del waiting[1 - side][document.doc_id]
            else:
                waiting[side].setdefault(document.doc_id, deque()).append(document)
    yield from ((document, None) for queue in waiting[0].values() for document in queue)
    yield from ((None, document) for queue in waiting[1].values() for document in queue)


def matched(first: Sequence[LinkedMention], second: Sequence[LinkedMention]) -> Iterator[tuple[Any, Any]]:
    """Yield a document's mentions in pairs of the same mention, None where only one side has it.

    A mention is the same if its annotation's id and its span are, else if its span is. Several with the same key are
    taken in order.
    """
    if [mention.key for mention in first] == [mention.key for mention in second]:
        yield from zip(first, second, strict=True)
        return
    partners: list[LinkedMention | None] = [None] * len(first)
    free = dict.fromkeys(range(len(second)))
    for skipped in (0, 1):  # the whole key, then the span alone
        waiting: dict[tuple[Any, ...], deque[int]] = {}
        for index in free:
            waiting.setdefault(second[index].key[skipped:], deque()).append(index)
        for place, mention in enumerate(first):
            if partners[place] is None and (queue := waiting.get(mention.key[skipped:])):
                index = queue.popleft()
                partners[place] = second[index]
                del free[index]
    yield from zip(first, partners, strict=True)
    yield from ((None, second[index]) for index in free)
