"""What a run reads, and which shards that becomes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raybel.corpus.formats.registry import shard_name
from raybel.corpus.opening import file_format
from raybel.corpus.sources import Source, find_sources
from raybel.errors import ConfigError, without_secrets
from raybel.files.fingerprints import fingerprint


@dataclass(frozen=True)
class Shard:
    """A file of linked documents.

    Args:
        path: The input file, or the archive; of a group, its first file; a URI without keys.
        name: Of the output file: the input's name relative to what was given, with `.gz`; of a bundle's shard, its
            number in the bundle's folder.
        key: Hash of the input's identity and the run's fingerprint; names its parts.
        source: Name of the input, which tells a file's shard from a bundle's, whatever folder it is in.
    """

    path: str
    name: str
    key: str
    source: str


@dataclass(frozen=True)
class RunInput:
    """A source of a run.

    Args:
        source: What is read.
        name: Of a file's shard; of the folder of a bundle's shards.
        key: Hash of its identity and the run's fingerprint.
    """

    source: Source
    name: str
    key: str

    def shard(self, name: str | None = None) -> Shard:
        """Return one of its shards.

        Args:
            name: Of a bundle's shard, with its folder; None for a file's only one.
        """
        assert name is not None or not self.source.is_bundle, "a bundle has several shards"
        return Shard(without_secrets(self.source.path), name or self.name, self.key, self.source.name)

    def number_of(self, shard: str) -> int:
        """Return the number of one of its shards, which the name of a bundle's begins with; 0 for a file's only one."""
        return int(shard.rpartition("/")[2].partition(".")[0]) if self.source.is_bundle else 0

    def is_whole(self, shards: Mapping[str, Mapping[str, Any]]) -> bool:
        """Return whether some finished shards of it are all that there are; the last one's state says how many.

        Args:
            shards: Their states by their names.
        """
        last = [name for name, state in shards.items() if state["next"] is None]
        return len(shards) == (self.number_of(last[0]) + 1 if last else -1)


def find_inputs(patterns: Iterable[str], run_fingerprint: str, group: bool | None = False) -> list[RunInput]:
    """Return the inputs of a run, in order of their shards' names.

    Args:
        patterns: Files, directories and globs.
        run_fingerprint: Of what decides the run's output.
        group: Whether small files are read in groups; see `sources.find_sources`.

    Raises:
        ConfigError: Nothing matches, two input files would become one output file, or one would be written into the
            folder of an archive's shards.
    """
    inputs: dict[str, RunInput] = {}
    for source in find_sources(patterns, group):
        name = source.name if source.is_bundle else shard_name(source.name, file_format(source.path))
        if name in inputs:
            raise ConfigError(
                f"{inputs[name].source.path} and {source.path} would both be written to {name}: give a directory "
                "above both, or link them in two runs"
            )
        key = fingerprint({"input": source.version, "run": run_fingerprint})[:16]
        inputs[name] = RunInput(source, name, key)
    _refuse_among_shards(inputs)
    return sorted(inputs.values(), key=lambda item: item.name)


def _refuse_among_shards(inputs: Mapping[str, RunInput]) -> None:
    """Refuse an input that lies in a folder of an archive's name, which the archive's shards are written to."""
    for item in inputs.values():
        for folder in itertools.accumulate(item.name.split("/")[:-1], "{}/{}".format):
            if folder in inputs:
                raise ConfigError(
                    f"{item.source.path} would be written among the shards of {inputs[folder].source.path}, to "
                    f"{item.name}: give one of them another name, or link them in two runs"
                )
