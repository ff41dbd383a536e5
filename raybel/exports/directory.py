"""The directory of an export: its description names the export's own files; whatever else lies there stays."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from typing import Any

from raybel.errors import ConfigError
from raybel.files import places, storage
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.files.writing import TEMPORARY

#: Says what was exported, which files it has, and whether it came to its end; hidden, so that no reader of corpora
#: takes it for one.
DESCRIPTION = ".raybel.json"
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}" + re.escape(TEMPORARY))


def fill_directory(
    uri: str, identity: dict[str, Any], names: Collection[str], overwrite: bool, write: Callable[[str], None]
) -> None:
    """Write an export's files, all anew, and delete those that an earlier export wrote and this one doesn't.

    A file is named in the description before it is written, until it is deleted: so a kill leaves none that the next
    export wouldn't know.

    Args:
        uri: The directory.
        identity: All that decides what the export writes, as JSON values.
        names: Of its files, relative to the directory.
        overwrite: Whether another export's files may go, and other files of these names.
        write: Writes the file at a path or URI.

    Raises:
        ConfigError: The directory holds something other, or another configuration's export and not `overwrite`; or one
            of the names is a file that no export wrote.
        LockedError: Another export works in the directory.
    """
    work = WorkDirectory(uri, "export", "an export", "--out", DESCRIPTION, outputs=())
    wanted = set(names)
    with work.lock():
        same = work.check(identity, overwrite) is not None
        earlier = {name for name in (work.read() or {}).get("files", ()) if isinstance(name, str)}
        if not overwrite:
            _refuse_others(uri, sorted(wanted - earlier))
        work.write_description(identity, files=sorted(earlier | wanted), finished=False)
        _delete_temporary(uri, earlier | wanted)
        for name in sorted(earlier - wanted if same else earlier):
            _delete(uri, name)
        for name in names:
            write(join(uri, name))
        work.write_description(identity, files=sorted(wanted), finished=True)


def _refuse_others(uri: str, names: Collection[str]) -> None:
    for name in names:
        if storage.identity(join(uri, name)) is not None:
            raise ConfigError(
                f"--out {uri}: {name} is there already, and isn't an export's: choose another --out, or --overwrite to "
                "replace it"
            )


def _delete(uri: str, name: str) -> None:
    """Delete a file, unless it lies elsewhere: behind a link, or since somebody else wrote the description."""
    path = join(uri, name)
    if storage.identity(path) is not None and places.lies_in(path, uri):
        storage.delete_file(path)


def _delete_temporary(uri: str, names: Collection[str]) -> None:
    """Delete what writers of some files that were killed left; there is nothing of that kind on an object store."""
    if not storage.is_local(uri):
        return
    for folder in {os.path.dirname(name) for name in names}:
        for entry in storage.entries(join(uri, folder) if folder else uri):
            found = _TEMPORARY.fullmatch(entry)
            if found and os.path.join(folder, found[1]) in names:
                _delete(uri, os.path.join(folder, entry))
