"""Files, directories and globs -> the files that are meant."""

from __future__ import annotations

import fnmatch
import glob
import logging
import os
from collections.abc import Iterable

from pyarrow import fs

from raybel.display import counted
from raybel.errors import ConfigError
from raybel.files import places, storage
from raybel.files.outages import patiently

#: Suffixes of raybel's own tables and ontologies, which may lie beside a corpus.
_OWN_SUFFIXES = (".arrow", ".parquet")
#: Files by which a run directory below a corpus is known: its files aren't input.
_RUN_FILES = ("manifest.json", "logs/plan.json")


_LOG = logging.getLogger(__name__)


def expand(patterns: Iterable[str], suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (file, its name relative to the directory that was given) for files, directories and globs, in order.

    A file that is given twice, by other paths too, is there once. A directory's files are taken by their suffix, in any
    case; how many others there are is logged as a warning. Hidden files (`.x`, `_x`), our own tables, and run
    directories below are passed over.

    Args:
        patterns: Paths or URIs.
        suffixes: In lower case.

    Raises:
        ConfigError: A pattern matches nothing, a directory holds no such file, or a name isn't UTF-8.
    """
    files: list[tuple[str, str]] = []

    def add(path: str, name: str) -> None:
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in path):
            raise ConfigError(f"{os.fsencode(path)!r}: a file's name must be UTF-8 text: rename it")
        files.append((path, name))

    for pattern in patterns:
        path = storage.resolve(pattern)[1]
        info = storage.info(pattern)
        if info.is_file:
            add(pattern, os.path.basename(path))
        elif info.type == fs.FileType.Directory:
            for name in _in_directory(pattern, suffixes):
                add(storage.join(pattern, name), name)
        elif info.type == fs.FileType.Unknown:
            raise ConfigError(f"{pattern}: is neither a file nor a directory (a pipe or a device?)")
        else:
            matches = _glob(pattern)
            if not matches:
                raise ConfigError(f"{pattern}: no such file or directory, and no file matches it as a glob")
            for match in matches:
                add(match, os.path.basename(storage.name_of(match)))
    once: dict[object, tuple[str, str]] = {}
    for file, key in zip(files, places.same_file_keys(path for path, _ in files), strict=True):
        once.setdefault(key, file)
    return list(once.values())


def _in_directory(directory: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the sorted names of a directory's files that are taken; of a file and links to it, the file's own."""
    every_name = storage.names(directory)
    if set(_RUN_FILES) <= set(every_name):
        raise ConfigError(
            f"{directory}: is a run directory; its linked documents are in {directory.rstrip('/')}/shards"
        )
    runs = _run_directories(every_name)
    visible = [name for name in every_name if not _hidden(name) and not name.startswith(runs)]
    taken = [name for name in visible if name.lower().endswith(suffixes)]
    left_out = [name for name in visible if not name.lower().endswith((*suffixes, *_OWN_SUFFIXES))]
    named = f"named *{', *'.join(suffixes)}"
    if not taken:
        others = f" ({_examples(left_out)})" if left_out else ""
        raise ConfigError(f"{directory}: the directory holds no file {named}{others}")
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        files = counted(len(left_out), "file")
        _LOG.warning(f"{directory}: {files} {verb} left out, not {named}: {_examples(left_out)}")
    if not storage.is_local(directory):
        return taken
    once = _each_once(storage.join(directory, name) for name in taken)
    return [name for name in taken if storage.join(directory, name) in once]


def _each_once(paths: Iterable[str]) -> set[str]:
    """Return local paths without those that lead to a file that another one leads to; links go first."""
    first: dict[object, str] = {}
    ordered = sorted(paths, key=lambda path: (os.path.islink(path), path))
    for path, key in zip(ordered, places.same_file_keys(ordered), strict=True):
        first.setdefault(key, path)
    return set(first.values())


def _examples(names: list[str]) -> str:
    shown = (os.fsencode(name).decode(errors="backslashreplace") for name in names[:3])  # not all are UTF-8
    return ", ".join(shown) + (", ..." if len(names) > 3 else "")


def _run_directories(names: list[str]) -> tuple[str, ...]:
    """Return the run directories among the folders that some names lie in, each with its slash."""
    known = set(names)
    ending = "/" + _RUN_FILES[0]
    folders = [name.removesuffix(_RUN_FILES[0]) for name in names if name.endswith(ending)]
    return tuple(folder for folder in folders if folder + _RUN_FILES[1] in known)


def _glob(pattern: str) -> list[str]:
    """Return the files that match a pattern; on an object store its stars match slashes too.

    Where links make a directory reachable in several ways, `**` passes through it once (see `storage.names`).
    """
    filesystem, path = storage.resolve(pattern)
    if isinstance(filesystem, fs.LocalFileSystem):
        matches = _recursive_glob(path) if "**" in path.split("/") else glob.glob(path)
        return sorted(_each_once(match for match in matches if os.path.isfile(match)))
    if "*" not in path:
        return []
    above = path[: path.index("*")].rpartition("/")[0]
    selector = fs.FileSelector(above, recursive=True, allow_not_found=True)
    infos = patiently(pattern, "listed", lambda: filesystem.get_file_info(selector))
    matched = sorted(info.path for info in infos if info.is_file and fnmatch.fnmatchcase(info.path, path))
    whole, mark, query = pattern.partition("?")
    scheme = whole[: whole.index(path)] if path in whole else whole.partition("://")[0] + "://"
    return [scheme + match + mark + query for match in matched]


def _recursive_glob(path: str) -> list[str]:
    """Return the local files that match a pattern with `**`; unlike `glob.glob`, links that loop are no danger."""
    parts = path.split("/")
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    above = "/".join(parts[:fixed]) or "/"
    return [storage.join(above, name) for name in storage.names(above) if _matches(name.split("/"), parts[fixed:])]


def _matches(names: list[str], parts: list[str]) -> bool:
    """True if a path's names match a pattern's parts; as in a shell, only a part with a dot matches a hidden name."""
    if not parts or not names:
        return not names and all(part == "**" for part in parts)
    dot = names[0].startswith(".")
    if parts[0] == "**":
        return _matches(names, parts[1:]) or (not dot and _matches(names[1:], parts))
    hidden = dot and not parts[0].startswith(".")
    return not hidden and fnmatch.fnmatchcase(names[0], parts[0]) and _matches(names[1:], parts[1:])


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))
