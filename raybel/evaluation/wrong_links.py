"""Which links of a run are wrong, by gold annotations of its own documents or of a gold corpus."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.display import counted, relative
from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig, ShowConfig
from raybel.evaluation.gold import read_gold
from raybel.evaluation.policy import ConceptNumbers, category, ranks_under, which_count
from raybel.evaluation.predictions import match_rows
from raybel.ontology import Ontology


class WrongLinks:
    """Judges the mentions of a run, given shard by shard, in its order.

    Args:
        config: What is asked for; with a gold corpus, that is read here.
        ontology: Says which ids are a concept's; None where ids are compared as they are written.

    Raises:
        ConfigError: The gold corpus isn't there, or has no gold annotation.
        InputError: It can't be read.
    """

    def __init__(self, config: ShowConfig, ontology: Ontology | None) -> None:
        self.config, self.ontology = config, ontology
        self.judged = self.lacking = 0
        self.problems: str | None = None
        self._gold: dict[str, deque[list[dict[str, Any]]]] | None = None
        self._waiting: dict[int, list[dict[str, Any]]] = {}  # of the shard's documents, by their numbers
        self._asked: set[int] | None = None
        self._judged_to = -1  # the number of the last document that was judged
        if config.gold_corpus:
            gold = read_gold(EvaluateConfig(config.gold_corpus, (config.run,), mentions=config.mentions))
            self.problems = gold.problems
            self._gold = {}
            for doc_id, mentions in gold.documents:
                self._gold.setdefault(doc_id, deque()).append(mentions)

    @property
    def has_corpus(self) -> bool:
        """True if gold is a corpus of its own, so that documents without mentions must be known too."""
        return self._gold is not None

    def begin(self, documents: pa.Table, asked: Collection[int] | None = None) -> None:
        """Take the documents of a run's next shard; what is judged next is theirs.

        Args:
            documents: `document` and `doc_id`, those without mentions too, in order.
            asked: Numbers of the documents of which gold mentions that the run lacks are counted; None for all.
        """
        self.end_shard()
        assert self._gold is not None
        self._asked, self._judged_to = None if asked is None else set(asked), -1
        for number, doc_id in zip(documents["document"].to_pylist(), documents["doc_id"].to_pylist(), strict=True):
            if queue := self._gold.get(doc_id):
                self._waiting[number] = queue.popleft()

    def end_shard(self, early: bool = False) -> None:
        """Count what the run lacks in documents without a mention.

        Args:
            early: Whether no more of the shard is read: only documents before the last judged one count.
        """
        for number, gold in self._waiting.items():
            if not early or number < self._judged_to:
                self._count_lacking(number, len(gold))
        self._waiting = {}

    def _count_lacking(self, document: int, mentions: int) -> None:
        if self._asked is None or document in self._asked:
            self.lacking += mentions

    def judge(self, mentions: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, list[list[str] | None]]:
        """Return which mentions count and have a wrong first link, bool (mentions,), and each one's gold ids.

        Args:
            mentions: Rows of whole documents: `document`, `doc_id`, `mention_id`, `start`, `end`, `text`, `gold` and
                `ranking` of `schemas.MENTIONS`.
        """
        golds = list(self._golds(mentions))
        rankings = [[candidate["concept_id"] for candidate in mention["ranking"] or ()] for mention in mentions]
        concepts = ConceptNumbers(self.ontology, (one for ids in (*golds, *rankings) for one in ids or ()))
        counts = which_count([category(ids, concepts) for ids in golds], self.config.policy)
        numbers = [concepts.of(ranking) for ranking in rankings]
        ranks = ranks_under(self.config.policy, numbers, [concepts.of(ids or ()) for ids in golds], {})
        self.judged += int(np.count_nonzero(counts))
        return counts & (ranks != 0), golds

    def _golds(self, mentions: Sequence[Mapping[str, Any]]) -> Iterator[list[str] | None]:
        """Yield each mention's gold ids, None where it isn't annotated."""
        if self._gold is None:
            yield from (mention["gold"] for mention in mentions)
            return
        for number, rows in groupby(mentions, key=lambda mention: mention["document"]):
            of_document = list(rows)
            gold = self._waiting.pop(number, [])
            self._judged_to = number
            ids: list[list[str] | None] = [None] * len(of_document)
            for mention, partner in zip(gold, match_rows(gold, of_document), strict=True):
                if partner >= 0:
                    ids[partner] = mention["gold"]
                else:
                    self._count_lacking(number, 1)
            yield from ids

    def check(self, name: str) -> None:
        """Refuse a run of which no mention could be judged.

        Args:
            name: The run's.

        Raises:
            ConfigError: There is no such mention.
        """
        if self.judged:
            return
        if not self.config.gold_corpus:
            raise ConfigError(
                f"{name}: no mention has gold ids that count by policy {self.config.policy}; --gold-corpus FILE gives "
                "them"
            )
        gold = ", ".join(map(relative, self.config.gold_corpus))
        raise ConfigError(f"{name} and {gold}: no gold mention that counts by policy {self.config.policy} is in both")

    def sentences(self, stopped: bool = False) -> list[str]:
        """Say what was judged, and how.

        Args:
            stopped: Whether not all of the run was read.
        """
        self.end_shard(stopped)
        ids = (
            "alternative ids count as their concept's id"
            if self.ontology
            else "ids are compared as they are written, since there is no ontology"
        )
        said = [f"Wrong: the first link isn't gold's, by policy {self.config.policy}; {ids}."]
        if self.lacking:
            which = "the documents asked for" if self.config.doc_id else "documents that it has"
            read = ", of those read until then" if stopped else ""
            said.append(f"Not among the run's mentions: {counted(self.lacking, 'gold mention')} of {which}{read}.")
        return [*said, *filter(None, [self.problems])]
