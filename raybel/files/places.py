"""Which paths lead to the same file, and which lie in a directory: by symbolic links, `..`, other mounts."""

from __future__ import annotations

import os
from pathlib import Path

from raybel.files import storage


def same_file_key(uri: str) -> object:
    """Return what tells whether two paths lead to one file: by symbolic links, `..`, a second mount.

    Hard links are files of their own. Of an object store, the URI itself.
    """
    if not storage.is_local(uri):
        return uri
    path = os.path.realpath(storage.resolve(uri)[1])
    status = os.stat(path)
    return (status.st_dev, status.st_ino) if status.st_nlink == 1 else path


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
