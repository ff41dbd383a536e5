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
    """Makes TF-IDF rows of unit length (float32 CSR) of texts; a text without a known n-gram gets a row of zeros.

    A row of two sides is scaled to unit length as a whole, so that a product of rows is a cosine in [0, 1].
    """

    def __init__(self, parameters: NgramParameters) -> None:
        self.parameters = parameters
        sides = 2 if parameters.char_side == "separate" else 1
        self.vectorizers = [self._vectorizer() for _ in range(sides)]

    def _vectorizer(self, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
        parameters = self.parameters
        return TfidfVectorizer(
            analyzer=parameters.analyzer,
            ngram_range=parameters.ngram_range,
            max_features=None if vocabulary else parameters.max_features,
            min_df=parameters.min_df,
            vocabulary=vocabulary,
            lowercase=False,  # a surface is in lower case already
            dtype=np.float32,
        )

    def _sides(self, texts: Sequence[str]) -> list[list[str]]:
        """Return what counts of each text, once for each side."""
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
            ConfigError: No n-gram remains (no text, `min_df` too high, n-grams longer than every text).
        """
        sides = self._sides(texts)
        if self.parameters.char_side == "together":
            sides = [sides[0] + sides[1]]
        try:
            for vectorizer, side in zip(self.vectorizers, sides, strict=True):
                vectorizer.fit(side)
        except ValueError as error:
            raise ConfigError(f"no n-grams to learn from {len(texts)} names with {asdict(self.parameters)}") from error
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Return one row per text: float32 CSR of shape (texts, `width`)."""
        if not texts:
            return sp.csr_matrix((0, self.width), dtype=np.float32)
        sides = self._sides(texts)
        if self.parameters.char_side == "separate":
            rows = sp.hstack([v.transform(side) for v, side in zip(self.vectorizers, sides, strict=True)])
        elif self.parameters.char_side == "together":
            rows = self.vectorizers[0].transform(sides[0]) + self.vectorizers[0].transform(sides[1])
        else:
            return sp.csr_matrix(self.vectorizers[0].transform(sides[0]), dtype=np.float32)
        rows = sp.csr_matrix(normalize(rows, copy=False), dtype=np.float32)
        rows.sort_indices()
        return rows

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(len(vectorizer.vocabulary_) for vectorizer in self.vectorizers)

    def to_table(self) -> pa.Table:
        """Return the vocabulary in feature order: columns `part` (number of the side), `ngram`, `idf`."""
        columns: dict[str, list[Any]] = {"part": [], "ngram": [], "idf": []}
        for number, vectorizer in enumerate(self.vectorizers):
            ngrams = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
            columns["part"] += [number] * len(ngrams)
            columns["ngram"] += ngrams
            columns["idf"] += vectorizer.idf_.astype(np.float32).tolist()
        schema = pa.schema([("part", pa.int8()), ("ngram", pa.string()), ("idf", pa.float32())])
        return pa.table(columns, schema=schema)

    @classmethod
    def from_table(cls, parameters: NgramParameters, table: pa.Table) -> NgramVectorizer:
        """Rebuild a vectorizer from what `to_table` returned; it transforms texts to the same bits."""
        self = cls(parameters)
        sides = np.asarray(table["part"])
        for number in range(len(self.vectorizers)):
            features = table.filter(pa.array(sides == number))
            vectorizer = self._vectorizer({ngram: i for i, ngram in enumerate(features["ngram"].to_pylist())})
            vectorizer.idf_ = np.asarray(features["idf"], dtype=np.float32)
            self.vectorizers[number] = vectorizer
        return self
