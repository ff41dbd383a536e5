"""What is known of a mention's candidates before a model reads them: names, training mentions, the whole document.

A cross-encoder sees a name and a sentence. It doesn't see how far ahead a candidate is, how often people write about
its concept, or what else its document is about; a prior (`rerank.priors`) weighs these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from raybel.candidates.base import ExcludedMentions
from raybel.candidates.concept_mentions import ConceptMentions
from raybel.candidates.overlap import overlaps
from raybel.ontology import Ontology
from raybel.ontology.branches import branch_of

#: What is known of a candidate by itself, in order. `score`: the generator's; `margin`: its score less the best other
#: one's; `first`: 1 for the first candidate; `exact`: 1 where the matched name is the surface; `preferred`: 1 where it
#: is the concept's preferred name; `alias_likeness`, `name_likeness`: the share of letter trigrams that the surface has
#: in common with the matched and with the preferred name (Dice); `added`: how many words the matched name has beside
#: the surface's; `missing`: how many words of the surface it lacks; `numbers`: 1 where it has a number that the surface
#: lacks; `mentions`: log(1 + training mentions of the concept), `inexact_mentions`: the same, 0 where the name is
#: exact; `mentions_ahead`: `mentions` less the first candidate's; `alias_mentions`: log(1 + training mentions of the
#: concept that are the matched name); `names`: log(number of the concept's names); `depth`: the least number of parts
#: of its tree numbers, 0 where it has none.
OF_CANDIDATES = (
    *("score", "margin", "first", "exact", "preferred", "alias_likeness", "name_likeness", "added", "missing"),
    *("numbers", "mentions", "inexact_mentions", "mentions_ahead", "alias_mentions", "names", "depth"),
)
#: What its document tells of it. `in_text`: 1 where the words of the preferred name stand in the text, in a row;
#: `linked_beside`: log(1 + mentions with other surfaces whose first candidate it is).
OF_DOCUMENT = ("in_text", "linked_beside")
FEATURES = (*OF_CANDIDATES, *OF_DOCUMENT)
#: Texts whose words are kept, and concepts; about 1 kB each.
CACHE = 100_000
_WORD = regex.compile(r"[^\W_]+")
_PARTS = regex.compile(r"[./]")


class PriorFeatures(NamedTuple):
    """What is known of a mention's candidates.

    Args:
        values: float32 (candidates, `FEATURES`), or (candidates, `OF_CANDIDATES`) where the document isn't known yet.
        categories: Of each candidate its concept's types (`type Disease`), the branches that its tree numbers are in
            (`branch C04`), and the letters that these begin with (`branch C`): sorted.
    """

    values: np.ndarray
    categories: list[tuple[str, ...]]


class PriorFeatureFinder:
    """Looks up in memory-mapped tables what is known of candidates.

    Args:
        ontology: The ontology whose rows the candidates' concepts are.
        aliases: The generator's alias table; None where it isn't known: nothing has training mentions then.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None) -> None:
        table = ontology.table
        self.names = 1 + pc.fill_null(pc.list_value_length(table["aliases"]), 0).to_numpy()
        # A column of several chunks would be copied whole each time that some rows are taken.
        self.types, self.numbers = (table[name].combine_chunks() for name in ("types", "tree_numbers"))
        self._known: dict[int, tuple[int, tuple[str, ...]]] = {}
        self.mentions = None if aliases is None else ConceptMentions(aliases)
        self.frequency = None if aliases is None else aliases["frequency"]

    def find(
        self,
        by_mention: Sequence[np.ndarray],
        preferred: Sequence[str],
        aliases: Sequence[str | None],
        surfaces: Sequence[str],
        excluded: ExcludedMentions | None = None,
        own: ExcludedMentions | None = None,
    ) -> list[PriorFeatures]:
        """Return what is known of the candidates of each mention, by themselves.

        Args:
            by_mention: Those of each, best first, as `CANDIDATE_DTYPE`.
            preferred: The surfaces of all candidates' preferred names, one after the other.
            aliases: Those that matched; None where it is the name, or unknown.
            surfaces: Of the mentions.
            excluded: Training mentions that don't count as names, for each candidate.
            own: Training mentions that don't count for how many a concept has, for each candidate.
        """
        sizes = np.array([len(of_mention) for of_mention in by_mention], np.int64)
        ends = np.cumsum(sizes)
        if not len(ends) or not ends[-1]:
            return [PriorFeatures(np.zeros((0, len(OF_CANDIDATES)), np.float32), []) for _ in by_mention]
        flat, mention_of = np.concatenate(by_mention), np.repeat(np.arange(len(sizes)), sizes)
        first = (ends - sizes)[mention_of]
        matched = [alias or name for alias, name in zip(aliases, preferred, strict=True)]
        of_mentions = [surfaces[number] for number in mention_of.tolist()]
        exact = np.array([one == other for one, other in zip(matched, of_mentions, strict=True)])
        mentions = self._mentions(flat["concept"], own)
        depth, categories = self._of_concepts(flat["concept"])
        values = dict[str, Any](
            score=flat["score"],
            margin=_margins(flat["score"], ends - sizes, sizes),
            first=np.arange(len(flat)) == first,
            exact=exact,
            preferred=np.array([one == other for one, other in zip(matched, preferred, strict=True)]),
            mentions=mentions,
            inexact_mentions=np.where(exact, 0.0, mentions),
            mentions_ahead=mentions - mentions[first],
            alias_mentions=self._alias_mentions(flat, matched, excluded),
            names=np.log(self.names[flat["concept"]]),
            depth=depth,
            **_likeness(surfaces, mention_of, matched, preferred),
            **_words(of_mentions, matched),
        )
        table = np.stack([np.asarray(values[name], np.float32) for name in OF_CANDIDATES], axis=1)
        bounds = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
        return [PriorFeatures(table[start:end], categories[start:end]) for start, end in bounds]

    def _mentions(self, concepts: np.ndarray, own: ExcludedMentions | None) -> np.ndarray:
        if self.mentions is None:
            return np.zeros(len(concepts))
        counts: np.ndarray = np.log1p(self.mentions.of(concepts, own))
        return counts

    def _alias_mentions(
        self, flat: np.ndarray, matched: Sequence[str], excluded: ExcludedMentions | None
    ) -> np.ndarray:
        """Return how many training mentions of its concept are each candidate's matched name: log(1 + n), float64."""
        counts = np.zeros(len(flat), np.int64)
        known = np.flatnonzero(flat["alias"] >= 0)
        if self.frequency is None or (excluded is not None and excluded.counts is None):
            return counts.astype(np.float64)
        counts[known] = self.frequency.take(pa.array(flat["alias"][known])).to_numpy()
        if excluded is not None and excluded.counts is not None:
            for place in np.flatnonzero(counts).tolist():
                counts[place] -= excluded.counts[place].get((matched[place], int(flat["concept"][place])), 0)
        logarithms: np.ndarray = np.log1p(np.maximum(counts, 0))
        return logarithms

    def _of_concepts(self, concepts: np.ndarray) -> tuple[list[int], list[tuple[str, ...]]]:
        """Return depth and categories of concepts, which may repeat; those of the last `CACHE` are kept."""
        known = self._known
        unknown = sorted({concept for concept in concepts.tolist() if concept not in known})
        columns = (column.take(pa.array(unknown, pa.int32())).to_pylist() for column in (self.types, self.numbers))
        for concept, types, numbers in zip(unknown, *columns, strict=True):
            numbers = [number for number in numbers or () if number]
            depth = min((len(_PARTS.split(number)) for number in numbers), default=0)
            branches = {each for number in numbers for each in (branch_of(number), number[0])}
            of_types = (f"type {name}" for name in types or ())
            known[concept] = depth, tuple(sorted({*of_types, *(f"branch {each}" for each in branches)}))
        found = [known[concept] for concept in concepts.tolist()]
        while len(known) > CACHE:  # the oldest go first
            del known[next(iter(known))]
        return [depth for depth, _ in found], [categories for _, categories in found]


