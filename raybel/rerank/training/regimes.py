"""Which candidates training mentions get, so that none is its own answer, and from which generators."""

from __future__ import annotations

from raybel.candidates.base import Generator
from raybel.candidates.hybrid import HybridGenerator
from raybel.candidates.lookup import LookupGenerator
from raybel.config import GeneratorPaths
from raybel.errors import ConfigError


def check_generator(generator: Generator, top_k: int, expand_abbreviations: bool) -> None:
    """Refuse a generator whose surfaces were made in another way than the training mentions'.

    An expanded mention among its aliases wouldn't be known as the same mention unexpanded, and so be its own answer.

    Raises:
        ConfigError: So it is, or a stored lookup holds fewer candidates.
    """
    if isinstance(generator, LookupGenerator):
        generator.check(top_k, expand_abbreviations)
    parts = generator.generators if isinstance(generator, HybridGenerator) else [generator]
    for each in parts:
        if _training_aliases(each) and each.expanded not in (None, expand_abbreviations):
            made = "with" if each.expanded else "without"
            raise ConfigError(
                f"the {each.name} candidates' training mentions were added {made} expanding abbreviations: train in "
                "the same way (--expand-abbreviations or --no-expand-abbreviations)"
            )


def regimes(generator: Generator, paths: GeneratorPaths, share: float) -> tuple[str, ...]:
    """Return which candidates training mentions get, so that none is its own answer.

    Args:
        generator: Finds them.
        paths: Where it is from.
        share: As `CrossEncoderParameters.dictionary_share`.

    Raises:
        ConfigError: A stored lookup would hand mentions their own answers.
    """
    aliases = _training_aliases(generator)
    if paths.candidates_lookup is not None:
        if aliases:
            raise ConfigError(
                "the lookup was made with training mentions as aliases, and would hand them their own answers: train "
                "with the generator that it was made with (--ngrams-model or --dense-index)"
            )
        return ("all",)
    if not aliases or share >= 1:
        return ("dictionary",)
    return ("fitted",) if share <= 0 else ("fitted", "dictionary")


def _training_aliases(generator: Generator) -> bool | None:
    """Whether training mentions are aliases; None where that isn't known."""
    table = generator.alias_table
    return None if table is None else bool(len(table) and (table["frequency"].to_numpy() > 0).any())


def notes_on(generator: Generator, paths: GeneratorPaths) -> list[str]:
    """Return what a person should know about where candidates come from."""
    if paths.candidates_lookup is None:
        return []
    unknown = "" if _training_aliases(generator) is False else "; whether training mentions are in it isn't known"
    return [f"candidates come from a stored lookup{unknown}"]
