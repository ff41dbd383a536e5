"""Sentences as tokens and words, and the windows of tokens that a model sees at once.

Words are runs of letters and digits, and each other character by itself, whatever the tokenizer's own pieces are: a
word's label is that of its first token, so that a mention begins and ends with a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import regex

from raybel.errors import ConfigError

_WORD = regex.compile(r"\p{Han}|(?:(?!\p{Han})[\p{L}\p{M}\p{N}])+|\S")
#: How words are written, where a model is told: without capitals; with one at the beginning; with others.
LOWER, CAPITALISED, CAPITALS = 0, 1, 2
CASES = 3
#: Sentences tokenised at once.
_TOKENISER_BATCH = 4_096


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as tokens and words.

    Args:
        ids: Token ids without special tokens, int32 (tokens,).
        cases: How the word of each token is written (`LOWER`, ...), int8 (tokens,).
        starts: Code-point offset of each word in the sentence, int32 (words,).
        ends: Of the code point behind each word, int32 (words,).
        tokens: Each word's first token, int32 (words,). A character that gives no token belongs to no word.
    """

    ids: np.ndarray
    cases: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of a sentence in a window.

    Args:
        sentence: Number of the sentence.
        start: Its first token in the window.
        end: Behind its last one.
        own_start: The first token whose labels are taken from this window.
        own_end: Behind the last one.
    """

    sentence: int
    start: int
    end: int
    own_start: int
    own_end: int


class Tokeniser:
    """Makes tokens of sentences.

    Args:
        tokenizer: A model's fast tokenizer.
        positions: Tokens of the model's longest sequence, special ones included.

    Raises:
        ConfigError: The tokenizer doesn't say where its tokens are in the text, or the model has no room for tokens.
    """

    def __init__(self, tokenizer: Any, positions: int) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigError(
                "its tokenizer is a slow one, which doesn't say where in the text its tokens are, so that no mention "
                "could be found by it: take a model with a tokenizer.json"
            )
        self.tokenizer = tokenizer
        whole = tokenizer("a")["input_ids"]
        inner = tokenizer("a", add_special_tokens=False)["input_ids"]
        at = next((n for n in range(len(whole) + 1) if whole[n : n + len(inner)] == inner), None)
        if at is None:
            raise ConfigError("its tokenizer makes other tokens of a text where it adds special ones")
        self.before, self.behind = whole[:at], whole[at + len(inner) :]
        self.room = positions - len(self.before) - len(self.behind)
        self.pad = int(tokenizer.pad_token_id or 0)
        self.uncased = bool(
            tokenizer("aDNA", add_special_tokens=False)["input_ids"]
            == tokenizer("adna", add_special_tokens=False)["input_ids"]
        )
        if self.room < 2:
            raise ConfigError(f"it has room for {positions} tokens only, special ones included")

    def sentences(self, texts: Sequence[str]) -> list[Sentence]:
        """Return sentences as tokens."""
        made: list[Sentence] = []
        for start in range(0, len(texts), _TOKENISER_BATCH):
            batch = list(texts[start : start + _TOKENISER_BATCH])
            encoded = self.tokenizer(
                batch,
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
                truncation=False,
                verbose=False,
            )
            made += map(_sentence, batch, encoded["input_ids"], encoded["offset_mapping"])
        return made

    def windows(self, documents: Iterable[range], sentences: Sequence[Sentence], tokens: int) -> list[list[Piece]]:
        """Return windows that have all tokens of the sentences, each token once as its own.

        Consecutive sentences of a document share a window while they fit into it. A sentence that is longer than the
        model's longest sequence is in several windows, which overlap by half; there a token belongs to the window whose
        ends are farther away.

        Args:
            documents: The sentences of each document.
            sentences: All sentences.
            tokens: The most tokens of sentences together, without special ones; 0 for each sentence by itself.
        """
        windows: list[list[Piece]] = []
        for document in documents:
            size, fits = 0, min(tokens, self.room)
            for number in document:
                length = len(sentences[number].ids)
                if not length:
                    continue
                pieces = [Piece(number, *spans) for spans in cut(length, self.room)]
                if len(pieces) == 1 and size > 0 and size + length <= fits:
                    windows[-1] += pieces
                    size += length
                else:
                    windows += [[piece] for piece in pieces]
                    size = length if len(pieces) == 1 else 0
        return windows

    def window_ids(self, window: Sequence[Piece], sentences: Sequence[Sentence]) -> tuple[np.ndarray, np.ndarray]:
        """Return a window's token ids and the cases of its words, special tokens included: int32, int8 (tokens,)."""
        ids = [sentences[piece.sentence].ids[piece.start : piece.end] for piece in window]
        cases = [sentences[piece.sentence].cases[piece.start : piece.end] for piece in window]
        ends = [np.full(len(special), LOWER, np.int8) for special in (self.before, self.behind)]
        return (
            np.concatenate([np.array(self.before, np.int32), *ids, np.array(self.behind, np.int32)]),
            np.concatenate([ends[0], *cases, ends[1]]),
        )


def cut(length: int, room: int) -> list[tuple[int, int, int, int]]:
    """Return windows over a sentence as (start, end, own start, own end), tokens each.

    Args:
        length: Tokens of the sentence.
        room: The most tokens of a window, at least 2.
    """
    if length <= room:
        return [(0, length, 0, length)]
    starts = [*range(0, length - room, room - room // 2), length - room]
    borders = [0, *((before + room + start) // 2 for before, start in pairwise(starts)), length]
    return [(start, start + room, borders[n], borders[n + 1]) for n, start in enumerate(starts)]


def words_of(text: str) -> list[tuple[int, int]]:
    """Return the words of a text, as (start, end), code points."""
    return [match.span() for match in _WORD.finditer(text) if not match.group().isspace()]


def _sentence(text: str, ids: list[int], offsets: list[tuple[int, int]]) -> Sentence:
    """Match a sentence's words with its tokens; a token with more than one word is the first one of each."""
    spans = words_of(text)
    starts, ends, firsts = [], [], []
    cases = np.full(len(ids), LOWER, np.int8)
    token = 0
    for start, end in spans:
        while token < len(ids) and offsets[token][1] <= start:
            token += 1
        if token == len(ids) or offsets[token][0] >= end:
            continue
        starts.append(start)
        ends.append(end)
        firsts.append(token)
        case = _case(text[start:end])
        if case != LOWER:
            last = token
            while last < len(ids) and offsets[last][0] < end:
                cases[last] = max(int(cases[last]), case)
                last += 1
    return Sentence(
        np.array(ids, np.int32),
        cases,
        np.array(starts, np.int32),
        np.array(ends, np.int32),
        np.array(firsts, np.int32),
    )


def _case(word: str) -> int:
    if word.islower() or not any(map(str.isupper, word)):
        return LOWER
    return CAPITALISED if word[0].isupper() and not any(map(str.isupper, word[1:])) else CAPITALS
