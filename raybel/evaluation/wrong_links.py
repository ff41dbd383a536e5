"""Which links of a run are wrong, by gold annotations of its own documents or of a gold corpus."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from raybel.corpus import text
from raybel.display import counted, relative
from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig, ShowConfig
from raybel.evaluation.gold import read_gold
from raybel.evaluation.policy import ConceptNumbers, category, ranks_under, which_count
from raybel.evaluation.predictions import Prediction, match
from raybel.ontology import Ontology


class WrongLinks:
    """Judges the mentions of a run, given in its order.

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
        if config.gold_corpus:
            gold = read_gold(EvaluateConfig(config.gold_corpus, (config.run,), mentions=config.mentions))
            self.problems = gold.problems
            self._gold = {}
            for doc_id, mentions in gold.documents:
                self._gold.setdefault(doc_id, deque()).append(mentions)

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
        for _, rows in groupby(mentions, key=lambda mention: mention["document"]):
            of_document = list(rows)
            queue = self._gold.get(of_document[0]["doc_id"])
            gold = queue.popleft() if queue else []
            predicted = [
                Prediction(row["mention_id"], row["start"], row["end"], text.surface(row["text"]), [])
                for row in of_document
            ]
            ids: list[list[str] | None] = [None] * len(of_document)
            for mention, partner in zip(gold, match(gold, predicted), strict=True):
                if partner >= 0:
                    ids[partner] = mention["gold"]
                else:
                    self.lacking += 1
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

    def sentences(self) -> list[str]:
        """Say what was judged, and how."""
        ids = (
            "alternative ids count as their concept's id"
            if self.ontology
            else "ids are compared as they are written, since there is no ontology"
        )
        said = [f"Wrong: the first link isn't gold's, by policy {self.config.policy}; {ids}."]
        if self.lacking:
            said.append(
                f"Not among the run's mentions: {counted(self.lacking, 'gold mention')} of documents that it has."
            )
        return [*said, *filter(None, [self.problems])]
