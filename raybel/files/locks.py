"""A directory is one job's at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from raybel.errors import ConfigError, LockedError
from raybel.files import storage

#: Age in seconds after which an object store's lock, which nobody renews any more, counts as abandoned.
LEASE_SECONDS = 60.0
#: Time in which the leases of two jobs that start at once are told apart.
SETTLE_SECONDS = 1.0
_NAME = ".lock"


@contextlib.contextmanager
def lock(directory: str) -> Iterator[None]:
    """Hold a directory for one job. A local one that didn't exist is made, and deleted if the job writes nothing.

    Locally the kernel frees the lock when the process dies, however it dies. On an object store it is a lease, renewed
    in the background, which counts as abandoned when it wasn't renewed for a minute.

    Raises:
        LockedError: Another job holds it.
    """
    holder = _hold_file(directory) if storage.is_local(directory) else _hold_lease(directory)
    with holder:
        yield


def _owner() -> dict[str, Any]:
    return {"host": os.uname().nodename, "pid": os.getpid(), "id": uuid.uuid4().hex}


def _holder(owner: str) -> str:
    """Return who holds a lock, for people; nothing where it is just being written."""
    try:
        process = json.loads(owner)
        return f" (host {process['host']}, pid {process['pid']})"
    except ValueError:
        return ""


@contextlib.contextmanager
def _hold_file(directory: str) -> Iterator[None]:
    folder = Path(storage.resolve(directory)[1])
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    with _locked(folder, directory) as file:
        try:
            file.truncate(0)
            file.write(json.dumps(_owner()))
            file.flush()
            yield
        finally:
            if new_folders and os.listdir(folder) == [_NAME]:  # nothing came of the job
                os.unlink(folder / _NAME)
                for path in new_folders:
                    with contextlib.suppress(OSError):  # another job has begun to use it
                        path.rmdir()


def _locked(folder: Path, directory: str) -> TextIO:
    """Open a directory's lock file and lock it; the directory is made."""
    path = folder / _NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+")  # noqa: SIM115  # open until the job's end
        except OSError as error:
            raise ConfigError(f"{directory}: can't be written: {error.strerror or error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read()
            file.close()
            if isinstance(error, BlockingIOError):
                raise LockedError(f"{directory}: another job works on it{_holder(owner)}") from None
            raise ConfigError(f"{directory}: its file system has no locks: {error.strerror or error}") from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # a job that wrote nothing has just deleted it


@contextlib.contextmanager
def _hold_lease(directory: str) -> Iterator[None]:
    uri, owner = storage.join(directory, _NAME), _owner()
    if storage.exists(uri):
        lease = storage.read_json(uri)
        if time.time() - lease["time"] < LEASE_SECONDS:
            raise LockedError(
                f"{directory}: another job works on it (host {lease['host']}, pid {lease['pid']}), or was killed less "
                f"than {LEASE_SECONDS:.0f} seconds ago"
            )
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(LEASE_SECONDS / 6):
            storage.publish_json(uri, {**owner, "time": time.time()})

    storage.publish_json(uri, {**owner, "time": time.time()})
    time.sleep(SETTLE_SECONDS)  # of two that start at once, the later one's lease stands
    if storage.read_json(uri)["id"] != owner["id"]:
        raise LockedError(f"{directory}: another job began to work on it at the same moment")
    thread = threading.Thread(target=renew, name="raybel lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if storage.exists(uri) and storage.read_json(uri)["id"] == owner["id"]:
            storage.delete(uri)


def is_locked(directory: str) -> bool:
    """True while a job holds a directory."""
    uri = storage.join(directory, _NAME)
    if not storage.exists(uri):
        return False
    if not storage.is_local(directory):
        return bool(time.time() - storage.read_json(uri)["time"] < LEASE_SECONDS)
    with open(storage.resolve(uri)[1]) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
