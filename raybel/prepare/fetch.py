"""Fetching corpora and vocabularies from where they are distributed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from raybel.errors import ConfigError, InputError
from raybel.prepare.download import Watch, download, read_json
from raybel.prepare.sources import SOURCES, Source
from raybel.prepare.unpack import unpack

#: Ends the name of the file that says which archive was unpacked, and into which files.
DONE = ".unpacked"


@dataclass(frozen=True)
class Fetched:
    """A source: its name, directory, the files that are there with their bytes, and what kept the others away."""

    name: str
    directory: Path
    files: tuple[tuple[str, int], ...]
    problem: InputError | None = None


def fetch(
    names: tuple[str, ...],
    out_dir: str,
    watch: Watch | None = None,
    say: Callable[[str], None] = lambda line: None,
    sources: Mapping[str, Source] = SOURCES,
) -> Iterator[Fetched]:
    """Fetch sources into a directory each, and yield each one then; what is there stays.

    One that can't be had, or unpacked, comes with its `problem`, and the next is fetched.

    Args:
        names: Of `SOURCES`, or `all`.
        out_dir: A local directory.
        watch: Called as a file grows; see `download`.
        say: Gets a line when a file begins.
        sources: What there is.

    Raises:
        ConfigError: No such source, or the directory isn't local.
    """
    if "://" in out_dir:
        raise ConfigError(f"{out_dir}: sources are fetched into a local directory")
    wanted = tuple(sources) if "all" in names else tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in sources]:
        raise ConfigError(f"no such source: {', '.join(unknown)}; there are {', '.join(sources)}, umls, all")
    return (_fetched(name, sources[name], Path(out_dir) / name, watch, say) for name in wanted)


def _fetched(name: str, source: Source, directory: Path, watch: Watch | None, say: Callable[[str], None]) -> Fetched:
    held: list[tuple[str, int]] = []
    for remote in source.files:
        path = directory / remote.name
        say(f"{name}: {remote.url}")
        try:
            download(remote.url, path, remote.digest, watch)
            if remote.unpack:
                _unpack_once(path)
        except InputError as error:
            return Fetched(name, directory, tuple(held), error)  # a source is of no use without one of its files
        held.append((remote.name, path.stat().st_size))
    return Fetched(name, directory, tuple(held))


def _unpack_once(archive: Path) -> None:
    """Unpack an archive beside itself, unless this very file was already and all its files are still there."""
    mark = archive.with_name(archive.name + DONE)
    found = archive.stat()
    this = {"bytes": found.st_size, "modified_ns": found.st_mtime_ns}
    before = read_json(mark)
    present = all((archive.parent / name).is_file() for name in before.get("files", ()))
    if present and {key: before.get(key) for key in this} == this:
        return
    mark.write_text(json.dumps(this | {"files": unpack(archive, archive.parent)}, indent=2) + "\n")
