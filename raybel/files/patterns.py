"""Files, directories and globs -> the files that are meant."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable

from pyarrow import fs

from raybel.errors import ConfigError
from raybel.files import storage


def expand(patterns: Iterable[str], suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (file, its name relative to the directory that was given) for files, directories and globs, in order.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    files: dict[str, str] = {}
    for pattern in patterns:
        filesystem, path = storage.resolve(pattern)
        info = filesystem.get_file_info(path)
        if info.is_file:
            files.setdefault(pattern, os.path.basename(path))
        elif info.type == fs.FileType.Directory:
            inside = [name for name in storage.names(pattern) if name.endswith(suffixes) and not _hidden(name)]
            if not inside:
                raise ConfigError(f"{pattern}: the directory holds no file named *{', *'.join(suffixes)}")
            for name in inside:
                files.setdefault(storage.join(pattern, name), name)
        else:
            matches = _glob(pattern)
            if not matches:
                raise ConfigError(f"{pattern}: no such file or directory, and no file matches it as a glob")
            for match in matches:
                files.setdefault(match, os.path.basename(storage.name_of(match)))
    return list(files.items())


def _glob(pattern: str) -> list[str]:
    """Return the files that match a pattern; on an object store its stars match slashes too."""
    filesystem, path = storage.resolve(pattern)
    if isinstance(filesystem, fs.LocalFileSystem):
        return [match for match in sorted(glob.glob(path, recursive=True)) if os.path.isfile(match)]
    if "*" not in path:
        return []
    above = path[: path.index("*")].rpartition("/")[0]
    infos = filesystem.get_file_info(fs.FileSelector(above, recursive=True, allow_not_found=True))
    matched = sorted(info.path for info in infos if info.is_file and fnmatch.fnmatchcase(info.path, path))
    whole, mark, query = pattern.partition("?")
    scheme = whole[: whole.index(path)] if path in whole else whole.partition("://")[0] + "://"
    return [scheme + match + mark + query for match in matched]


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))
