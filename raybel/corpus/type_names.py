"""Types of mentions that corpora name differently, brought to one name: `SpecificDisease=Disease`."""

from __future__ import annotations

from collections.abc import Iterable

from raybel.errors import ConfigError


def parse_type_names(pairs: Iterable[str]) -> dict[str, str]:
    """Return old name -> new name for `OLD=NEW` each.

    A name is replaced once: with `A=B` and `B=C`, an `A` becomes a `B`. White space around names doesn't count; a name
    may hold `=` behind the first one. `=NEW` names mentions without a type.

    Args:
        pairs: Several old names may have one new name.

    Raises:
        ConfigError: One isn't of this form, or an old name has two new ones.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        old, mark, new = (part.strip() for part in pair.partition("="))
        if not mark or not new:
            raise ConfigError(f"type_names: {pair!r} isn't OLD=NEW, such as SpecificDisease=Disease")
        if names.setdefault(old, new) != new:
            raise ConfigError(f"type_names: {old} can't become both {names[old]} and {new}")
    return names
