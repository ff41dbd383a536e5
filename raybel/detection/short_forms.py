"""Abbreviations that documents define, found wherever they stand in their document.

What a short form means is said by its document, not by the dictionary: where its long form is a name, or ends in one
that is at least half of it, the short form is a mention of that name; else it is none, even if it is a name itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.corpus.abbreviations import find_abbreviations
from raybel.detection.name_table import Matches, NameTable
from raybel.detection.pieces import Tokenizer, Tokens, name_tokens, token_hash


@dataclass(frozen=True)
class ShortForms:
    """Where short forms stand in a sequence of tokens, by position: arrays of one length.

    Args:
        first: The first token of each, int64.
        last: The last one, int64.
        long: Number of its long form among `Definitions.long`, int64.
    """

    first: np.ndarray
    last: np.ndarray
    long: np.ndarray


def find_short_forms(documents: Sequence[Sequence[str]], tokens: Tokens) -> tuple[ShortForms, list[str]]:
    """Return where the short forms that the documents define stand, and their long forms.

    A short form means what its last definition before says, or else the first one of the document.

    Args:
        documents: The texts of each document's passages.
        tokens: Those of all passages, one after the other.
    """
    firsts: list[int] = []
    lasts: list[int] = []
    meanings: list[int] = []
    long_forms: dict[str, int] = {}
    passage = 0
    for texts in documents:
        defined: dict[tuple[str, ...], list[tuple[int, int, int]]] = {}
        for number, text in enumerate(texts):
            for each in find_abbreviations(text):
                if short := name_tokens(each.short):
                    long = long_forms.setdefault(each.long, len(long_forms))
                    defined.setdefault(short, []).append((passage + number, each.start, long))
        if defined:
            begin, end = np.searchsorted(tokens.text, (passage, passage + len(texts))).tolist()
            for short, definitions in defined.items():
                for first in _occurrences(tokens, begin, end, short):
                    place = (int(tokens.text[first]), int(tokens.start[first]))
                    before = [long for where, start, long in definitions if (where, start) <= place]
                    firsts.append(first)
                    lasts.append(first + len(short) - 1)
                    meanings.append(before[-1] if before else definitions[0][2])
        passage += len(texts)
    arrays = (np.array(values, np.int64) for values in (firsts, lasts, meanings))
    return ShortForms(*arrays), list(long_forms)


def _occurrences(tokens: Tokens, begin: int, end: int, short: tuple[str, ...]) -> list[int]:
    """Where a sequence of tokens stands in its very case, between two positions; not within a piece."""
    hashes = [token_hash(token) for token in short]
    at = begin + np.flatnonzero(tokens.cased[begin : max(end - len(short) + 1, begin)] == np.uint64(hashes[0]))
    for place, other in enumerate(hashes[1:], 1):
        at = at[tokens.cased[at + place] == np.uint64(other)]
    return at[tokens.first[at] & tokens.last[at + len(short) - 1]].tolist()


def names_of_long_forms(long_forms: list[str], table: NameTable, tokenizer: Tokenizer) -> np.ndarray:
    """Return the row of the name that each long form is or ends in: int64, -1 for none."""
    names = np.full(len(long_forms), -1, np.int64)
    if not long_forms:
        return names
    tokens = tokenizer.tokens(long_forms)
    matches = table.find(tokens)
    size = np.bincount(tokens.text, minlength=len(long_forms)) - 1
    end = np.cumsum(size + 1) - 2  # the last token of each
    of = tokens.text[matches.first]
    length = matches.last - matches.first + 1
    right = (matches.last == end[of]) & (2 * length >= size[of])
    # Sorted by their beginning: of those that end a long form the longest comes first, and is written last.
    order = np.flatnonzero(right)[::-1]
    names[of[order]] = matches.name[order]
    return names


def apply_short_forms(matches: Matches, short: ShortForms, names: np.ndarray) -> tuple[Matches, np.ndarray]:
    """Return matches with those of short forms in the place of what they would be by themselves; and which those are.

    Args:
        matches: Names in a sequence of tokens.
        short: Short forms in it.
        names: Row of the name of each long form, -1 for none.
    """
    if not len(short.first):
        return matches, np.zeros(len(matches.first), bool)
    width = int(max(short.last.max(), matches.last.max(initial=0))) + 1
    other = ~np.isin(matches.first * width + matches.last, short.first * width + short.last)
    name = names[short.long]
    known = name >= 0
    first = np.concatenate([matches.first[other], short.first[known]])
    last = np.concatenate([matches.last[other], short.last[known]])
    name = np.concatenate([matches.name[other], name[known]])
    is_short = np.arange(len(first)) >= int(other.sum())
    order = np.lexsort((last, first))
    return Matches(first[order], last[order], name[order]), is_short[order]
