"""A directory is one job's at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from raybel.errors import ConfigError, LockedError
from raybel.files import leases, storage
from raybel.files.leases import NAME, Lease, holder, owner


@contextlib.contextmanager
def lock(directory: str) -> Iterator[Lease | None]:
    """Hold a directory for one job. A local one that didn't exist is made, and deleted if the job writes nothing.

    Locally the kernel frees the lock when the process dies, however it dies. On an object store it is a lease
    (`leases`), which a job can lose while it works: what this process writes there is checked, and its workers get the
    lease, None for a local directory, to check it themselves.

    Raises:
        LockedError: Another job holds it.
        AccessError: The store can't be reached, or refuses.
    """
    if not storage.is_local(directory):
        with leases.hold(directory) as lease:
            yield lease
        return
    with _hold_file(directory):
        yield None


@contextlib.contextmanager
def _hold_file(directory: str) -> Iterator[None]:
    folder = Path(storage.resolve(directory)[1])
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    with _locked(folder, directory) as file:
        try:
            file.truncate(0)
            file.write(json.dumps(owner()))
            file.flush()
            yield
        finally:
            if new_folders and os.listdir(folder) == [NAME]:  # nothing came of the job
                os.unlink(folder / NAME)
                for path in new_folders:
                    with contextlib.suppress(OSError):  # another job has begun to use it
                        path.rmdir()


def _locked(folder: Path, directory: str) -> TextIO:
    """Open a directory's lock file and lock it; the directory is made."""
    path = folder / NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", errors="replace")  # noqa: SIM115  # open until the job's end
        except OSError as error:
            raise ConfigError(f"{directory}: can't be written: {error.strerror or error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            written = file.read()
            file.close()
            if isinstance(error, BlockingIOError):
                raise LockedError(f"{directory}: another job works on it{holder(written)}") from None
            raise ConfigError(f"{directory}: its file system has no locks: {error.strerror or error}") from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # a job that wrote nothing has just deleted it


def is_locked(directory: str) -> bool:
    """True while a job holds a directory."""
    if not storage.is_local(directory):
        return leases.is_held(directory)
    uri = storage.join(directory, NAME)
    if not storage.exists(uri):
        return False
    with open(storage.resolve(uri)[1]) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
