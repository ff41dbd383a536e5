"""What lies below a local directory, whatever links there are."""

from __future__ import annotations

import logging
import os

from raybel.display import counted
from raybel.errors import ConfigError

_LOG = logging.getLogger(__name__)


def local_names(path: str) -> list[str]:
    """Return the sorted relative paths of all files below a directory, as `storage.names` says.

    Raises:
        ConfigError: A directory can't be listed.
    """
    if not os.path.exists(path):
        return []
    found, seen, broken = [], set(), []
    waiting, linked = [path], list[str]()
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:  # another process has just deleted it
            continue
        except OSError as error:
            raise ConfigError(f"{folder}: can't be listed: {error.strerror or error}") from error
        below = folder.rstrip("/").removeprefix(path.rstrip("/")).lstrip("/")
        for entry in inside:
            link = entry.is_symlink()
            if os.path.isdir(entry.path) if link else entry.is_dir():
                (linked if link else waiting).append(entry.path)
            elif os.path.isfile(entry.path) if link else entry.is_file():
                found.append(os.path.join(below, entry.name))
            elif link:
                broken.append(os.path.join(below, entry.name))
    if broken:
        _LOG.warning(f"{path}: {counted(len(broken), 'link')} to no file, such as {min(broken)}: passed over")
    return sorted(found)
