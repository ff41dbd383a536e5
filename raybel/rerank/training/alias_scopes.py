"""Which aliases count when candidates are searched for training mentions, so that none is its own answer.

`all`: every alias, as in the link job; `cross_fitted`: all but those that only the mention's own document added;
`dictionary`: the ontology's names alone.
"""

from __future__ import annotations

from typing import Literal

from raybel.candidates.base import Generator
from raybel.candidates.lookup import FREQUENT
from raybel.errors import ConfigError

AliasScope = Literal["all", "cross_fitted", "dictionary"]


def check_generator(generator: Generator, top_k: int, expand_abbreviations: bool) -> None:
    """Refuse a generator whose surfaces were made in another way than the training mentions'.

    Among its aliases an expanded mention isn't recognised as the same mention unexpanded, and would be its own answer.

    Args:
        generator: Finds candidates.
        top_k: Candidates per mention.
        expand_abbreviations: Whether abbreviations are expanded in the training mentions.

    Raises:
        ConfigError: The surfaces were made in another way, or a stored lookup holds fewer candidates.
    """
    generator.check_usable(top_k, expand_abbreviations)
    for component in generator.components:
        if component.has_training_aliases and component.expands_abbreviations not in (None, expand_abbreviations):
            manner = "with" if component.expands_abbreviations else "without"
            raise ConfigError(
                f"the {component.name} candidates' training mentions were added {manner} expanding abbreviations: "
                "train in the same way (--expand-abbreviations or --no-expand-abbreviations)"
            )


def alias_scopes(generator: Generator, dictionary_share: float) -> tuple[AliasScope, ...]:
    """Return the alias scopes that training mentions' candidates are searched with, so that none is its own answer.

    Args:
        generator: Finds the candidates.
        dictionary_share: As in `CrossEncoderParameters`.

    Raises:
        ConfigError: In a stored lookup training mentions would find their own answers.
    """
    has_training_aliases = generator.has_training_aliases
    if generator.stored:
        if generator.name == FREQUENT:
            raise ConfigError(
                "the lookup holds each surface's most frequent links (lookup --frequent), and would hand training "
                "mentions their own answers: train with a generator (--ngrams-model or --dense-index)"
            )
        if has_training_aliases:
            raise ConfigError(
                "the lookup was made with training mentions as aliases, and would hand them their own answers: train "
                "with the generator that it was made with (--ngrams-model or --dense-index)"
            )
        return ("all",)
    if not has_training_aliases or dictionary_share >= 1:
        return ("dictionary",)
    return ("cross_fitted",) if dictionary_share <= 0 else ("cross_fitted", "dictionary")


def generator_notes(generator: Generator) -> list[str]:
    """Return what a person should know about where the candidates come from."""
    if not generator.stored:
        return []
    unknown = "" if generator.has_training_aliases is False else "; whether training mentions are in it isn't known"
    return [f"candidates come from a stored lookup{unknown}"]
