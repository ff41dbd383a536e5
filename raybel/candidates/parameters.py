"""Hyper-parameters of the n-gram generator, named as published (Sanz-Cruzado & Lever, BioNLP 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
