"""A run directory is one job's at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from raybel.errors import ConfigError, LockedError
from raybel.files import storage

#: Age in seconds after which an object store's lock, which nobody renews any more, counts as abandoned.
LEASE_SECONDS = 60.0
#: Time in which the leases of two jobs that start at once are told apart.
SETTLE_SECONDS = 1.0


@contextlib.contextmanager
def lock(directory: str) -> Iterator[None]:
    """Hold a run directory for one job.

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


def _told(owner: str) -> str:
    """Who holds a lock, for people; nothing where it is just being written."""
    try:
        found = json.loads(owner)
        return f" (host {found['host']}, pid {found['pid']})"
    except ValueError:
        return ""


@contextlib.contextmanager
def _hold_file(directory: str) -> Iterator[None]:
    path = storage.resolve(storage.join(directory, ".lock"))[1]
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115  # open until the job's end
    except OSError as error:
        raise ConfigError(f"{directory}: can't be written: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(f"{directory}: another job works on it{_told(file.read())}") from None
        except OSError as error:
            raise ConfigError(f"{directory}: its file system has no locks: {error.strerror or error}") from error
        file.truncate(0)
        file.write(json.dumps(_owner()))
        file.flush()
        yield


@contextlib.contextmanager
def _hold_lease(directory: str) -> Iterator[None]:
    uri, owner = storage.join(directory, ".lock"), _owner()
    if storage.exists(uri):
        found = storage.read_json(uri)
        if time.time() - found["time"] < LEASE_SECONDS:
            raise LockedError(
                f"{directory}: another job works on it (host {found['host']}, pid {found['pid']}), or was killed less "
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


def held(directory: str) -> bool:
    """True while a job holds a directory."""
    uri = storage.join(directory, ".lock")
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
