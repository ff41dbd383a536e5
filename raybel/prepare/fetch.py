"""Fetching corpora and vocabularies from where they are distributed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from raybel.errors import ConfigError, InputError
from raybel.prepare.download import OnProgress, download, read_state
from raybel.prepare.sources import DOWNLOADS, Download
from raybel.prepare.unpack import unpack

#: Ends the name of the file that says which archive was unpacked, and into which files.
UNPACKED_SUFFIX = ".unpacked"


@dataclass(frozen=True)
class FetchResult:
    """The outcome of a download.

    Args:
        name: Its key in `DOWNLOADS`.
        directory: Where its files are.
        files: (file name, bytes) of each file that is there.
        problem: Why others are missing; None if none is.
    """

    name: str
    directory: Path
    files: tuple[tuple[str, int], ...]
    problem: InputError | None = None


def fetch(
    names: tuple[str, ...],
    out_dir: str,
    on_progress: OnProgress | None = None,
    say: Callable[[str], None] = lambda line: None,
    downloads: Mapping[str, Download] = DOWNLOADS,
) -> Iterator[FetchResult]:
    """Fetch corpora and vocabularies into a directory each; yield each result as it is known. Present files stay.

    One that can't be fetched or unpacked is yielded with its `problem`, and the next one is fetched.

    Args:
        names: Keys of `downloads`, or `all`.
        out_dir: A local directory.
        on_progress: Called as a file grows; see `download`.
        say: Gets a line when a file begins.
        downloads: What can be fetched, by name.

    Raises:
        ConfigError: An unknown name, or a directory that isn't local.
    """
    if "://" in out_dir:
        raise ConfigError(f"{out_dir}: downloads need a local directory")
    wanted = tuple(downloads) if "all" in names else tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in downloads]:
        raise ConfigError(f"can't fetch {', '.join(unknown)}: there are {', '.join(downloads)}, umls, all")
    return (_fetch_files(name, downloads[name], Path(out_dir) / name, on_progress, say) for name in wanted)


def _fetch_files(
    name: str, wanted: Download, directory: Path, on_progress: OnProgress | None, say: Callable[[str], None]
) -> FetchResult:
    files: list[tuple[str, int]] = []
    for remote in wanted.files:
        path = directory / remote.name
        say(f"{name}: {remote.url}")
        try:
            download(remote.url, path, remote.digest, on_progress)
            if remote.unpack:
                _unpack_once(path)
        except InputError as error:
            return FetchResult(name, directory, tuple(files), error)  # without one of its files the others are useless
        files.append((remote.name, path.stat().st_size))
    return FetchResult(name, directory, tuple(files))


def _unpack_once(archive: Path) -> None:
    """Unpack an archive beside itself, unless this very file was unpacked before and all its files are still there."""
    state_path = archive.with_name(archive.name + UNPACKED_SUFFIX)
    status = archive.stat()
    identity = {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    state = read_state(state_path)
    present = all((archive.parent / name).is_file() for name in state.get("files", ()))
    if present and {key: state.get(key) for key in identity} == identity:
        return
    state_path.write_text(json.dumps(identity | {"files": unpack(archive, archive.parent)}, indent=2) + "\n")
