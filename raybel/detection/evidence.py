"""What training documents say of a dictionary's names: how often each stands there, and how often it is a mention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.branches import most_common
from raybel.detection.name_table import Matches, NameTable
from raybel.detection.names import Kind, Names
from raybel.detection.pieces import Tokenizer
from raybel.detection.selection import Found, find, select

#: Documents searched at once.
_BATCH = 500
#: How many names' shares the share of their kind is worth, where a branch has few.
BRANCH_WEIGHT = 5.0


@dataclass(frozen=True)
class Batch:
    """Some training documents.

    Args:
        found: Every name in them.
        gold: Whether each match is just a mention.
        documents: Number of the document of each match, int64.
    """

    found: Found
    gold: np.ndarray
    documents: np.ndarray


@dataclass(frozen=True)
class Counts:
    """How often names were selected, by name: int64.

    Args:
        occurrences: In all; short forms that a document defines aren't counted.
        gold: How many of these were mentions.
        seen: Occurrences in documents other than the first one in which the name is a mention.
        seen_gold: How many of these were mentions.
    """

    occurrences: np.ndarray
    gold: np.ndarray
    seen: np.ndarray
    seen_gold: np.ndarray


class Evidence:
    """The names in training documents.

    Args:
        documents: With their mentions.
        table: Every name, whose rows are the names' numbers.

    Attributes:
        types: The type of most mentions of a name, by name.
        first_gold: The first document in which each name is a mention, a number above all for none: int64.
    """

    def __init__(self, documents: Sequence[AnnotatedDocument], table: NameTable) -> None:
        tokenizer = Tokenizer()
        self.names = len(table)
        self.batches: list[Batch] = []
        self.first_gold = np.full(self.names, len(documents), np.int64)
        types: dict[int, Counter[str]] = {}
        for start in range(0, len(documents), _BATCH):
            some = documents[start : start + _BATCH]
            found = find([document.passages for document in some], table, tokenizer)
            document_of = np.repeat(np.arange(len(some)), [len(document.passages) for document in some])
            documents_of_matches = start + document_of[found.tokens.text[found.matches.first]]
            spans = _gold_spans(some)
            gold = np.zeros(len(found.matches.name), bool)
            for place, (span, name) in enumerate(zip(_spans(found), found.matches.name.tolist(), strict=True)):
                if (kind := spans.get(span)) is not None:
                    gold[place] = True
                    if not found.is_short[place]:
                        types.setdefault(name, Counter())[kind] += 1
            own = gold & ~found.is_short
            np.minimum.at(self.first_gold, found.matches.name[own], documents_of_matches[own])
            self.batches.append(Batch(found, gold, documents_of_matches))
        self.types = {name: most_common(of_name) for name, of_name in types.items()}

    def counts(self, kept: np.ndarray, before: Counts | None = None) -> Counts:
        """Return how often each name is selected where only some names are there.

        Args:
            kept: Which names are.
            before: Counts of the others, when they were there; None for no occurrence.
        """
        totals = np.zeros((4, self.names), np.int64)
        for batch in self.batches:
            active = np.flatnonzero(kept[batch.found.matches.name])
            matches = batch.found.matches
            some = Matches(matches.first[active], matches.last[active], matches.name[active])
            chosen = active[select(batch.found.tokens, some)]
            chosen = chosen[~batch.found.is_short[chosen]]
            name, gold = matches.name[chosen], batch.gold[chosen]
            elsewhere = batch.documents[chosen] != self.first_gold[name]
            for total, which in zip(totals, (gold | True, gold, elsewhere, elsewhere & gold), strict=True):
                total += np.bincount(name[which], minlength=self.names)
        if before is not None:
            old = (before.occurrences, before.gold, before.seen, before.seen_gold)
            totals = np.where(kept, totals, np.stack(old))
        return Counts(*totals)


def _spans(found: Found) -> list[tuple[int, int, int]]:
    tokens, matches = found.tokens, found.matches
    columns = (tokens.text[matches.first], tokens.start[matches.first], tokens.end[matches.last])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _gold_spans(documents: Sequence[AnnotatedDocument]) -> dict[tuple[int, int, int], str]:
    """Return the types of mentions by passage, of all in order, start and end; of several of one span the first's."""
    spans: dict[tuple[int, int, int], str] = {}
    passage = 0
    for document in documents:
        for mention, _ in document.mentions_with_text:
            spans.setdefault((passage + mention.passage, mention.start, mention.end), mention.type)
        passage += len(document.passages)
    return spans


def shares(names: Names, branches: np.ndarray, counts: Counts, weight: float) -> tuple[np.ndarray, dict[str, float]]:
    """Estimate which share of each name's occurrences are mentions; return that, and the mean share of each kind.

    A name's own share is smoothed with what names like it have: the mean share of the names of its kind and its branch,
    which is smoothed with that of its kind. What names of training mentions have is measured in other documents than
    the first that has the mention, for them and for the smoothing, since by that one they are known.

    Args:
        names: Of the dictionary.
        branches: Number of each name's branch, -1 for none: int64.
        counts: Of the names in training documents.
        weight: Occurrences that the smoothing is worth.
    """
    own = names.kinds != Kind.MENTION
    seen = np.where(own, counts.occurrences, counts.seen)
    gold = np.where(own, counts.gold, counts.seen_gold)
    share = gold / np.maximum(seen, 1)
    prior = np.zeros(len(names))
    means = {}
    for kind in Kind:
        of_kind = names.kinds == kind
        measured = of_kind & (seen > 0)
        mean = (float(share[measured].sum()) + 0.5) / (int(measured.sum()) + 1)
        means[kind.name.lower()] = round(mean, 4)
        groups = branches + 1
        total = np.bincount(groups[measured], share[measured], int(groups.max(initial=0)) + 1)
        number = np.bincount(groups[measured], minlength=len(total))
        of_branch = (total + BRANCH_WEIGHT * mean) / (number + BRANCH_WEIGHT)
        prior[of_kind] = of_branch[groups[of_kind]]
    return (gold + weight * prior) / (seen + weight), means
