"""YAML and JSON files that hold a mapping of names to values."""

from __future__ import annotations

import re
from typing import Any

import yaml

from raybel.errors import InputError
from raybel.files import storage


class _Loader(yaml.SafeLoader):
    """Takes `1e-05` for a number, and `2:8` for text, as YAML 1.2 does; to YAML 1.1 they are a text, and 128."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_TO_BASE_60 = re.compile(r"[-+]?[0-9_]+(:[0-9_.]+)+$")
for _first in "-+0123456789":
    _Loader.yaml_implicit_resolvers[_first].insert(0, ("tag:yaml.org,2002:str", _TO_BASE_60))
_NOT_YAML: tuple[type[Exception], ...] = (yaml.YAMLError, ValueError, *storage.DAMAGED)


def read_mapping(path: str, fold_keys: bool = True) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file.

    Args:
        path: The file.
        fold_keys: Whether keys are options, which may be spelled with dashes for underscores.

    Raises:
        InputError: No such file, not YAML or JSON, or not a mapping.
    """
    with storage.open_bytes(path) as file:
        try:
            value = yaml.load(file.read(), _Loader)
        except _NOT_YAML as error:
            raise InputError(f"isn't readable YAML or JSON: {error}", path=path) from error
    if not isinstance(value, dict):
        raise InputError("must hold a mapping of names to values" + (", is empty" if value is None else ""), path=path)
    return {str(key).replace("-", "_") if fold_keys else str(key): item for key, item in value.items()}
