"""Which candidates training mentions get, so that none is its own answer, and from which generators."""

from __future__ import annotations

from raybel.candidates.base import Generator
from raybel.errors import ConfigError


def check_generator(generator: Generator, top_k: int, expand_abbreviations: bool) -> None:
    """Refuse a generator whose surfaces were made in another way than the training mentions'.

    An expanded mention among its aliases wouldn't be known as the same mention unexpanded, and so be its own answer.

    Raises:
        ConfigError: So it is, or a stored lookup holds fewer candidates.
    """
    generator.check_usable(top_k, expand_abbreviations)
    for component in generator.components:
        if component.has_training_aliases and component.expands_abbreviations not in (None, expand_abbreviations):
            manner = "with" if component.expands_abbreviations else "without"
            raise ConfigError(
                f"the {component.name} candidates' training mentions were added {manner} expanding abbreviations: "
                "train in the same way (--expand-abbreviations or --no-expand-abbreviations)"
            )


def regimes(generator: Generator, share: float) -> tuple[str, ...]:
    """Return which candidates training mentions get, so that none is its own answer.

    Args:
        generator: Finds them.
        share: As `CrossEncoderParameters.dictionary_share`.

    Raises:
        ConfigError: A stored lookup would hand mentions their own answers.
    """
    aliases = generator.has_training_aliases
    if generator.stored:
        if aliases:
            raise ConfigError(
                "the lookup was made with training mentions as aliases, and would hand them their own answers: train "
                "with the generator that it was made with"
            )
        return ("all",)
    if not aliases or share >= 1:
        return ("dictionary",)
    return ("fitted",) if share <= 0 else ("fitted", "dictionary")


def notes_on(generator: Generator) -> list[str]:
    """Return what a person should know about where candidates come from."""
    if not generator.stored:
        return []
    unknown = "" if generator.has_training_aliases is False else "; whether training mentions are in it isn't known"
    return [f"candidates come from a stored lookup{unknown}"]
