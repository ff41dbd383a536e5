"""Texts as tokens for a dictionary: pieces of the text as it is written, each with its folded tokens and their hashes.

A piece is a word (a run of letters and digits, with a possessive 's), a run of white space, or one other character; the
pieces tile a text, so that offsets stay those of the text. A piece is folded as surfaces are (`typography.fold`), which
may give no token (white space, dashes, invisible characters) or several (`17β` gives `17` and `beta`). Since each
distinct piece is folded once, nearly all the work on a text is one regular expression and look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import regex

from raybel.corpus.typography import fold

#: Raised when the tokens of a text change.
TOKENS = 2
#: Distinct pieces that are remembered, about 250 bytes each; when there are more, all are forgotten.
MAX_PIECES = 400_000
#: Letters of an acronym at most: longer words in capitals are words.
MAX_ACRONYM = 6

_ASCII_PIECE = re.compile(r"[A-Za-z0-9]+(?:['`][sS](?![A-Za-z0-9]))?|\s+|[^A-Za-z0-9\s]")
_WORD = r"\p{L}\p{N}\p{M}\p{Default_Ignorable_Code_Point}"
_PIECE = regex.compile(rf"[{_WORD}]+(?:['’`´ʼ′‘][sS](?![{_WORD}]))?|\s+|[^{_WORD}\s]\p{{M}}*")
_POSSESSIVE = re.compile(r"'[sS]\Z")
#: Endings of singulars, or of words whose plural isn't made by an s.
_NO_PLURAL = ("ss", "us", "is")
#: The token between two passages; no piece gives it.
_BETWEEN = "\0\0"

_FIRST = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def split(text: str) -> list[str]:
    """Return the pieces of a text, which joined are the text."""
    return _ASCII_PIECE.findall(text) if text.isascii() else _PIECE.findall(text)


def cased_tokens(piece: str) -> list[str]:
    """Return the tokens of a piece: folded, the possessive and the plural's s off, in the case as written."""
    tokens = []
    for part in split(_POSSESSIVE.sub("", fold(piece))):
        part = _POSSESSIVE.sub("", part)
        if not part.isspace() and part != "-":
            tokens.append(singular(part))
    return tokens


def singular(token: str) -> str:
    """Return a token without a plural's s: `anomalies` is `anomaly`, `ERGs` is `ERG`, `DISEASES` is `DISEASE`.

    Left as they are: `gas` and other short words, `virus`, `AIDS` and other acronyms.
    """
    size = len(token)
    if size < 3 or token[-1] not in "sS" or token.lower().endswith(_NO_PLURAL):
        return token
    if size < 4 and not (token[-1] == "s" and token[:-1].isupper()):
        return token
    if token[-1] == "S" and size <= MAX_ACRONYM:
        return token
    if size > 5 and token[-3:].lower() == "ies":
        return token[:-3] + ("y" if token[-1] == "s" else "Y")
    return token[:-1]


def name_tokens(name: str) -> tuple[str, ...]:
    """Return the tokens of a name or text, in the case as written; lower-cased, they are what is compared."""
    return tuple(token for piece in split(name) for token in cased_tokens(piece))


def token_hash(token: str) -> int:
    """Return 64 bits of a token's BLAKE2b."""
    return int.from_bytes(blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def begin_chain(tokens: np.ndarray) -> np.ndarray:
    """Return the hashes of sequences of one token: uint64, as `tokens`."""
    return extend_chain(np.full(len(tokens), _FIRST), tokens)


def extend_chain(chains: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return the hashes of sequences, each with one more token: uint64, as both.

    The mixing is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    mixed = chains * _FIRST + tokens
    mixed ^= mixed >> _SHIFTS[0]
    mixed *= _FACTORS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed


class _Numbers(dict[str, int]):
    """Piece -> its number, given when it is first asked for; `fresh` holds those that got one since."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: list[str] = []

    def __missing__(self, piece: str) -> int:
        number = self[piece] = len(self)
        self.fresh.append(piece)
        return number


class _Column:
    """An array that grows at its end."""

    def __init__(self, dtype: type) -> None:
        self._values: np.ndarray = np.zeros(1024, dtype)
        self._length = 0

    def extend(self, values: Sequence[int]) -> None:
        end = self._length + len(values)
        if end > len(self._values):
            self._values = np.concatenate([self._values[: self._length], np.zeros(end, self._values.dtype)])
        self._values[self._length : end] = values
        self._length = end

    @property
    def array(self) -> np.ndarray:
        return self._values[: self._length]

    def __len__(self) -> int:
        return self._length


@dataclass(frozen=True)
class Tokens:
    """The tokens of several texts in one sequence, with one between two texts that equals no other.

    Args:
        lower: Hash of each token, lower-cased: uint64.
        cased: Hash of each token in the case as written: uint64.
        text: Number of the text that each is of: int64.
        start: Code points from the text's start to the token's piece: int64.
        end: The same to the end of that piece: int64.
        first: Whether it is the first token of its piece.
        last: Whether it is the last one.
    """

    lower: np.ndarray
    cased: np.ndarray
    text: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.lower)


class Tokenizer:
    """Makes tokens of texts, and remembers the pieces that it has seen.

    Args:
        max_pieces: Distinct pieces that are remembered.
    """

    def __init__(self, max_pieces: int = MAX_PIECES) -> None:
        self.max_pieces = max_pieces
        self._forget()

    def _forget(self) -> None:
        self._numbers = _Numbers()
        self._between = self._numbers[_BETWEEN]
        self._length, self._count = _Column(np.int64), _Column(np.int64)
        self._lower, self._cased = _Column(np.uint64), _Column(np.uint64)

    def _fold_fresh(self) -> None:
        fresh, self._numbers.fresh = self._numbers.fresh, []
        tokens = [[_BETWEEN] if piece == _BETWEEN else cased_tokens(piece) for piece in fresh]
        self._length.extend([0 if piece == _BETWEEN else len(piece) for piece in fresh])
        self._count.extend([len(some) for some in tokens])
        self._cased.extend([token_hash(token) for some in tokens for token in some])
        self._lower.extend([token_hash(token.lower()) for some in tokens for token in some])

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts, which may be empty."""
        if len(self._numbers) > self.max_pieces:
            self._forget()
        numbers: list[int] = []
        ends = [0]
        for text in texts:
            numbers += map(self._numbers.__getitem__, split(text))
            numbers.append(self._between)
            ends.append(len(numbers))
        self._fold_fresh()
        piece = np.array(numbers, np.int64)
        length, count = self._length.array[piece], self._count.array[piece]
        text_of = np.repeat(np.arange(len(texts)), np.diff(ends))
        end = np.cumsum(length)
        before = np.concatenate([np.zeros(1, np.int64), end])[ends[:-1]]
        end -= before[text_of]
        start = end - length
        # A row for each token: those of a piece follow each other.
        of_token = np.repeat(np.arange(len(piece)), count)
        within = np.arange(len(of_token)) - np.repeat(np.cumsum(count) - count, count)
        first_row = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._count.array)])
        row = first_row[piece[of_token]] + within
        return Tokens(
            self._lower.array[row],
            self._cased.array[row],
            text_of[of_token],
            start[of_token],
            end[of_token],
            within == 0,
            within == count[of_token] - 1,
        )
