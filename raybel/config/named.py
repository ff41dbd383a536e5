"""Files that give several things of a kind their options, each under a name: routes of types, corpora of a training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeVar, cast

from raybel.config import configured, group_of, option_of
from raybel.errors import ConfigError
from raybel.files.mappings import read_mapping

T = TypeVar("T")


def option_names(kind: type) -> tuple[str, ...]:
    """Return the names of a configuration's options, and of its groups', in their order."""
    return tuple(_option_names(kind))


def _option_names(kind: type) -> Iterator[str]:
    for item in fields(cast(Any, kind)):
        group = group_of(kind, item.name)
        if group is not None:
            yield from _option_names(group)
        elif option_of(kind, item.name) is not None:
            yield item.name


def read_named(path: str, kind: type[T], what: str) -> dict[str, T]:
    """Return what a YAML or JSON file holds: a mapping of names to options, each made into a configuration.

    Args:
        path: The file.
        kind: The configuration's class.
        what: What it holds, for the error where it is empty ("route").

    Raises:
        ConfigError: An option is unknown, missing, or of a wrong type; the message names the name.
        InputError: The file can't be read, or isn't a mapping.
    """
    known = option_names(kind)
    named: dict[str, T] = {}
    for name, value in read_mapping(path, fold_keys=False).items():
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {name}: must hold the options {', '.join(known)}")
        options = {str(key).replace("-", "_"): item for key, item in value.items() if item is not None}
        if unknown := sorted(set(options) - set(known)):
            raise ConfigError(f"{path}: {name}: no option {', '.join(unknown)}; there are {', '.join(known)}")
        try:
            named[name] = configured(kind, options)
        except ConfigError as error:
            raise ConfigError(f"{path}: {name}: {error}") from error
    if not named:
        raise ConfigError(f"{path}: holds no {what}")
    return named
