"""Hyper-parameters of the n-gram generator."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge
from pydantic import BeforeValidator, Strict

from raybel.config import Count, HyperParameters, configuration
from raybel.errors import ConfigError

Side = Literal["none", "front", "back", "separate", "together"]
SIDES: tuple[Side, ...] = get_args(Side)
Search = Literal["exact", "fast"]
SEARCHES: tuple[Search, ...] = get_args(Search)


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be two numbers, 1 <= low <= high")
    return value


def _number_or_share(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not whole and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError("must be a whole number from 1 on, or a share between 0 and 1")
    return value


@configuration
class NgramParameters(HyperParameters):
    """Hyper-parameters of the n-gram generator, named as published (Sanz-Cruzado & Lever, BioNLP 2025).

    Args:
        ngram_range: Shortest and longest n-gram.
        max_features: How many n-grams are kept, the most frequent ones; None for all.
        min_df: In how many names an n-gram must occur (a whole number), or in which share of them (below 1).
        char_side: Which characters of a name count: all (`none`), its first or last `char_count` (`front`, `back`), or
            half of them from each side, as two sets of features (`separate`) or as one (`together`).
        char_count: How many characters `char_side` takes.
        analyzer: `char_wb` (n-grams within words, padded with a space) or `char` (across words, as published).
        add_training_data_to_ontology: Whether training mentions become aliases of their concepts.
        search: `exact`: the best concepts by all names; `fast`, for millions of names: a surface that is a name gets
            the concepts of this name alone, any other the best ones of the names that share its rarest n-grams.
    """

    model: ClassVar[str] = "n-gram"

    ngram_range: Annotated[tuple[Count, Count], Strict(False), BeforeValidator(_pair)] = (3, 3)
    max_features: Count | None = None
    min_df: Annotated[Any, BeforeValidator(_number_or_share)] = 1
    char_side: Side = "none"
    char_count: Annotated[int, Ge(0)] = 20
    analyzer: Literal["char", "char_wb"] = "char_wb"
    add_training_data_to_ontology: bool = True
    search: Search = "exact"

    def __post_init__(self) -> None:
        low, high = self.ngram_range
        if low > high:
            raise ConfigError(f"ngram_range must be two numbers, 1 <= low <= high, not {self.ngram_range}")
        if self.char_side != "none" and self.char_count < 2:
            raise ConfigError(f"char_count must be at least 2, not {self.char_count}")
