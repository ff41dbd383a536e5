"""A run directory is one job's at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

from raybel import storage
from raybel.errors import ConfigError, LockedError

#: Age in seconds after which an object store's lock, which nobody renews any more, counts as abandoned.
LEASE_SECONDS = 60.0


@contextlib.contextmanager
def lock(directory: str) -> Iterator[Any]:
    """Hold a run directory for one job; yields a function that renews the hold (call it every few seconds).

    Locally the kernel frees the lock when the process dies, however it dies. On an object store it is a lease, which
    counts as abandoned when it wasn't renewed for a minute.

    Raises:
        LockedError: Another job holds it.
    """
    uri = storage.join(directory, ".lock")
    owner = {"host": os.uname().nodename, "pid": os.getpid(), "id": uuid.uuid4().hex}
    if storage.is_local(directory):
        path = storage.resolve(uri)[1]
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
                raise LockedError(f"{directory}: another job works on it ({file.read().strip()})") from None
            file.truncate(0)
            file.write(json.dumps(owner))
            file.flush()
            yield lambda: None
        return
    if storage.exists(uri):
        held = storage.read_json(uri)
        if time.time() - held["time"] < LEASE_SECONDS:
            raise LockedError(f"{directory}: another job works on it (host {held['host']}, pid {held['pid']})")
    renewed = 0.0

    def renew() -> None:
        nonlocal renewed
        if time.time() - renewed > LEASE_SECONDS / 6:
            renewed = time.time()
            storage.publish_json(uri, {**owner, "time": renewed})

    renew()
    try:
        yield renew
    finally:
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
