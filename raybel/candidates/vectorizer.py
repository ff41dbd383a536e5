"""Character n-gram TF-IDF with the published hyper-parameters (Sanz-Cruzado & Lever, BioNLP 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from raybel.candidates.parameters import NgramParameters
from raybel.errors import ConfigError


class NgramVectorizer:
    """Texts -> TF-IDF rows of unit length (float32 CSR); a text without a known n-gram gets a row of zeros.

    With two sides the rows are scaled to unit length as a whole, so that a product of rows is a cosine in [0, 1].
    """

    def __init__(self, parameters: NgramParameters) -> None:
        self.parameters = parameters
        self.parts = [self._part() for _ in range(2 if parameters.char_side == "separate" else 1)]

    def _part(self, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
        p = self.parameters
        return TfidfVectorizer(
            analyzer=p.analyzer,
            ngram_range=p.ngram_range,
            max_features=None if vocabulary else p.max_features,
            min_df=p.min_df,
            vocabulary=vocabulary,
            lowercase=False,  # a surface is in lower case already
            dtype=np.float32,
        )

    def _sides(self, texts: Sequence[str]) -> list[list[str]]:
        side, count = self.parameters.char_side, self.parameters.char_count
        if side == "none":
            return [list(texts)]
        if side == "front":
            return [[text[:count] for text in texts]]
        if side == "back":
            return [[text[-count:] for text in texts]]
        return [[text[: count // 2] for text in texts], [text[-(count // 2) :] for text in texts]]

    def fit(self, texts: Sequence[str]) -> NgramVectorizer:
        """Learn the vocabulary and the document frequencies.

        Raises:
            ConfigError: No n-gram is left (no text, `min_df` too high, n-grams longer than every text).
        """
        sides = self._sides(texts)
        if self.parameters.char_side == "together":
            sides = [sides[0] + sides[1]]
        try:
            for part, side in zip(self.parts, sides, strict=True):
                part.fit(side)
        except ValueError as error:
            raise ConfigError(f"no n-grams to learn from {len(texts)} names with {asdict(self.parameters)}") from error
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Return one row per text; (0, n) for no text."""
        if not texts:
            return sp.csr_matrix((0, self.width), dtype=np.float32)
        sides = self._sides(texts)
        if self.parameters.char_side == "separate":
            rows = sp.hstack([part.transform(side) for part, side in zip(self.parts, sides, strict=True)])
        elif self.parameters.char_side == "together":
            rows = self.parts[0].transform(sides[0]) + self.parts[0].transform(sides[1])
        else:
            return sp.csr_matrix(self.parts[0].transform(sides[0]), dtype=np.float32)
        rows = sp.csr_matrix(normalize(rows, copy=False), dtype=np.float32)
        rows.sort_indices()
        return rows

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(len(part.vocabulary_) for part in self.parts)

    def to_table(self) -> pa.Table:
        """Return the vocabulary with its weights: columns part, ngram, idf, in feature order."""
        columns: dict[str, list[Any]] = {"part": [], "ngram": [], "idf": []}
        for number, part in enumerate(self.parts):
            ordered = sorted(part.vocabulary_, key=part.vocabulary_.__getitem__)
            columns["part"] += [number] * len(ordered)
            columns["ngram"] += ordered
            columns["idf"] += part.idf_.astype(np.float32).tolist()
        schema = pa.schema([("part", pa.int8()), ("ngram", pa.string()), ("idf", pa.float32())])
        return pa.table(columns, schema=schema)

    @classmethod
    def from_table(cls, parameters: NgramParameters, table: pa.Table) -> NgramVectorizer:
        """Rebuild from `to_table`; transforms to the same bits."""
        self = cls(parameters)
        numbers = np.asarray(table["part"])
        for number in range(len(self.parts)):
            own = table.filter(pa.array(numbers == number))
            part = self._part({ngram: i for i, ngram in enumerate(own["ngram"].to_pylist())})
            part.idf_ = np.asarray(own["idf"], dtype=np.float32)
            self.parts[number] = part
        return self
