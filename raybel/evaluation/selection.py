"""Documents of a run to look at: some, those of an id, or those with mentions of a kind; found by the run's tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.documents import ReadOptions, passage_text
from raybel.corpus.reading import read_documents
from raybel.display import counted, relative
from raybel.errors import ConfigError, DocumentError, InputError
from raybel.evaluation.config import ShowConfig
from raybel.evaluation.run_ontologies import open_recorded
from raybel.evaluation.wrong_links import WrongLinks
from raybel.ontology import Ontology
from raybel.runs.mentions import MentionGroup, document_ids, mention_groups
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import unfinished

#: What decides whether a mention is chosen, and what of it is shown.
_DECIDING = ("document", "doc_id", "type", "link_id", "parts", "sure")
_JUDGED = ("mention_id", "start", "end", "text", "gold", "ranking")
_SHOWN = (
    *("document", "doc_id", "mention_id", "start", "end", "text", "surface", "type", "detector", "gold", "ontology"),
    *("link_id", "link_name", "link_score", "alias", "alias_source", "sure", "parts", "ranking"),
)
#: A document's number in its shard -> its mentions, as `SelectedDocument` has them.
_Wanted = dict[int, list[dict[str, Any]]]


@dataclass
class SelectedDocument:
    """A document of a run with its mentions.

    Args:
        shard: Name of the shard that it is in.
        number: Its place in there, from 0.
        doc_id: Its id.
        passages: Each one's offset and text.
        mentions: Rows of `schemas.MENTIONS` in its order; `gold` is the gold corpus's where there is one, and `chosen`
            says of each whether it was asked for.
        problem: Why its text can't be shown; None where it can be.
    """

    shard: str
    number: int
    doc_id: str
    passages: list[tuple[int, str]]
    mentions: list[dict[str, Any]]
    problem: str | None = None


@dataclass
class Selection:
    """Documents that are asked for.

    Args:
        config: Which.
        run: The run in which they are.
        ontology: By which ids are compared; None where there is none.
        notes: What must be known of them, such as that there are more; complete once they are read.
        explanations: How they were chosen; complete as `notes`.
    """

    config: ShowConfig
    run: RunDirectory
    ontology: Ontology | None
    notes: list[str] = field(default_factory=list)
    explanations: list[str] = field(default_factory=list)
    _has_sure: bool = False
    _missing: set[str] = field(default_factory=set)

    def documents(self) -> Iterator[SelectedDocument]:
        """Yield the documents, in the run's order.

        Memory: a chunk's mentions, and those of the documents that are wanted of a shard. A shard is parsed up to the
        last of its documents that is wanted, others aren't.

        Raises:
            ConfigError: No document has one of the ids; or nothing says which links are wrong, or unsure.
            InputError: It isn't a run, or a file can't be read.
        """
        self.run.manifest()
        if said := unfinished(self.run):
            self.notes.append(said)
        judge = WrongLinks(self.config, self.ontology) if self.config.wrong else None
        most, number = self.config.most, 0
        self._missing = set(self.config.doc_id)
        for shard in self.run.shard_names():
            room = None if most is None else most - number
            wanted = self._wanted(shard, room, judge)
            for document in _read(self.run, shard, wanted):
                number += 1
                yield document
            if number == most:
                self.explanations += judge.sentences(stopped=True) if judge else []
                if self.config.chooses or self.config.doc_id:
                    self.notes.append(
                        f"Stopped after {counted(number, 'document')}; there may be more: raise --documents."
                    )
                return
        self._finish(number, judge)

    def _finish(self, number: int, judge: WrongLinks | None) -> None:
        """Say why there is nothing, or not all that was asked for.

        Args:
            number: How many documents were found.
            judge: Of the links.
        """
        name = relative(self.run.uri)
        if self._missing:
            raise ConfigError(f"{name}: no document has the id {', '.join(sorted(self._missing))}")
        if judge is not None:
            judge.check(name)
            self.explanations += judge.sentences()
        if self.config.unsure and not self._has_sure:
            raise ConfigError(
                f"{name}: nothing says which mentions were settled before re-ranking; runs with a re-ranker that has "
                "a rule for that do"
            )
        if not number:
            self.notes.append(
                f"{name}: no mention is {self.config.kind}." if self.config.chooses else f"{name} is empty."
            )

    def _wanted(self, shard: str, room: int | None, judge: WrongLinks | None) -> _Wanted:
        """Return the first documents of a shard that are wanted: at most `room` of them."""
        numbers: list[int] | None = None
        by_corpus = judge if judge is not None and judge.has_corpus else None
        if self.config.doc_id or by_corpus is not None or not self.config.chooses:
            table = documents = document_ids(self.run, shard)
            if self.config.doc_id:
                table = table.filter(pc.is_in(table["doc_id"], value_set=pa.array(self.config.doc_id, pa.string())))
                self._missing.difference_update(table["doc_id"].to_pylist())
            if self.config.doc_id or not self.config.chooses:
                numbers = table["document"].to_pylist()
            if by_corpus is not None:
                by_corpus.begin(documents, numbers)
        if not self.config.chooses:
            assert numbers is not None
            return self._whole(shard, numbers[:room])
        wanted: _Wanted = {}
        columns = (*_SHOWN, *_DECIDING)
        for group in mention_groups(self.run, columns, [shard]) if numbers != [] else ():
            for number, mentions in self._chosen(group, numbers, judge):
                if len(wanted) == room:
                    return wanted
                wanted[number] = mentions
        return wanted

    def _whole(self, shard: str, numbers: Sequence[int]) -> _Wanted:
        """Return all mentions of some documents."""
        wanted: _Wanted = {number: [] for number in numbers}
        if not wanted:
            return wanted
        for group in mention_groups(self.run, _SHOWN, [shard]):
            first, last = group.documents()
            if first <= max(numbers) and last >= min(numbers):
                for mention in self._of_types(group, _SHOWN, numbers).to_pylist():
                    wanted[mention["document"]].append({**mention, "chosen": True})
        return wanted

    def _of_types(self, group: MentionGroup, columns: Sequence[str], numbers: Collection[int] | None) -> pa.Table:
        """Return columns of the mentions of the types that count, of some documents or (None) of all."""
        table = group.read(columns)
        if kinds := self.config.mentions.mention_types:
            table = table.filter(pc.is_in(table["type"], value_set=pa.array(kinds, pa.string())))
        return table if numbers is None else table.filter(_among(table["document"], numbers))

    def _chosen(
        self, group: MentionGroup, numbers: Collection[int] | None, judge: WrongLinks | None
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield the number and the mentions of each document of a row group with a mention that is asked for."""
        columns = [*_DECIDING, *(_JUDGED if judge else ())]
        table = self._of_types(group, columns, None if judge else numbers)  # the judge takes documents in order
        chosen = np.ones(len(table), bool)
        if self.config.unsure:
            self._has_sure = self._has_sure or table["sure"].null_count < len(table)
            chosen &= pc.fill_null(pc.invert(table["sure"]), False).to_numpy()
        if self.config.concept:
            chosen &= _linked_to(table, self._concepts())
        golds: list[Any] = []
        if judge is not None:
            wrong, golds = judge.judge(table.to_pylist())
            chosen &= wrong
        if numbers is not None:
            chosen &= _among(table["document"], numbers).to_numpy()
        documents = table["document"].to_numpy()
        having = set(documents[chosen].tolist())
        if not having:
            return
        places = np.flatnonzero(np.isin(documents, list(having))).tolist()
        rows = self._of_types(group, _SHOWN, having).to_pylist()
        for place, row in zip(places, rows, strict=True):
            row["chosen"] = bool(chosen[place])
            row["gold"] = golds[place] if judge is not None else row["gold"]
        for number, of_document in groupby(rows, key=lambda row: row["document"]):
            yield number, list(of_document)

    def _concepts(self) -> list[str]:
        """Return the ids that are asked for; of an alternative one, its concept's own too."""
        asked = list(self.config.concept)
        if self.ontology is None:
            return asked
        rows = self.ontology.indices(asked)
        own = self.ontology.table["concept_id"].take(pa.array(rows[rows >= 0])).to_pylist()
        return list(dict.fromkeys([*asked, *own]))


