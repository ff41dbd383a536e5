"""Mentions with their candidates and context, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from raybel.candidates.base import NO_CANDIDATES, ExcludedMentions
from raybel.corpus.text import surface
from raybel.ontology import Ontology
from raybel.rerank.details import NO_DETAILS, DetailFinder, Details
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import PriorFeatureFinder, PriorFeatures, first_concepts, with_document

#: What separates the passages in a document context.
PASSAGE_SEPARATOR = "\n"


@dataclass(slots=True)
class Example:
    """A mention to rank candidates for.

    Args:
        context: The text around it.
        start: Where the mention starts in the context (code points).
        group: Identifies the context; mentions of the same group share it.
        mention: The mention's text; the long form where it is an abbreviation that its document defines.
        candidates: Its candidates, best first, as `CANDIDATE_DTYPE`.
        names: The candidates' names.
        aliases: The candidates' aliases that matched; None where it is the name, or unknown.
        gold: The place of the right candidate; -1 where it isn't among them.
        details: What else is shown of each candidate; [] for nothing of any.
        sure: In training, whether the first stage settles it (`training.sure`).
        siblings: In training, whether each candidate shares a parent with the right one; [] where none does.
        known: What a prior weighs of its candidates; without it, a re-ranker ranks by its logits alone.
    """

    context: str
    start: int
    group: tuple[int, ...]
    mention: str
    candidates: np.ndarray
    names: list[str]
    aliases: list[str | None]
    gold: int = -1
    details: list[Details] = field(default_factory=list)
    sure: bool = False
    siblings: list[bool] = field(default_factory=list)
    known: PriorFeatures | None = None

    def of_candidates(self, places: np.ndarray) -> Example:
        """Return the same mention with some of its candidates, without what a prior weighs of them.

        Args:
            places: Their places, rising.
        """
        if len(places) == len(self.names):
            return self
        rows = places.tolist()
        return replace(
            self,
            candidates=self.candidates[places],
            names=[self.names[row] for row in rows],
            aliases=[self.aliases[row] for row in rows],
            gold=place_in(rows, self.gold),
            details=[self.details[row] for row in rows if self.details],
            siblings=[self.siblings[row] for row in rows if self.siblings],
            known=None,
        )


def place_in(rows: Sequence[int], row: int) -> int:
    """Return the place of a number among others; -1 where it isn't there."""
    return rows.index(row) if row in rows else -1


class Described(NamedTuple):
    """What is shown of a mention's candidates, and known of them by themselves; see `Example`."""

    names: list[str]
    aliases: list[str | None]
    details: list[Details]
    known: PriorFeatures | None = None


