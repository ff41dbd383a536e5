"""Sequences of tokens by their hashes, memory-mapped: which are names of a dictionary, and which only begin one.

Hashes have 64 bits and aren't verified. With the 12 million beginnings of names of UMLS' size and 10^10 sequences of
tokens looked up in all of PubMed, 0.01 of a false match is to be expected, and one wrong mention in so many is far less
than the detector's own errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raybel.detection.pieces import Tokens, begin_chain, extend_chain
from raybel.files import artefacts, storage

#: The files that a table has in an artefact's directory.
FILES = ("keys.npy", "buckets.npy", "names.npy", "continued.npy", "name_scores.npy", "name_types.npy", "cased_keys.npy")
#: How many of the hashes' first bits choose a bucket.
_MIN_BITS, _MAX_BITS = 4, 28


@dataclass(frozen=True)
class Matches:
    """Names that stand in a sequence of tokens: arrays of one length, sorted by `first`, then by `last`.

    Args:
        first: The first token of each, int64.
        last: The last one, int64.
        name: Row of the name, int64.
    """

    first: np.ndarray
    last: np.ndarray
    name: np.ndarray


@dataclass
class NameTable:
    """Names as hashes of their tokens.

    Args:
        keys: Hashes of names and of what begins one, sorted, distinct: uint64.
        buckets: For each value of the hashes' first bits the row of the first such key, and the number of keys: uint32.
        names: Number of the name that each key is, -1 for none: int32.
        continued: Whether a longer name begins with it.
        scores: Of each name, float32.
        types: Of each name, the number of its type: int16; -1 - number where its case matters.
        cased_keys: Hashes, in the case as written, that names whose case matters may have; sorted: uint64.
    """

    keys: np.ndarray
    buckets: np.ndarray
    names: np.ndarray
    continued: np.ndarray
    scores: np.ndarray
    types: np.ndarray
    cased_keys: np.ndarray

    @classmethod
    def build(
        cls, chains: list[np.ndarray], names: list[np.ndarray], scores: np.ndarray, types: np.ndarray, cased: np.ndarray
    ) -> NameTable:
        """Build a table.

        Args:
            chains: For each length, from one token on, the hashes of the names that are as long or longer, cut to that
                length: uint64.
            names: For each length, the number of the name where that is the whole name, -1 elsewhere: int32.
            scores: As in the table.
            types: As in the table.
            cased: As `cased_keys`, in any order, with repeats.
        """
        every_key, every_name, every_long = [], [], []
        for of_length, whole in zip(chains, names, strict=True):
            # The whole names first: of equal keys the first one's number is kept.
            order = np.lexsort((-whole, of_length))
            keys, first = np.unique(of_length[order], return_index=True)
            every_key.append(keys)
            every_name.append(whole[order][first])
            longer = np.zeros(len(keys), bool)
            longer[np.searchsorted(keys, of_length[whole < 0])] = True
            every_long.append(longer)
        keys = np.concatenate([np.zeros(0, np.uint64), *every_key])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        bits = min(max(len(keys).bit_length(), _MIN_BITS), _MAX_BITS)
        tops = (keys >> np.uint64(64 - bits)).astype(np.int64)
        buckets = np.searchsorted(tops, np.arange((1 << bits) + 1)).astype(np.uint32)
        return cls(
            keys,
            buckets,
            np.concatenate([np.zeros(0, np.int32), *every_name])[order].astype(np.int32),
            np.concatenate([np.zeros(0, bool), *every_long])[order],
            scores.astype(np.float32),
            types.astype(np.int16),
            np.unique(cased).astype(np.uint64),
        )

    def files(self) -> dict[str, bytes]:
        """Return the table as files of an artefact, by name."""
        arrays = (self.keys, self.buckets, self.names, self.continued, self.scores, self.types, self.cased_keys)
        return {name: artefacts.array_bytes(array) for name, array in zip(FILES, arrays, strict=True)}

    @classmethod
    def load(cls, directory: str | Path) -> NameTable:
        """Memory-map a table out of an artefact's directory."""
        return cls(*(artefacts.load_array(storage.localise(storage.join(str(directory), name))) for name in FILES))

    def __len__(self) -> int:
        """Number of names."""
        return len(self.scores)

    def rows(self, hashes: np.ndarray) -> np.ndarray:
        """Return the row of each hash among the keys: int64, -1 for those that aren't there."""
        found = np.full(len(hashes), -1, np.int64)
        bits = int(len(self.buckets) - 1).bit_length() - 1
        bucket = (hashes >> np.uint64(64 - bits)).astype(np.int64)
        row, stop = self.buckets[bucket].astype(np.int64), self.buckets[bucket + 1].astype(np.int64)
        asked = np.flatnonzero(row < stop)
        row, stop, wanted = row[asked], stop[asked], hashes[asked]
        while len(asked):
            there = self.keys[row]
            same = there == wanted
            found[asked[same]] = row[same]
            row += 1
            left = (there < wanted) & (row < stop)
            asked, row, stop, wanted = asked[left], row[left], stop[left], wanted[left]
        return found

    def find(self, tokens: Tokens) -> Matches:
        """Return every name in a sequence of tokens, also those that overlap; none begins or ends within a piece."""
        position = np.flatnonzero(tokens.first)
        chain = begin_chain(tokens.lower[position])
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        length = 1
        while len(position):
            row = self.rows(chain)
            known = row >= 0
            position, chain, row = position[known], chain[known], row[known]
            name = self.names[row].astype(np.int64)
            whole = (name >= 0) & tokens.last[position + length - 1]
            found.append((position[whole], position[whole] + length - 1, name[whole]))
            on = self.continued[row] & (position + length < len(tokens))
            position = position[on]
            chain = extend_chain(chain[on], tokens.lower[position + length])
            length += 1
        first, last, name = (
            np.concatenate([np.zeros(0, np.int64), *(some[column] for some in found)]) for column in range(3)
        )
        right = self._in_right_case(tokens, first, last, name)
        first, last, name = first[right], last[right], name[right]
        order = np.lexsort((last, first))
        return Matches(first[order], last[order], name[order])

    def _in_right_case(self, tokens: Tokens, first: np.ndarray, last: np.ndarray, name: np.ndarray) -> np.ndarray:
        """Return which matches are written in a case that their names may have."""
        right = np.ones(len(name), bool)
        asked = np.flatnonzero(self.types[name] < 0)
        if not len(asked):
            return right
        chain, position, end = begin_chain(tokens.cased[first[asked]]), first[asked], last[asked]
        while (longer := position < end).any():
            position = position + longer
            chain[longer] = extend_chain(chain[longer], tokens.cased[position[longer]])
        place = np.minimum(np.searchsorted(self.cased_keys, chain), len(self.cased_keys) - 1)
        right[asked] = self.cased_keys[place] == chain
        return right

    def type_of(self, names: np.ndarray) -> np.ndarray:
        """Return the numbers of the types of names: int64."""
        types = self.types[names].astype(np.int64)
        return np.where(types < 0, -1 - types, types)
