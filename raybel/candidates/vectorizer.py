"""Character n-gram TF-IDF with the published hyper-parameters (Sanz-Cruzado & Lever, BioNLP 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from raybel.errors import ConfigError

SIDES = ("none", "front", "back", "separate", "together")
ANALYZERS = ("char", "char_wb")


@dataclass(frozen=True)
class NgramParameters:
    """Hyper-parameters, named as published.

    Args:
        ngram_range: Shortest and longest n-gram.
        max_features: Keep that many n-grams, the most frequent; None keeps all.
        min_df: Leave out n-grams in fewer names (a whole number) or in a smaller share of them (below 1).
        char_side: Which characters of a name count: all (`none`), its first or last `char_count` (`front`, `back`), or
            half of them from each side, as two sets of features (`separate`) or as one (`together`).
        char_count: How many characters `char_side` takes.
        analyzer: `char_wb` (n-grams within words, padded with a space) or `char` (across them, as published).
        add_training_data_to_ontology: Training mentions become aliases of their concepts.
    """

    ngram_range: tuple[int, int] = (3, 3)
    max_features: int | None = None
    min_df: int | float = 1
    char_side: str = "none"
    char_count: int = 20
    analyzer: str = "char_wb"
    add_training_data_to_ontology: bool = True

    def __post_init__(self) -> None:
        low, high = self.ngram_range
        if not 1 <= low <= high:
            raise ConfigError(f"ngram_range must be two numbers, 1 <= low <= high, not {self.ngram_range}")
        if self.char_side not in SIDES:
            raise ConfigError(f"char_side must be one of {', '.join(SIDES)}, not {self.char_side!r}")
        if self.analyzer not in ANALYZERS:
            raise ConfigError(f"analyzer must be one of {', '.join(ANALYZERS)}, not {self.analyzer!r}")
        for name in ("char_count", "max_features"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole or (value is None and name == "max_features")):
                raise ConfigError(f"{name} must be a whole number, not {value!r}")
        share = isinstance(self.min_df, float) and 0 < self.min_df < 1
        if not (share or (isinstance(self.min_df, int) and not isinstance(self.min_df, bool) and self.min_df >= 1)):
            raise ConfigError(
                f"min_df must be a whole number from 1 on, or a share between 0 and 1, not {self.min_df!r}"
            )
        if not isinstance(self.add_training_data_to_ontology, bool):
            raise ConfigError(
                f"add_training_data_to_ontology must be true or false, not {self.add_training_data_to_ontology!r}"
            )
        if self.char_side != "none" and self.char_count < 2:
            raise ConfigError(f"char_count must be at least 2, not {self.char_count}")
        if self.max_features is not None and self.max_features < 1:
            raise ConfigError(f"max_features must be at least 1, or null for all, not {self.max_features}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NgramParameters:
        """Build from a `params.json` (its part under `ngrams`).

        Raises:
            ConfigError: A name that isn't a hyper-parameter, or a value out of range.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ConfigError(f"unknown n-gram parameters: {', '.join(unknown)}; there are {known}")
        values = dict(values)
        if "ngram_range" in values:
            try:
                low, high = values["ngram_range"]
                values["ngram_range"] = (int(low), int(high))
            except (TypeError, ValueError) as error:
                raise ConfigError(f"ngram_range must be two numbers, not {values['ngram_range']!r}") from error
        return cls(**values)


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
