"""Configurations: frozen dataclasses, read from flags over a file over defaults; what of them decides the output."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import yaml

from raybel.errors import ConfigError, InputError
from raybel.files import storage

#: Raised when a change of raybel's code changes the bytes of a run.
OUTPUT_FORMAT = 1
RESULT = {"result": True}
_PACKAGES = (
    *("raybel", "ray", "pyarrow", "numpy", "scikit-learn", "sparse-dot-topn", "lxml", "isal", "bioc"),
    *("faiss-cpu", "torch", "transformers"),
)


class _Loader(yaml.SafeLoader):
    """Takes `1e-05` for a number, as JSON and YAML 1.2 do; YAML 1.1 takes what has no point for text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_NOT_YAML: tuple[type[Exception], ...] = (yaml.YAMLError, ValueError, *storage.DAMAGED)

T = TypeVar("T")


@dataclass(frozen=True)
class Resources:
    """What a job takes of the cluster.

    By default an actor and a task each take half a CPU, so that there are as many of either as there are CPUs:
    whichever stage is behind gets the cores.

    Args:
        actors: Actors that hold the generator; None for one per CPU of the cluster.
        cpus_per_actor: Logical CPUs of each.
        cpus_per_task: Logical CPUs of each reading and each writing task.
        gpus_per_actor: GPUs (or the share of one) of each actor that runs an encoder; None for a whole one where the
            cluster has any, 0 for the CPU.
        max_restarts: Restarts of each actor that dies, over the whole job, before the job fails.
    """

    actors: int | None = None
    cpus_per_actor: float = 0.5
    cpus_per_task: float = 0.5
    gpus_per_actor: float | None = None
    max_restarts: int = 10


@dataclass(frozen=True)
class GeneratorPaths:
    """Which generator a job uses: n-grams, dense, both fused, or a stored lookup of what one of them found."""

    ngrams_model: str | None = None
    dense_index: str | None = None
    candidates_lookup: str | None = None

    def check(self) -> None:
        """Refuse none, and a lookup together with something else.

        Raises:
            ConfigError: So it is.
        """
        computed = self.ngrams_model is not None or self.dense_index is not None
        if computed == (self.candidates_lookup is not None):
            raise ConfigError("give a generator: --ngrams-model, --dense-index, both, or --candidates-lookup alone")

    def absolute(self) -> GeneratorPaths:
        """Return them as a worker in another directory needs them."""
        return GeneratorPaths(**{name: path and storage.absolute(path) for name, path in asdict(self).items()})


def one_or_more(config: Any, *names: str) -> None:
    """Make a tuple of each of these fields of a frozen configuration where a single path was given.

    Raises:
        ConfigError: A field is something else than a path or paths.
    """
    for name in names:
        value = getattr(config, name)
        value = (value,) if isinstance(value, str) else tuple(value)
        if not all(isinstance(path, str) for path in value):
            raise ConfigError(f"{name} must be a path or a sequence of paths, not {value!r}")
        object.__setattr__(config, name, value)


def results(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration that decide what it writes."""
    return {item.name: getattr(config, item.name) for item in fields(config) if item.metadata.get("result")}


def read_file(path: str) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file; keys may be spelled with dashes.

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
    return {str(key).replace("-", "_"): item for key, item in value.items()}


def versions() -> dict[str, str]:
    """Return the versions of what a run's output depends on."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    return {**found, "python": platform.python_version()}


def git_hash() -> str | None:
    """Return the commit of the checkout that raybel runs from, None where it is installed as a package."""
    home = Path(__file__).parent.parent
    if not (home / ".git").exists():
        return None
    run = subprocess.run(
        ["git", "-C", str(home), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return run.stdout.strip() or None
