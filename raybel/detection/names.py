"""The names of a dictionary: those of an ontology, and training mentions, each once, as sequences of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from raybel.detection.name_table import NameTable
from raybel.detection.pieces import (
    MAX_ACRONYM,
    Tokenizer,
    begin_chain,
    extend_chain,
    name_tokens,
    token_hash,
)
from raybel.ontology import Ontology

#: Letters of a name whose case matters, at most.
SHORT_NAME = 3
#: Names of more tokens are left out: they don't occur in running text.
MAX_TOKENS = 24
#: Characters of a name whose case may matter, at most: spares the others the look at each character.
_MAX_CASED = 24
_BATCH = 65_536


class Kind(IntEnum):
    """Kinds of names, which differ in how far they can be trusted."""

    SEVERAL_TOKENS = 0
    ONE_TOKEN = 1
    CASED = 2  # short names and acronyms, whose case matters
    MENTION = 3  # known from training mentions alone


@dataclass
class Names:
    """Distinct names, in the order of their hashes.

    Args:
        keys: Hash of each name's tokens: uint64.
        starts: Where its tokens begin in `tokens`, and the number of all at the end: int64.
        tokens: Hashes of the tokens of all: uint64.
        kinds: `Kind` of each: int8.
        cased: Whether its case matters.
        cased_keys: Hashes, in the case as written, that names whose case matters may have: uint64, sorted.
        cased_names: The name of each of those: int64.
        pair_names: The name of each distinct pair of a name and a concept that has it, sorted: int64.
        pair_concepts: The concept of each pair: int64.
        words: Each name of one word that may be written in lower case, by its number: for word frequencies.
        too_long: How many names of the ontology have more than `MAX_TOKENS` tokens and are left out.
    """

    keys: np.ndarray
    starts: np.ndarray
    tokens: np.ndarray
    kinds: np.ndarray
    cased: np.ndarray
    cased_keys: np.ndarray
    cased_names: np.ndarray
    pair_names: np.ndarray
    pair_concepts: np.ndarray
    words: dict[int, str]
    too_long: int

    def __len__(self) -> int:
        return len(self.keys)

    def lengths(self) -> np.ndarray:
        """Return the number of tokens of each name: int64."""
        return np.diff(self.starts)

    def table(self, kept: np.ndarray, scores: np.ndarray, types: np.ndarray) -> NameTable:
        """Return some of the names as a table, numbered anew in their order.

        Args:
            kept: Whether each name is taken.
            scores: Of each name.
            types: Number of each name's type.
        """
        rows = np.flatnonzero(kept)
        number = np.full(len(self), -1, np.int32)
        number[rows] = np.arange(len(rows))
        lengths, begin = self.lengths()[rows], self.starts[:-1][rows]
        chains, names, chain = [], [], begin_chain(self.tokens[begin])
        for length in range(1, int(lengths.max(initial=0)) + 1):
            chains.append(chain)
            names.append(np.where(lengths == length, number[rows], -1))
            longer = lengths > length
            rows, lengths, begin = rows[longer], lengths[longer], begin[longer]
            chain = extend_chain(chain[longer], self.tokens[begin + length])
        marked = np.where(self.cased, -1 - types, types)
        allowed = self.cased_keys[kept[self.cased_names]] if len(self.cased_names) else self.cased_keys
        return NameTable.build(chains, names, scores[kept], marked[kept], allowed)


def cased_forms(tokens: tuple[str, ...]) -> list[tuple[str, ...]] | None:
    """Return the ways in which a name may be written, None where any case will do.

    The case matters for names of up to `SHORT_NAME` letters and for acronyms: one word in capitals. Where only the
    first letter is a capital, that is the style of the vocabulary, and says nothing: `Tin` may be `tin`, not `TIN`.

    Args:
        tokens: Of the name, in the case as written.
    """
    letters = [character for token in tokens for character in token if character.isalpha()]
    capitals = sum(map(str.isupper, letters))
    acronym = len(tokens) == 1 and len(letters) <= MAX_ACRONYM and capitals >= 2 and capitals == len(letters)
    if len(letters) > SHORT_NAME and not acronym:
        return None
    if any(map(str.isupper, letters[1:])) or len(letters) == 1:
        return [tokens]
    lower = tuple(token.lower() for token in tokens)
    return [lower, (lower[0][:1].upper() + lower[0][1:], *lower[1:])]


def is_nameable(tokens: tuple[str, ...]) -> bool:
    """True if an ontology's name can be found in text: it has two letters or digits, one of them a letter."""
    characters = [character for token in tokens for character in token if character.isalnum()]
    return len(characters) > 1 and any(map(str.isalpha, characters))


def sequence_hash(tokens: Iterable[str]) -> int:
    """Return the hash of a sequence of tokens, as they are; there is at least one."""
    first, *others = (np.array([token_hash(token)], np.uint64) for token in tokens)
    chain = begin_chain(first)
    for other in others:
        chain = extend_chain(chain, other)
    return int(chain[0])