def first_concepts(mentions: Sequence[dict[str, Any]], candidates: Sequence[np.ndarray]) -> list[tuple[str, int]]:
    """Return the surface of each mention that has candidates, and the concept of the first one."""
    pairs = zip(mentions, candidates, strict=True)
    return [(mention["surface"], int(found["concept"][0])) for mention, found in pairs if len(found)]


def with_document(
    known: Sequence[PriorFeatures],
    document: dict[str, Any],
    candidates: Sequence[np.ndarray],
    names: Sequence[list[str]],
    beside: Sequence[tuple[str, int]],
) -> list[PriorFeatures]:
    """Return what is known of the candidates of a document's mentions, with what the document tells of them.

    Args:
        known: What is known of each mention's candidates by themselves; of a mention that isn't ranked, of none.
        document: Its `passages` and `mentions` as in `schemas.DOCUMENT`.
        candidates: Each mention's candidates, as `CANDIDATE_DTYPE`.
        names: The preferred names of those candidates that something is known of.
        beside: Of all mentions of the document, these and others, as `first_concepts` returns them.
    """
    text = word_row("\n".join(passage["text"] for passage in document["passages"]))
    text_words = {*text.split()}
    by_concept = Counter(concept for _, concept in beside)
    of_surface = Counter(beside)
    in_text: dict[str, bool] = {}
    complete = []
    for of_mention, found, mention, shown in zip(known, candidates, document["mentions"], names, strict=True):
        values = np.zeros((len(of_mention.values), len(FEATURES)), np.float32)
        values[:, : len(OF_CANDIDATES)] = of_mention.values
        for row, (name, concept) in enumerate(zip(shown, found["concept"].tolist(), strict=False)):
            if name not in in_text:
                in_text[name] = _stands_in(word_row(name), text, text_words)
            values[row, -2] = in_text[name]
            values[row, -1] = np.log1p(by_concept[concept] - of_surface[mention["surface"], concept])
        complete.append(PriorFeatures(values, of_mention.categories))
    return complete