def select(config: ShowConfig) -> Selection:
    """Return the documents that are asked for; they are read as `Selection.documents` is.

    Raises:
        ConfigError: The ontology isn't there, and links are to be judged by it.
    """
    run = run_with_links(config.run)
    ontology: Ontology | None = None
    if config.ontology:
        ontology = Ontology.open(config.ontology)
    elif config.wrong or config.concept:
        try:
            ontology = open_recorded([routes] if (routes := run.routes()) else [])
        except ConfigError:
            if config.wrong:
                raise
    return Selection(config, run, ontology)


def _among(numbers: pa.ChunkedArray, wanted: Collection[int]) -> pa.ChunkedArray:
    return pc.is_in(numbers, value_set=pa.array(sorted(wanted), pa.int32()))


def _linked_to(table: pa.Table, concepts: Sequence[str]) -> np.ndarray:
    """Return which mentions, or parts of composites, are linked to one of some concepts: bool (mentions,)."""
    linked = np.array(pc.is_in(table["link_id"], value_set=pa.array(concepts, pa.string())))
    if table["parts"].null_count < len(table):
        of_parts = [any(part["link_id"] in concepts for part in parts or ()) for parts in table["parts"].to_pylist()]
        linked |= np.array(of_parts, bool)
    return linked


def _read(run: RunDirectory, shard: str, wanted: _Wanted) -> Iterator[SelectedDocument]:
    """Yield documents of a shard with their texts."""
    if not wanted:
        return
    path = run.shard_file(shard)
    pieces = (piece for piece in read_documents(path, ReadOptions()) if not isinstance(piece, bytes))
    last = max(wanted)
    number = -1
    for number, (document, _) in zip(range(last + 1), pieces, strict=False):
        if number not in wanted:
            continue
        found = SelectedDocument(shard, number, document.id or "", [], wanted[number])
        try:
            found.passages = [(passage.offset, passage_text(passage)) for passage in document.passages]
        except DocumentError as error:
            found.problem = str(error)
        yield found
    if number < last:
        has = counted(number + 1, "document")
        raise InputError(f"has {has}, and the table of documents names one more: link again", path=path)
