"""Types of mentions under other names: corpora call the same thing differently."""

from __future__ import annotations

from collections.abc import Sequence

from raybel.errors import ConfigError


def parse_type_names(given: Sequence[str]) -> dict[str, str]:
    """Return old name -> new name of types, from `OLD=NEW` each.

    Raises:
        ConfigError: One isn't `OLD=NEW`, or an old name has two new ones.
    """
    names: dict[str, str] = {}
    for pair in given:
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (equals and old and new):
            raise ConfigError(f"--type-names {pair}: give OLD=NEW, such as SpecificDisease=Disease")
        if names.setdefault(old, new) != new:
            raise ConfigError(f"--type-names: {old} can't be both {names[old]} and {new}")
    return names
