"""Model and index directories: `config.json` plus Arrow and npy files; no pickle.

`config.json` is written last and removed first, so that a directory which has one is whole.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import storage, things

CONFIG = "config.json"


def arrow_bytes(table: pa.Table) -> bytes:
    """Return a table as an uncompressed Arrow IPC file, which can be memory-mapped."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def array_bytes(array: np.ndarray) -> bytes:
    """Return an array as a .npy file."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return sink.getvalue()


def save(
    directory: str,
    kind: str,
    version: int,
    parameters: dict[str, Any],
    files: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Write a directory and return its fingerprint (32 hex digits, of its parameters and files).

    Args:
        directory: Path or URI; what an earlier artefact left there is removed.
        kind: What it is ("ngrams").
        version: Of the kind's format.
        parameters: JSON values.
        files: Content by name, or pairs, of which one at a time is in memory where they are made as they are asked for.
        facts: As for `seal`.
    """
    refuse_other(directory, kind)
    unseal(directory)
    pairs = files.items() if isinstance(files, Mapping) else files
    written = {}
    for name, data in pairs:
        written[name] = write_file(directory, name, data)
        del data  # before the next file's is made
    return seal(directory, kind, version, parameters, written, facts)


def refuse_other(directory: str, kind: str) -> None:
    """Refuse to write into a directory that holds something other.

    Raises:
        ConfigError: It has a `config.json` of another kind (another model of ours, or anybody's).
    """
    if storage.identity(storage.join(directory, CONFIG)) is not None and (other := kind_of(directory)) != kind:
        raise ConfigError(f"{directory} holds a model of another kind ({other}): choose another directory")


def kind_of(directory: str) -> str | None:
    """Return the kind that a directory's `config.json` gives, None where there is none or it is somebody else's."""
    where = storage.join(directory, CONFIG)
    config = storage.read_json(where) if storage.identity(where) is not None else None
    return config.get("kind") if isinstance(config, dict) else None


def unseal(directory: str) -> None:
    """Make a directory's content invalid, before it is written anew."""
    storage.delete(storage.join(directory, CONFIG))


def write_file(directory: str, name: str, data: bytes) -> tuple[int, str]:
    """Write one file of an artefact; return its size and SHA-256, which `seal` takes."""
    storage.publish(storage.join(directory, name), data)
    return len(data), hashlib.sha256(data).hexdigest()


def seal(
    directory: str,
    kind: str,
    version: int,
    parameters: dict[str, Any],
    written: dict[str, tuple[int, str]],
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Write `config.json`, which makes the directory valid; return the artefact's fingerprint.

    Args:
        directory: Of the artefact.
        kind: As for `save`.
        version: As for `save`.
        parameters: As for `save`.
        written: Size and SHA-256 of each file.
        facts: JSON values that are kept, but aren't part of the fingerprint, such as scores.
    """
    content = repr((kind, version, sorted(parameters.items()), sorted(written.items())))
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:32]
    sizes = {name: size for name, (size, _) in written.items()}
    config = {"kind": kind, "version": version, "fingerprint": fingerprint, "parameters": parameters, "files": sizes}
    storage.publish_json(storage.join(directory, CONFIG), {**(facts or {}), **config})
    return fingerprint


def describe(directory: str, kind: str, version: int) -> dict[str, Any]:
    """Return a directory's configuration without loading its files.

    Raises:
        InputError: There is no such directory, or it is incomplete.
        MismatchError: It holds another kind, or another version of its format.
    """
    things.expect(directory, kind)
    where = storage.join(directory, CONFIG)
    if storage.identity(where) is None:
        raise InputError(f"holds no {kind} model (no {CONFIG}); was its training interrupted?", path=directory)
    config: dict[str, Any] = storage.read_json(where)
    if not isinstance(config, dict):
        raise InputError(f"{CONFIG} isn't a model's: expected an object", path=directory)
    if config.get("kind") != kind:
        raise MismatchError(f"{directory} holds a {config.get('kind')!r} model, not a {kind!r} one")
    if config.get("version") != version:
        raise MismatchError(
            f"{directory} is in version {config.get('version')} of the {kind} format, this raybel reads {version}: "
            "train it again"
        )
    if not {"files", "fingerprint", "parameters"} <= config.keys():
        raise InputError(f"{CONFIG} is incomplete: train the model again", path=directory)
    check_sizes(directory, config["files"])
    return config


def check_sizes(directory: str, sizes: Mapping[str, int]) -> None:
    """Compare a directory's files with their sizes.

    Raises:
        InputError: One is missing, or of another size.
    """
    for name, size in sizes.items():
        file = storage.identity(storage.join(directory, name))
        if file is None or file.size != size:
            state = "is missing" if file is None else f"has {file.size} bytes in place of {size}"
            raise InputError(f"{name} {state}: train the model again", path=directory)


def load_arrow(path: Path) -> pa.Table:
    """Memory-map a table."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def load_array(path: Path) -> np.ndarray:
    """Memory-map an array, shared by the processes of a machine.

    Copy-on-write (`c`), since the sparse product takes no read-only arrays; nobody writes, so nothing is copied.
    """
    # As a plain array: a slice of `np.memmap` takes ten times as long.
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