def word_row(text: str) -> str:
    """Return the words of a text, in lower case, each with a space before and after it."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _stands_in(name: str, text: str, text_words: set[str]) -> bool:
    """Whether the words of a name stand in a text, in a row; most names are told by a word that it lacks."""
    own = name.split()
    return bool(own) and text_words.issuperset(own) and name in text


def _margins(scores: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return each score less the best other one of its mention; of an only candidate, its score: float32."""
    margins = np.empty(len(scores), np.float32)
    filled = sizes > 0
    for start, size in zip(starts[filled].tolist(), sizes[filled].tolist(), strict=True):
        of_mention = scores[start : start + size]
        best, second = (*np.sort(of_mention)[::-1][:2], 0, 0)[:2]
        margins[start : start + size] = of_mention - np.where(np.arange(size) == np.argmax(of_mention), second, best)
    return margins


def _likeness(
    surfaces: Sequence[str], mention_of: np.ndarray, matched: Sequence[str], preferred: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return `alias_likeness` and `name_likeness`."""
    places: dict[str, int] = {}
    for text in (*surfaces, *matched, *preferred):
        places.setdefault(text, len(places))
    texts = [*places]
    one = np.array([places[text] for text in surfaces])[mention_of]
    return {
        name: overlaps(texts, one, np.array([places[text] for text in others]))
        for name, others in (("alias_likeness", matched), ("name_likeness", preferred))
    }


def _words(surfaces: Sequence[str], matched: Sequence[str]) -> dict[str, list[float]]:
    """Return `added`, `missing` and `numbers`."""
    rows = []
    for one, other in zip(surfaces, matched, strict=True):
        mention, name = words(one), words(other)
        added = name - mention
        rows.append((len(added), len(mention - name), float(any(word.isdigit() for word in added))))
    columns = zip(*rows, strict=True)
    return {name: [*column] for name, column in zip(("added", "missing", "numbers"), columns, strict=True)}


@lru_cache(CACHE)
def words(text: str) -> frozenset[str]:
    """Return the distinct words of a surface: letters and digits."""
    return frozenset(_WORD.findall(text))
