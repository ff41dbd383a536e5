"""Fetching corpora and vocabularies from where they are distributed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from raybel.errors import ConfigError
from raybel.prepare.download import Watch, download
from raybel.prepare.sources import SOURCES, Source
from raybel.prepare.unpack import unpack

#: Stands beside the files of an archive that is unpacked.
DONE = ".unpacked"


@dataclass(frozen=True)
class Fetched:
    """A source that is there: its name, directory, and files with their bytes."""

    name: str
    directory: Path
    files: tuple[tuple[str, int], ...]


def fetch(
    names: tuple[str, ...],
    out_dir: str,
    watch: Watch | None = None,
    say: Callable[[str], None] = lambda line: None,
    sources: Mapping[str, Source] = SOURCES,
) -> list[Fetched]:
    """Fetch sources into a directory each; what is there stays.

    Args:
        names: Of `SOURCES`, or `all`.
        out_dir: A local directory.
        watch: Called as a file grows; see `download`.
        say: Gets a line when a file begins.
        sources: What there is.

    Raises:
        ConfigError: No such source, or the directory isn't local.
        InputError: A file can't be fetched or unpacked; those before it stay.
    """
    if "://" in out_dir:
        raise ConfigError(f"{out_dir}: sources are fetched into a local directory")
    wanted = tuple(sources) if "all" in names else tuple(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in sources]:
        raise ConfigError(f"no such source: {', '.join(unknown)}; there are {', '.join(sources)}, umls, all")
    done = []
    for name in wanted:
        directory = Path(out_dir) / name
        held: list[tuple[str, int]] = []
        for remote in sources[name].files:
            path = directory / remote.name
            say(f"{name}: {remote.url}")
            download(remote.url, path, remote.sha256, watch)
            held.append((remote.name, path.stat().st_size))
            mark = directory / f"{remote.name}{DONE}"
            if remote.unpack and not mark.exists():
                mark.write_text("\n".join(unpack(path, directory)) + "\n")
        done.append(Fetched(name, directory, tuple(held)))
    return done
