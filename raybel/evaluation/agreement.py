"""Comparing runs without gold: how far their links agree, and which mentions changed. Needs no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.documents import ReadOptions, passage_text
from raybel.corpus.reading import read_documents
from raybel.corpus.text import surroundings
from raybel.display import counted, relative
from raybel.errors import ConfigError, DocumentError, MismatchError
from raybel.evaluation.changes import CHANGED, Change, Changes
from raybel.evaluation.comparison import NAMED, Comparison, warnings_about
from raybel.evaluation.config import CompareConfig
from raybel.evaluation.linked_documents import (
    LinkedCorpus,
    LinkedDocument,
    LinkedMention,
    hashed,
    matched,
    side_by_side,
)

#: A row for each run but the first and group: numbers of the mentions that both runs have. `same` have one link in
#: both, `changed` another one; `newly_linked` only the second run linked, `no_longer_linked` only the first one,
#: `unlinked` neither. `agreement` is the share of `same` and `unlinked`; `overlap` the mean, over the mentions with
#: candidates, of the candidates that both runs have, as a share of those that any of them has.
AGREEMENT = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("group_kind", pa.string()),
        ("group", pa.string()),
        ("mentions", pa.int64()),
        *((name, pa.int64()) for name in ("same", "changed", "newly_linked", "no_longer_linked", "unlinked")),
        ("agreement", pa.float64()),
        ("overlap", pa.float64()),
    ]
)


@dataclass
class _Group:
    """Counts of some of the mentions that both runs have."""

    counts: Counter[str] = field(default_factory=Counter)
    with_candidates: int = 0
    overlap: float = 0.0

    def add(self, outcome: str, overlap: float | None) -> None:
        self.counts[outcome] += 1
        if overlap is not None:
            self.with_candidates += 1
            self.overlap += overlap

    def row(self) -> dict[str, Any]:
        mentions = self.counts.total()
        return {
            "mentions": mentions,
            **self.counts,
            "agreement": (self.counts["same"] + self.counts["unlinked"]) / mentions,
            "overlap": self.overlap / self.with_candidates if self.with_candidates else None,
        }


@dataclass
class _Only:
    """What only one of two runs has."""

    documents: int = 0
    mentions: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, document: LinkedDocument, mentions: Sequence[LinkedMention], whole: bool) -> None:
        self.documents += whole
        self.mentions += len(mentions)
        if (whole or mentions) and len(self.examples) < NAMED:
            self.examples.append(document.doc_id if whole else f"{document.doc_id} {mentions[0].text!r}")

    def sentence(self, name: str, other: str) -> list[str]:
        if not self.documents and not self.mentions:
            return []
        without = f"{counted(self.documents, 'document')} without a mention there"
        documents = f" ({without} among them)" if self.documents else ""
        return [
            f"Not compared: {counted(self.mentions, 'mention')}{documents} of {name} that {other} hasn't, such as in "
            f"document {', '.join(self.examples)}."
        ]


def compare_links(config: CompareConfig, keep_rows: bool = False) -> Comparison:
    """Compare the links of each run with those of the first one, mention by mention.

    Memory: 8 bytes a document; the changes, up to a bound (`Changes`); and what one run has earlier than the other
    (`linked_documents.side_by_side`).

    Raises:
        ConfigError: A run isn't there, or neither of two has mentions.
        InputError: A file can't be read.
        MismatchError: Two runs have no document in common, or none of the mentions.
    """
    names = tuple(map(relative, config.runs))
    corpora = [LinkedCorpus.open(run, config.mentions.mention_types) for run in config.runs]
    hashes = [corpus.hashes() for corpus in corpora]
    rows: list[dict[str, Any]] = []
    changes: list[Changes] = []
    sentences: list[str] = []
    for other in range(1, len(names)):
        pair = _Pair((names[0], names[other]), keep_rows)
        pair.read((corpora[0], corpora[other]), (hashes[0], hashes[other]))
        rows += pair.rows()
        changes.append(pair.changes)
        sentences += pair.sentences()
    shown = [change for each in changes for change in each.of(CHANGED)[: config.examples]]
    _add_contexts(shown)
    links = ((change.first, change.example["first_name"]) for change in shown)
    others = ((change.second, change.example["second_name"]) for change in shown)
    known = {link: name for link, name in (*links, *others) if link is not None and name is not None}
    sentences.append(
        "Mentions are the same by document, annotation id and span, else by document and span. Concepts are the same "
        "if their ids are, as written. Which run is right isn't known without --gold-corpus."
    )
    table = pa.Table.from_pylist(rows, schema=AGREEMENT)
    warnings = tuple(warnings_about(config))
    return Comparison(
        names, table, tuple(changes), tuple(sentences), names=known, shown=config.examples, warnings=warnings
    )


class _Pair:
    """Two runs, read side by side."""

    def __init__(self, names: tuple[str, str], keep_rows: bool) -> None:
        self.names = names
        self.changes = Changes({"first": names[0], "second": names[1], "policy": None}, keep_rows)
        self.groups: dict[tuple[str, str], _Group] = {}
        self.only = (_Only(), _Only())

    def read(self, corpora: tuple[LinkedCorpus, LinkedCorpus], hashes: tuple[np.ndarray | None, ...]) -> None:
        """Read and count both."""
        sizes, shared = [0, 0], 0
        streams = []
        for side, corpus in enumerate(corpora):
            elsewhere = hashes[1 - side]
            streams.append(self._counted(corpus.documents(), side, sizes, elsewhere))
        for first, second in side_by_side(*streams):
            if first is None or second is None:
                side, document = (1, second) if first is None else (0, first)
                assert document is not None
                self.only[side].add(document, document.mentions, True)
                continue
            shared += 1
            self._compare(first, second)
        self._check(sizes, shared)

    def _check(self, sizes: Sequence[int], shared: int) -> None:
        """Refuse runs that have nothing in common.

        Args:
            sizes: How many documents with mentions each has.
            shared: How many of them are in both.
        """
        if empty := [name for name, size in zip(self.names, sizes, strict=True) if not size]:
            raise ConfigError(f"{' and '.join(dict.fromkeys(empty))}: there are no mentions to compare")
        if self.groups:
            return
        what = "the documents of the same ids have no mention in common" if shared else "no document id is in both"
        in_each = (
            f"{name} has {counted(size, 'document')} with mentions, such as {', '.join(only.examples)}"
            for name, size, only in zip(self.names, sizes, self.only, strict=True)
        )
        raise MismatchError(f"the runs are over different inputs: {what}; {'; '.join(in_each)}")

    def _counted(
        self, documents: Iterable[LinkedDocument], side: int, sizes: list[int], elsewhere: np.ndarray | None
    ) -> Iterator[LinkedDocument]:
        """Yield the documents that the other run may have; the others needn't wait for it."""
        for document in documents:
            if not document.mentions:
                continue
            sizes[side] += 1
            if elsewhere is not None:
                (own,) = hashed([document.doc_id])
                place = int(np.searchsorted(elsewhere, own))
                if place == len(elsewhere) or elsewhere[place] != own:
                    self.only[side].add(document, document.mentions, True)
                    continue
            yield document

    def _compare(self, first: LinkedDocument, second: LinkedDocument) -> None:
        alone: tuple[list[LinkedMention], list[LinkedMention]] = ([], [])
        for one, other in matched(first.mentions, second.mentions):
            if one is None or other is None:
                alone[one is None].append(other if one is None else one)
                continue
            outcome = _outcome(one, other)
            overlap = _overlap(one.candidates, other.candidates)
            for group in _groups(one, other):
                self.groups.setdefault(group, _Group()).add(outcome, overlap)
            if outcome in ("changed", "newly_linked", "no_longer_linked"):
                own = {name: getattr(one, name) for name in ("mention_id", "start", "end", "type", "text")}
                own |= {"doc_id": first.doc_id, "first_name": one.name, "second_name": other.name}
                self.changes.add(CHANGED, one.link, other.link, own, first.place)
        for side, document in enumerate((first, second)):
            self.only[side].add(document, alone[side], False)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of `AGREEMENT` for each group: all, types by size, then what the second run was sure of."""
        kinds = ("all", "type", "sure")

        def place(group: tuple[str, str]) -> tuple[Any, ...]:
            return kinds.index(group[0]), -self.groups[group].counts.total(), group[1]

        types = [name for kind, name in self.groups if kind == "type"]
        for kind, name in sorted(self.groups, key=place):
            if kind != "type" or types != ["no type"]:
                runs = {"first": self.names[0], "second": self.names[1], "group_kind": kind, "group": name}
                yield {**dict.fromkeys(AGREEMENT.names[5:10], 0), **runs, **self.groups[kind, name].row()}

    def sentences(self) -> list[str]:
        """Say what couldn't be compared, and what isn't exact."""
        first, second = self.names
        only = *self.only[0].sentence(first, second), *self.only[1].sentence(second, first)
        return [*only, *self.changes.sentences()]


def _outcome(first: LinkedMention, second: LinkedMention) -> str:
    """Return which column of `AGREEMENT` counts a mention."""
    if first.link == second.link:
        return "unlinked" if first.link is None else "same"
    if first.link is None:
        return "newly_linked"
    return "no_longer_linked" if second.link is None else "changed"


def _overlap(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return the share of two runs' candidates that both have; None where there are none."""
    if not first and not second:
        return None
    if first == second:
        return 1.0
    one, other = set(first), set(second)
    return len(one & other) / len(one | other)


