"""The mentions among the names that stand in texts: of those that overlap the longest, then the leftmost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.detection.name_table import Matches, NameTable
from raybel.detection.pieces import Tokenizer, Tokens
from raybel.detection.short_forms import apply_short_forms, find_short_forms, names_of_long_forms


@dataclass(frozen=True)
class Found:
    """Names in texts, that may overlap.

    Args:
        tokens: Of the texts, one after the other.
        matches: The names.
        is_short: Whether each is a short form that its document defines.
    """

    tokens: Tokens
    matches: Matches
    is_short: np.ndarray


def find(documents: Sequence[Sequence[str]], table: NameTable, tokenizer: Tokenizer) -> Found:
    """Return the names in the passages of documents, with the short forms that the documents define."""
    tokens = tokenizer.tokens([text for texts in documents for text in texts])
    short, long_forms = find_short_forms(documents, tokens)
    names = names_of_long_forms(long_forms, table, tokenizer)
    return Found(tokens, *apply_short_forms(table.find(tokens), short, names))


def select(tokens: Tokens, matches: Matches) -> np.ndarray:
    """Return the rows of the matches that are mentions: sorted, none overlaps another.

    The one with the most code points comes first, then the leftmost, and what overlaps it is left out.
    """
    size = tokens.end[matches.last] - tokens.start[matches.first]
    order = np.lexsort((matches.first, -size))
    taken = bytearray(len(tokens))
    chosen = []
    rows, firsts, ends = order.tolist(), matches.first[order].tolist(), (matches.last[order] + 1).tolist()
    for row, first, end in zip(rows, firsts, ends, strict=True):
        if taken.find(1, first, end) < 0:
            taken[first:end] = b"\1" * (end - first)
            chosen.append(row)
    return np.array(sorted(chosen), np.int64)
