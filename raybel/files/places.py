"""Which paths lead to the same file, and which lie in a directory: by symbolic links, `..`, other mounts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from raybel.files import storage


def same_file_keys(uris: Iterable[str]) -> Iterator[object]:
    """Yield for each path what tells whether two lead to one file: by symbolic links, `..`, a second mount.

    Hard links are files of their own. Of an object store, it is the URI itself. A folder's links are followed once for
    all its files, of which there may be 100,000s.
    """
    folders: dict[str, str] = {}
    for uri in uris:
        if not storage.is_local(uri):
            yield uri
            continue
        folder, name = os.path.split(storage.absolute(uri))
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        path = os.path.join(folders[folder], name)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(path)
            status = os.stat(path)
        yield (status.st_dev, status.st_ino) if status.st_nlink == 1 else path


def lies_in(uri: str, directory: str) -> bool:
    """True if a path is a directory or lies below it, by whatever links or mounts; neither need be there."""
    if storage.is_local(uri) != storage.is_local(directory):
        return False
    if not storage.is_local(uri):
        return (storage.name_of(uri).rstrip("/") + "/").startswith(storage.name_of(directory).rstrip("/") + "/")
    inner, outer = (Path(os.path.realpath(storage.resolve(place)[1])) for place in (uri, directory))
    if inner.is_relative_to(outer):
        return True
    return outer.exists() and any(above.exists() and above.samefile(outer) for above in (inner, *inner.parents))