class Describer:
    """Looks up what is shown of candidates in memory-mapped tables, in training and in linking alike.

    Args:
        ontology: The ontology whose rows are the candidates' concepts.
        aliases: The generator's alias table; None where it isn't known.
        parameters: They say what is shown.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None, parameters: CrossEncoderParameters) -> None:
        self.names = ontology.table["name"]
        self.aliases = None if aliases is None else aliases["alias"]
        self.details = DetailFinder(ontology, aliases, parameters)
        self.known = PriorFeatureFinder(ontology, aliases) if parameters.prior else None

    def describe(
        self,
        by_mention: Sequence[np.ndarray],
        surfaces: Sequence[str],
        excluded: ExcludedMentions | None = None,
        own: ExcludedMentions | None = None,
        detailed: bool = True,
    ) -> list[Described]:
        """Return what is shown of each mention's candidates.

        Args:
            by_mention: The candidates of each mention, as `CANDIDATE_DTYPE`.
            surfaces: Of the mentions.
            excluded: Training mentions that don't count, for each mention, as they didn't when candidates were searched
                for: names that only they added aren't shown.
            own: Training mentions of the mention's own document, for each mention, which don't count for how many a
                candidate has; None where there are none.
            detailed: Whether details are looked up; `add_details` does it later for the examples that need them.
        """
        flat = np.concatenate([NO_CANDIDATES, *by_mention])
        names: list[str] = [name or "" for name in self.names.take(pa.array(flat["concept"])).to_pylist()]
        preferred = {name: surface(name) for name in names}
        aliases: list[str | None] = [None] * len(flat)
        if self.aliases is not None and len(flat):
            known = np.flatnonzero(flat["alias"] >= 0)
            matched = self.aliases.take(pa.array(flat["alias"][known])).to_pylist()
            for row, alias in zip(known.tolist(), matched, strict=True):
                aliases[row] = None if alias == preferred[names[row]] else alias
        sizes = [len(of_mention) for of_mention in by_mention]
        mention_of = np.repeat(np.arange(len(sizes)), sizes).tolist()
        left_out = [each and each.take(mention_of) for each in (excluded, own)]
        of_mentions = [surfaces[number] for number in mention_of]
        details = [NO_DETAILS] * len(flat)
        if detailed:
            details = self.details.find(flat["concept"], names, aliases, of_mentions, *left_out)
        found: Sequence[PriorFeatures | None] = [None] * len(sizes)
        if self.known is not None:
            found = self.known.find(by_mention, [preferred[name] for name in names], aliases, surfaces, *left_out)
        bounds = pairwise(np.cumsum([0, *sizes]).tolist())
        return [
            Described(names[start:end], aliases[start:end], details[start:end], of_mention)
            for (start, end), of_mention in zip(bounds, found, strict=True)
        ]

    def add_details(self, examples: Sequence[Example], surfaces: Sequence[str]) -> None:
        """Look up the details of examples that were described without.

        Args:
            examples: They get them.
            surfaces: Of their mentions.
        """
        concepts = np.concatenate([NO_CANDIDATES, *(each.candidates for each in examples)])["concept"]
        names = [name for each in examples for name in each.names]
        aliases = [alias for each in examples for alias in each.aliases]
        of_mentions = [of for of, each in zip(surfaces, examples, strict=True) for _ in each.names]
        details = iter(self.details.find(concepts, names, aliases, of_mentions))
        for each in examples:
            each.details = [next(details) for _ in each.names]


def contexts(
    passages: Sequence[dict[str, Any]], mentions: Iterable[dict[str, Any]], context: str
) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return (context, start of the mention in it, group) for each mention of a document.

    A mention that runs over the end of its sentence has all the sentences that it is in as its context. Where passages
    weren't split into sentences, a passage is a sentence.

    Args:
        passages: The document's, as in `schemas.DOCUMENT`.
        mentions: The document's, as in `schemas.DOCUMENT`.
        context: `sentence`, `passage` or `document`.
    """
    whole = PASSAGE_SEPARATOR.join(passage["text"] for passage in passages)
    lengths = [len(passage["text"]) + len(PASSAGE_SEPARATOR) for passage in passages]
    starts = [0, *accumulate(lengths)]
    by_mention: list[tuple[str, int, tuple[int, ...]]] = []
    for mention in mentions:
        number = mention["passage"]
        passage = passages[number]
        within = mention["start"] - passage["offset"]
        if context == "document":
            by_mention.append((whole, starts[number] + within, ()))
            continue
        spans = passage["sentences"] if context == "sentence" and mention["sentence"] >= 0 else []
        if not spans:
            by_mention.append((passage["text"], within, (number,)))
            continue
        first = last = mention["sentence"]
        while last + 1 < len(spans) and spans[last + 1]["start"] < mention["end"]:
            last += 1
        start = min(spans[first]["start"], mention["start"]) - passage["offset"]
        end = max(spans[last]["end"], mention["end"]) - passage["offset"]
        by_mention.append((passage["text"][start:end], within - start, (number, start, end)))
    return by_mention


def mention_text(mention: dict[str, Any]) -> str:
    """Return a mention's text; the surface of one whose abbreviation was expanded."""
    unchanged = mention["surface"] == surface(mention["text"])
    return str(mention["text"] if unchanged else mention["surface"])


def document_examples(
    document: dict[str, Any],
    candidates: Sequence[np.ndarray],
    described: Sequence[Described],
    context: str,
    number: int = 0,
    beside: Sequence[tuple[str, int]] | None = None,
) -> list[Example]:
    """Return an example for each mention of a document, those without candidates too.

    Args:
        document: Its `passages` and `mentions` as in `schemas.DOCUMENT`.
        candidates: Each mention's candidates, as `CANDIDATE_DTYPE`.
        described: What is shown of them, as `Describer.describe` returns it.
        context: `sentence`, `passage` or `document`.
        number: Number of the document, part of the group.
        beside: What all mentions of the document have as their first candidates (`first_concepts`), where these aren't
            all of them.
    """
    mentions = document["mentions"]
    places = contexts(document["passages"], mentions, context)
    alone = [of.known for of in described if of.known is not None]
    if len(alone) == len(described):
        known: Sequence[PriorFeatures | None] = with_document(
            alone,
            document,
            candidates,
            [of.names for of in described],
            first_concepts(mentions, candidates) if beside is None else beside,
        )
    else:
        known = [None] * len(described)
    return [
        Example(
            *(text, start, (number, *group), mention_text(mention), of_mention, of.names, of.aliases),
            details=of.details,
            known=known_of,
        )
        for (text, start, group), mention, of_mention, of, known_of in zip(
            places, mentions, candidates, described, known, strict=True
        )
    ]
