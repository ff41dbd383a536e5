"""Run directories that a job refuses before it starts."""

from __future__ import annotations

import os
from collections.abc import Iterable

from raybel.errors import ConfigError, without_secrets
from raybel.files import places, storage
from raybel.runs.inputs import RunInput

#: The longest that is added to a shard's name in a file's: of its table, while that is written.
_ADDED = len(f".{'.parquet'}.{'0' * 8}.tmp")
#: Bytes of a file's name, where the file system doesn't say.
_NAME_BYTES = 255


def refuse_output_among_input(in_corpus: Iterable[str], out_corpus: str) -> None:
    """Refuse a run directory that lies in a directory of the input.

    Raises:
        ConfigError: It does: the next start would take its shards for input.
    """
    for pattern in in_corpus:
        if places.lies_in(out_corpus, pattern):
            raise ConfigError(
                f"the run directory {out_corpus} lies inside the input {pattern}: the next start would take its "
                "shards for input; choose another --out-corpus"
            )


def refuse_output_as_input(out_corpus: str, inputs: Iterable[RunInput]) -> None:
    """Refuse input files that lie in the run directory, by whatever glob or link they were found.

    Raises:
        ConfigError: One does.
    """
    if not storage.exists(out_corpus):
        return
    for path in {item.source.path.rpartition("/")[0]: item.source.path for item in inputs}.values():
        if places.lies_in(path, out_corpus):
            raise ConfigError(
                f"the input file {path} lies inside the run directory {out_corpus}: give input that leaves it "
                "out, or choose another --out-corpus"
            )


def refuse_long_names(out_corpus: str, inputs: Iterable[RunInput]) -> None:
    """Refuse inputs whose shards' names would be too long for the file system of a local run directory.

    Raises:
        ConfigError: One would be.
    """
    if not storage.is_local(out_corpus):
        return
    place = os.path.abspath(os.path.expanduser(out_corpus))
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    most = os.pathconf(place, "PC_NAME_MAX") if "PC_NAME_MAX" in os.pathconf_names else _NAME_BYTES
    for item in inputs:
        longest = max(item.name.split("/"), key=lambda part: len(os.fsencode(part)))
        if len(os.fsencode(longest)) + _ADDED > most:
            raise ConfigError(
                f"{without_secrets(item.source.path)}: its name is too long for the run directory {out_corpus}, whose "
                f"file system takes {most} bytes, {_ADDED} of them for what raybel adds: give it a shorter "
                "name, or write to an object store"
            )
