"""What of a corpus is read as one stream: a file, an archive, or a group of small files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raybel.corpus.formats.registry import CORPUS_SUFFIXES, format_named
from raybel.errors import ConfigError
from raybel.files import kinds, storage, things
from raybel.files.fingerprints import fingerprint
from raybel.files.patterns import expand

#: The suffixes of archives, in lower case.
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip")
#: A file of at most so many stored bytes is small: a hundred abstracts, or one full text.
SMALL_FILE_BYTES = 64 << 10
#: More small files than this are read in groups, since each source costs a task and five files of output.
SINGLE_SMALL_FILES = 1_000
#: A group ends at so many files, or so many stored bytes.
GROUP_FILES, GROUP_BYTES = 1_000, 16 << 20


@dataclass(frozen=True)
class Source:
    """What is read as one stream, in one task.

    Args:
        path: Path or URI of the file or the archive; of a group's first file.
        name: Of the file or the archive, relative to the directory that was given; `group-00000` for a group. No other
            source lies in a folder of a group's name.
        size: Stored bytes.
        version: Hash of what tells one version of its files from another without reading them.
        files: (Path or URI, name) of each file of a group; none for a file or an archive.
    """

    path: str
    name: str
    size: int = 0
    version: str = ""
    files: tuple[tuple[str, str], ...] = ()

    @property
    def is_archive(self) -> bool:
        """True for an archive, by its name."""
        return is_archive_name(self.path)

    @property
    def is_bundle(self) -> bool:
        """True if it holds any number of files, whose documents are written to a folder of shards."""
        return bool(self.files) or self.is_archive


def is_group_name(name: str) -> bool:
    """True if a name is one that groups get."""
    return re.fullmatch(r"group-[0-9]{5,}", name) is not None


def is_archive_name(uri: str) -> bool:
    """True if a name, in any case, is an archive's."""
    return storage.name_of(uri).lower().endswith(ARCHIVE_SUFFIXES)


def version_of(file: storage.FileIdentity) -> str:
    """Return the version of a source that is this file."""
    return fingerprint({"size": file.size, "mtime_ns": file.mtime_ns})


def corpus_files(patterns: Iterable[str]) -> list[tuple[str, str]]:
    """Return (file, its name relative to the directory that was given) for files, directories and globs, in order.

    Each file, archives too, is there once, by whatever paths it was given. That files of a directory are left out,
    since their names don't end in a suffix of a corpus format or an archive, is logged as a warning.

    Raises:
        ConfigError: A pattern matches nothing, or a directory holds no file of a corpus format.
    """
    patterns = list(patterns)
    for pattern in patterns:
        if storage.identity(pattern) is None or storage.name_of(pattern).endswith(tuple(kinds.BY_SUFFIX)):
            things.expect(pattern, "corpus", "data", "link run")
    return expand(patterns, (*CORPUS_SUFFIXES, *ARCHIVE_SUFFIXES))


def find_sources(patterns: Iterable[str], group: bool | None = False) -> list[Source]:
    """Return what is read of files, directories and globs, in order of its names.

    Args:
        patterns: Paths or URIs.
        group: Whether small files are read in groups: runs of them in order of their names, whose names say one format
            of shards. None: where there are more than `SINGLE_SMALL_FILES` of them.

    Raises:
        ConfigError: As `corpus_files`, or two inputs have one name.
    """
    sources: dict[str, Source] = {}
    for path, name in corpus_files(patterns):
        if name in sources:
            raise ConfigError(
                f"{sources[name].path} and {path} would both be written as {name}: give a directory above both, "
                "or link them in two runs"
            )
        file = storage.identity(path) or storage.FileIdentity(0, 0)
        sources[name] = Source(path, name, file.size, version_of(file))
    ordered = [sources[name] for name in sorted(sources)]
    if group is False:
        return ordered
    formats = list(map(_small_files_format, ordered))
    small = len(formats) - formats.count(None)
    return _grouped(ordered, formats) if group or small > SINGLE_SMALL_FILES else ordered


def _small_files_format(source: Source) -> str | None:
    """Return the format of the shards that a small file goes into; None for what isn't read in groups."""
    if source.size > SMALL_FILE_BYTES or source.is_archive:
        return None
    named = format_named(source.path)
    return None if named is None else named.shard_format.name


def _grouped(sources: Sequence[Source], formats: Sequence[str | None]) -> list[Source]:
    """Return the sources with runs of small files, which have a format, as groups; a run is cut where it is full.

    Groups are numbered; a name that another source, or the folder that it lies in, has already is left out.
    """
    grouped: list[Source] = []
    taken = {source.name.partition("/")[0] for source, named in zip(sources, formats, strict=True) if named is None}
    names = (name for number in itertools.count() if (name := f"group-{number:05d}") not in taken)
    run: list[Source] = []
    run_format: str | None = None
    size = 0

    def close() -> None:
        nonlocal size
        if run:
            files = tuple((source.path, source.name) for source in run)
            version = fingerprint({source.name: source.version for source in run})
            grouped.append(Source(run[0].path, next(names), size, version, files))
            size = 0
        run.clear()

    for source, named in zip(sources, formats, strict=True):
        full = len(run) == GROUP_FILES or size + source.size > GROUP_BYTES
        if full or named != run_format:
            close()
        run_format = named
        if named is None:
            grouped.append(source)
        else:
            run.append(source)
            size += source.size
    close()
    return grouped


def corpus_bytes(files: Iterable[tuple[str, str]]) -> int:
    """Return the stored size of the files of a corpus, as `corpus_files` gives them; a file that is gone counts 0."""
    identities = (storage.identity(path) for path, _ in files)
    return sum(identity.size for identity in identities if identity is not None)


def corpus_digests(corpora: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the hashes of each corpus's files by the corpus's name; a corpus without files is left out.

    Args:
        corpora: The files, directories and globs of each corpus by its name.
    """
    return {
        name: [storage.size_and_digest(path)[1] for path, _ in corpus_files(paths)]
        for name, paths in corpora.items()
        if paths
    }
