"""Configurations: frozen dataclasses, read from flags over a file over defaults; what of them decides the output."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import yaml

from raybel import storage
from raybel.bioc import ReadOptions
from raybel.errors import ConfigError, InputError

#: Raised when a change of raybel's code changes the bytes of a run.
OUTPUT_FORMAT = 1
_RESULT = {"result": True}
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


@dataclass(frozen=True)
class LinkConfig:
    """The link job. Fields marked as results decide the bytes that it writes; the others don't.

    Args:
        in_corpus: Files, directories, globs; BioC XML or JSON, plain or gzipped.
        out_corpus: The run directory.
        ontology: The ontology that the generator was made from.
        ngrams_model: Model directory of the n-gram generator.
        dense_index: Index directory of the dense generator; with an n-gram model, both are fused.
        candidates_lookup: A stored lookup in their place (directory of `raybel lookup`, or a published `.json.gz`).
        reranker_model: Directory of a cross-encoder that ranks the candidates; None for the first stage's order.
        crosstype: Type that the cross-encoder must have; None for whichever it has.
        any_ontology: Use a cross-encoder that was trained for another ontology.
        precision: That the cross-encoder computes in; None for the fastest that the hardware has.
        top_k: Candidates of a mention.
        threshold: Candidates with a lower score are left out of the links.
        expand_abbreviations: Put the long form in the place of a short form that the document defines.
        chunk_documents: Documents in a chunk, the unit of work and of retry.
        max_document_mb: A document with a larger serialisation makes its file unreadable.
        max_bad_fraction: The job fails when a larger share of its documents goes to the quarantine.
        overwrite: Delete what a run with another configuration left in the run directory.
        metric_file: Where to copy the metrics table to.
        resources: What the job takes of the cluster.
    """

    in_corpus: tuple[str, ...]
    out_corpus: str
    ontology: str
    ngrams_model: str | None = None
    dense_index: str | None = None
    candidates_lookup: str | None = None
    reranker_model: str | None = None
    crosstype: str | None = None
    any_ontology: bool = False
    precision: str | None = field(default=None, metadata=_RESULT)
    top_k: int = field(default=10, metadata=_RESULT)
    threshold: float | None = field(default=None, metadata=_RESULT)
    expand_abbreviations: bool = field(default=True, metadata=_RESULT)
    chunk_documents: int = field(default=500, metadata=_RESULT)
    max_document_mb: int = field(default=256, metadata=_RESULT)
    max_bad_fraction: float = 0.01
    overwrite: bool = False
    metric_file: str | None = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        one_or_more(self, "in_corpus")
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        self.generator.check()
        for name, low in (("top_k", 1), ("chunk_documents", 1), ("max_document_mb", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} must be at least {low}, not {getattr(self, name)}")
        if not 0 <= self.max_bad_fraction <= 1:
            raise ConfigError(f"max_bad_fraction must lie in 0..1, not {self.max_bad_fraction}")
        if self.reranker_model is None and (self.crosstype, self.precision, self.any_ontology) != (None, None, False):
            raise ConfigError("crosstype, precision and any_ontology are a cross-encoder's: give --reranker-model")
        if self.precision not in (None, "fp32", "bf16", "fp16"):
            raise ConfigError(f"precision must be fp32, bf16 or fp16, not {self.precision!r}")

    @property
    def generator(self) -> GeneratorPaths:
        """Where the candidates come from."""
        return GeneratorPaths(self.ngrams_model, self.dense_index, self.candidates_lookup)

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        return ReadOptions(
            expand_abbreviations=self.expand_abbreviations,
            chunk_documents=self.chunk_documents,
            max_document_bytes=self.max_document_mb << 20,
        )


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


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return a hash (32 hex digits) of JSON values, whatever their order."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a line for each key whose values differ: `top_k: 10 there, 5 now`."""
    keys = sorted(set(old) | set(new))
    return [f"{key}: {old.get(key)} there, {new.get(key)} now" for key in keys if old.get(key) != new.get(key)]


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
