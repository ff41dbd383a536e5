"""Coordinated names taken apart: `breast and ovarian cancer` is `breast cancer` and `ovarian cancer`.

Conjuncts of a name share words that are written once: the last words (a shared head), the first ones (a shared
modifier), or both. Which words are shared can't be told from the text alone (`Duchenne and Becker muscular dystrophy`,
`bone and soft tissue tumors`), so that a name has several readings, among which what they are linked to decides
(`linking.composites`). A name whose conjuncts share nothing (`nausea, vomiting`) is left alone: corpora annotate such
conjuncts as mentions of their own, and drugs that are given together are one concept.

The kinds of coordination are those of Wei, Leaman & Lu, "SimConcept: a hybrid approach for simplifying composite named
entities in biomedical text" (IEEE J Biomed Health Inform 19(4), 2015) that need no knowledge of words; the rule is our
own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: A longer text is taken for no name.
MAX_LENGTH = 200
#: The most conjuncts.
MAX_PARTS = 8
#: (Words shared at the beginning, at the end) of the readings, in the order in which equally good ones are preferred.
SHARED = ((0, 1), (0, 2), (1, 0), (1, 1), (0, 3), (2, 0), (1, 2), (2, 1), (3, 0))
_TOKEN = re.compile(r"\([^()]*\)|\[[^][]*\]|[,/]|[^\s,/()\[\]]+|[()\[\]]")
_COORDINATORS = frozenset(("and", "or", "&", "/"))
_PREPOSITIONS = frozenset(("of", "in", "to", "for", "from", "with", "due", "by", "on", "at", "than"))
_SHARED_BEFORE = frozenset(("of", "in", "to", "for"))
_ARTICLES = frozenset(("the", "a", "an"))
_WORD = re.compile(r"[^\W\d_]{3}")

#: A token of a text: (where it starts, where it ends).
Span = tuple[int, int]


@dataclass(frozen=True)
class NamePart:
    """One of the names that a coordinated name stands for.

    Args:
        text: Its words, one space between.
        span: Where it is in the text, if it is there in one piece: (start, end), code points; else None.
    """

    text: str
    span: Span | None


def readings(text: str) -> list[tuple[NamePart, ...]]:
    """Return the ways in which a name can be taken apart, each at least two parts in the order of the text.

    Only a text with `and`, `or`, `&`, `and/or` or a slash has any; commas separate further conjuncts of such a list.
    What comes before a list and ends in `of`, `in`, `to` or `for` (`cancer of the breast and ovaries`), and what comes
    after it and begins with a preposition (`pain and burning in the eye`), belongs to each part. Commas and words in
    parentheses belong to no part. A text with lists in several places has none, nor has one in which a hyphen stands
    for half a word (`pre- and postoperative bleeding`).

    Args:
        text: A name or a surface.

    Returns:
        The readings without repetitions, in order of preference; none where the text can't be taken apart.
    """
    tokens = _tokens(text)
    if tokens is None:
        return []
    words = [text[start:end].lower() for start, end in tokens]
    if not _COORDINATORS & set(words):
        return []
    first, last = _list_bounds(words)
    if first is None:
        return []
    conjuncts = _conjuncts(words, tokens, first, last)
    if conjuncts is None:
        return []
    before, after = (
        [token for token, word in zip(tokens[some], words[some], strict=True) if word != ","]
        for some in (slice(first), slice(last, None))
    )
    found: dict[tuple[str, ...], tuple[NamePart, ...]] = {}
    framed = bool(before or after)
    for shared in [*([(0, 0)] if framed else ()), *SHARED]:
        spans = _shared(conjuncts, *shared)
        if spans is not None:
            parts = tuple(_part(text, [*before, *part, *after]) for part in spans)
            distinct = len({part.text.lower() for part in parts}) == len(parts)
            if distinct and all(_WORD.search(part.text) for part in parts):
                found.setdefault(tuple(part.text for part in parts), parts)
    return list(found.values())


def _tokens(text: str) -> list[Span] | None:
    """Return the tokens of a name, without what stands in parentheses; None for no name."""
    if len(text) > MAX_LENGTH:
        return None
    spans = [match.span() for match in _TOKEN.finditer(text)]
    kept = [(start, end) for start, end in spans if not (text[start] in "([" and end - start > 1)]
    return None if any(text[start] in "()[]" for start, _ in kept) else kept


def _list_bounds(words: Sequence[str]) -> tuple[int | None, int]:
    """Return where the list of a name begins and ends, as places of tokens; (None, 0) where it has no single one."""
    places = [place for place, word in enumerate(words) if word in _COORDINATORS]
    prepositions = [place for place, word in enumerate(words) if word in _PREPOSITIONS]
    within = [place for place in prepositions if places[0] < place < places[-1]]
    if within:
        return None, 0
    before = [place for place in prepositions if place < places[0]]
    after = [place for place in prepositions if place > places[-1]]
    if before and (after or words[before[-1]] not in _SHARED_BEFORE):
        return None, 0
    first = before[-1] + 1 if before else 0
    while first < len(words) and words[first] in _ARTICLES:
        first += 1
    return first, after[0] if after else len(words)


def _conjuncts(words: Sequence[str], tokens: Sequence[Span], first: int, last: int) -> list[list[Span]] | None:
    """Return the tokens of each conjunct; None where one has none or half a word, or there are too many."""
    conjuncts: list[list[Span]] = [[]]
    coordinated = False
    for place in range(first, last):
        word = words[place]
        separates = word in _COORDINATORS or word == ","
        if not separates:
            if word in _ARTICLES and not conjuncts[-1]:
                continue
            conjuncts[-1].append(tokens[place])
            coordinated = False
        elif conjuncts[-1]:
            conjuncts.append([])
            coordinated = True
        elif not coordinated:  # `and/or` and `, and` are one separator
            return None
    of_words = any(words[place].endswith("-") or words[place].startswith("-") for place in range(first, last))
    return conjuncts if all(conjuncts) and 2 <= len(conjuncts) <= MAX_PARTS and not of_words else None


def _shared(conjuncts: Sequence[Sequence[Span]], at_start: int, at_end: int) -> list[list[Span]] | None:
    """Return the parts' tokens, where so many words are shared; None where a conjunct hasn't more words than that."""
    first, final = conjuncts[0], conjuncts[-1]
    if at_start >= len(first) or at_end >= len(final):
        return None
    start, end = list(first[:at_start]), list(final[len(final) - at_end :])
    middle = [[*start, *conjunct, *end] for conjunct in conjuncts[1:-1]]
    return [[*first, *end], *middle, [*start, *final]]


def _part(text: str, tokens: Sequence[Span]) -> NamePart:
    words = " ".join(text[start:end] for start, end in tokens)
    together = all(text[end:start].isspace() for (_, end), (start, _) in pairwise(tokens))
    return NamePart(words, (tokens[0][0], tokens[-1][1]) if together else None)


def matching(surface_parts: Sequence[NamePart], text: str) -> Iterator[Span | None]:
    """Yield where a mention's text has each part of its surface in one piece: (start, end), code points; else None.

    Args:
        surface_parts: A reading of the mention's surface.
        text: The mention's text, which may be written in another way (abbreviations, typography).
    """
    same = [reading for reading in readings(text) if len(reading) == len(surface_parts)]
    wanted = [part.text for part in surface_parts]
    found = next((reading for reading in same if [part.text.lower() for part in reading] == wanted), None)
    for place in range(len(surface_parts)):
        yield found[place].span if found is not None else None