def _groups(first: LinkedMention, second: LinkedMention) -> Iterator[tuple[str, str]]:
    yield "all", "all"
    yield "type", first.type or "no type"
    if second.sure is not None:
        yield "sure", "sure" if second.sure else "unsure"


def _add_contexts(changes: Sequence[Change]) -> None:
    """Add to examples what stands around them: of the files that hold them, up to the last document that does."""
    by_file: dict[str, dict[int, list[Change]]] = {}
    for change in changes:
        if change.place is not None:
            by_file.setdefault(change.place[0], {}).setdefault(change.place[1], []).append(change)
    for file, wanted in by_file.items():
        pieces = (piece for piece in read_documents(file, ReadOptions()) if not isinstance(piece, bytes))
        for number, (document, _) in zip(range(max(wanted) + 1), pieces, strict=False):
            for change in wanted.get(number, ()):
                change.example |= _context(document, change.example)


def _context(document: Any, mention: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands around a mention in its passage, and its own text as it is there; {} if it is in none."""
    for passage in document.passages:
        try:
            text = passage_text(passage)
        except DocumentError:  # what can't be laid out can't be shown
            continue
        start, end = mention["start"] - passage.offset, mention["end"] - passage.offset
        if 0 <= start < end <= len(text):
            before, after = surroundings(text, start, end)
            return {"before": before, "after": after, "text": text[start:end]}
    return {}