def collect(ontology: Ontology, mentions: Iterable[str] = ()) -> Names:
    """Gather the names of an ontology and of training mentions.

    Args:
        ontology: Names without a letter, or of fewer than two letters and digits, are left out.
        mentions: Texts of training mentions, as written, with repeats. All of them become names.
    """
    concepts, strings = ontology.names()
    tokenizer = Tokenizer()
    gathered = _Gathered()
    for start in range(0, len(strings), _BATCH):
        gathered.add(tokenizer, strings[start : start + _BATCH], concepts[start : start + _BATCH])
    texts = sorted(set(mentions))
    gathered.add(tokenizer, texts, np.full(len(texts), -1))
    return gathered.names()


class _Gathered:
    """Names as they are gathered, with repeats."""

    def __init__(self) -> None:
        self.keys: list[np.ndarray] = []
        self.lengths: list[np.ndarray] = []
        self.tokens: list[np.ndarray] = []
        self.concepts: list[np.ndarray] = []
        self.cased: list[np.ndarray] = []
        self.forms: list[tuple[int, int]] = []
        self.words: dict[int, str] = {}
        self.too_long = 0

    def add(self, tokenizer: Tokenizer, strings: list[str], concepts: np.ndarray) -> None:
        """Add names of concepts; -1 stands for a training mention."""
        tokens = tokenizer.tokens(strings)
        lengths = np.bincount(tokens.text, minlength=len(strings)) - 1  # less the token between texts
        ends = np.cumsum(lengths + 1) - 1
        lower, begin = tokens.lower, ends - lengths
        usable = (lengths > 0) & (lengths <= MAX_TOKENS)
        self.too_long += int(np.count_nonzero((lengths > MAX_TOKENS) & (concepts >= 0)))
        cased = np.zeros(len(strings), bool)
        forms: dict[int, list[tuple[str, ...]]] = {}
        plain: dict[int, str] = {}
        for place in np.flatnonzero(usable).tolist():
            if len(strings[place]) > _MAX_CASED:
                continue
            own = name_tokens(strings[place])
            if concepts[place] >= 0 and not is_nameable(own):
                usable[place] = False
                continue
            if (allowed := cased_forms(own)) is not None:
                cased[place], forms[place] = True, allowed
            if len(own) == 1 and (allowed is None or (own[0].lower(),) in allowed):
                plain[place] = own[0].lower()
        begin, lengths = begin[usable], lengths[usable]
        chain, longest = begin_chain(lower[begin]), int(lengths.max(initial=0))
        for length in range(1, longest):
            longer = lengths > length
            chain[longer] = extend_chain(chain[longer], lower[begin[longer] + length])
        place_of = np.flatnonzero(usable)
        key_of = dict(zip(place_of.tolist(), chain.tolist(), strict=True))
        self.forms += [(key_of[place], sequence_hash(form)) for place, some in forms.items() for form in some]
        self.words |= {key_of[place]: word for place, word in plain.items()}
        row = np.repeat(begin - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
        self.keys.append(chain)
        self.lengths.append(lengths)
        self.tokens.append(lower[row])
        self.concepts.append(concepts[usable].astype(np.int64))
        self.cased.append(cased[usable])

    def names(self) -> Names:
        """Return the distinct names; the case of a name matters if it does for every spelling of it."""
        keys = _joined(self.keys, np.uint64)
        lengths = _joined(self.lengths, np.int64)
        concepts, cased = _joined(self.concepts, np.int64), _joined(self.cased, bool)
        tokens = _joined(self.tokens, np.uint64)
        distinct, first, name = np.unique(keys, return_index=True, return_inverse=True)
        always = np.ones(len(distinct), bool)
        always[name[~cased]] = False
        own = np.zeros(len(distinct), bool)
        own[name[concepts >= 0]] = True
        of_name = lengths[first]
        kinds = np.where(of_name > 1, Kind.SEVERAL_TOKENS, Kind.ONE_TOKEN)
        kinds = np.where(own, np.where(always, Kind.CASED, kinds), Kind.MENTION).astype(np.int8)
        begin = (np.cumsum(lengths) - lengths)[first]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(of_name)])
        row = np.repeat(begin - starts[:-1], of_name) + np.arange(int(starts[-1]))
        known = concepts >= 0
        width = int(concepts.max(initial=0)) + 1
        pairs = np.unique(name[known].astype(np.int64) * width + concepts[known])
        forms = np.unique(np.array(self.forms, np.uint64).reshape(-1, 2), axis=0)
        form_names = np.searchsorted(distinct, forms[:, 0]).astype(np.int64)
        forms, form_names = forms[always[form_names]], form_names[always[form_names]]
        of_words = np.searchsorted(distinct, np.array(list(self.words), np.uint64)).tolist()
        words = dict(zip(of_words, self.words.values(), strict=True))
        return Names(
            distinct,
            starts,
            tokens[row],
            kinds,
            always,
            forms[:, 1],
            form_names,
            pairs // width,
            pairs % width,
            words,
            self.too_long,
        )


def _joined(arrays: Iterable[np.ndarray] | Iterator[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype)
