"""A directory on an object store is one job's at a time: a lease in it, which the job renews as long as it works.

Who finds a lease that nobody renews any more may take it. How old it is, the store's own clock says on S3; elsewhere it
is watched whether it changes: hosts' clocks differ. On S3 a lease is written only in place of what was read before, so
that two jobs can't both take it; elsewhere, and where a store knows no conditions, of two that start at once the later
one's lease stands. A job that can't renew its lease, or finds another's id in it, stops before it changes anything
more: each change of the directory by this process asks `Lease.check` first (`guards`), and its workers ask it
themselves.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from raybel.display import duration
from raybel.errors import AccessError, ConfigError, LockedError, without_secrets
from raybel.files import guards, s3, storage
from raybel.files.outages import in_short, passes, patience, patiently, pauses, seconds_of_patience

_LOG = logging.getLogger(__name__)
NAME = ".lock"
#: Age in seconds after which a lease that nobody renews any more counts as abandoned.
LEASE_SECONDS = 60.0
#: A lease is renewed, and looked at, so many times while it lasts.
RENEWALS = 6
#: Time in which the leases of two jobs that start at once are told apart.
SETTLE_SECONDS = 1.0
#: How long the end of a job tries to give its lease back; else the next one waits until it is abandoned.
RELEASE_SECONDS = 10.0


def owner() -> dict[str, Any]:
    """Return what a lock says of the process that holds it."""
    return {"host": os.uname().nodename, "pid": os.getpid(), "id": uuid.uuid4().hex}


def holder(lock: str | bytes) -> str:
    """Return who holds a lock, for people; nothing where it is just being written, or isn't one."""
    try:
        process = json.loads(lock)
        return f" (host {process['host']}, pid {process['pid']})"
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _id_of(lock: bytes) -> str | None:
    try:
        value = json.loads(lock)
    except (ValueError, RecursionError):
        return None
    return value.get("id") if isinstance(value, dict) else None


@dataclass
class Lease:
    """A job's lease of a directory; a worker that gets a copy of it can ask whether the job still has it.

    Args:
        directory: URI.
        owner: Host, process and id of the job.
    """

    directory: str
    owner: dict[str, Any]
    _tag: str | None = field(default=None, repr=False)
    _renewals: int = field(default=0, repr=False)
    _confirmed: float = field(default_factory=time.monotonic, repr=False)
    _lost: str = field(default="", repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def uri(self) -> str:
        """Where the lease lies."""
        return storage.join(self.directory, NAME)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.directory, self.owner, None, 0, float("-inf"))  # a worker looks for itself

    def check(self, now: bool = False) -> None:
        """Return if the job has the directory, as far as is known; wait while the store can't say.

        Args:
            now: Whether the lease is looked at in any case; else only if it wasn't for a sixth of its time.

        Raises:
            LockedError: Another job has it, or may have it since the lease couldn't be renewed.
            AccessError: The store couldn't say for as long as `seconds_of_patience`.
        """
        if self._thread is threading.current_thread():
            return
        while self._thread and not self._lost and time.monotonic() - self._confirmed > LEASE_SECONDS:
            time.sleep(min(0.1, LEASE_SECONDS / 10))  # the renewing thread finds out
        if self._lost:
            raise LockedError(self._lost)
        if now or not (self._thread or time.monotonic() - self._confirmed < LEASE_SECONDS / RENEWALS):
            self._look()

    def _look(self) -> None:
        """See whose the lease is; a refusal (credentials that are being replaced) is no answer for a lease's time."""
        begun = time.monotonic()
        for pause in pauses():
            try:
                found = storage.find_bytes(self.uri)
                break
            except AccessError:
                if time.monotonic() - begun + pause > LEASE_SECONDS:
                    raise
                time.sleep(pause)
        if found is None or _id_of(found) != self.owner["id"]:
            self._lose(f"another job works on it now{holder(found or b'')}" if found else "its lock was deleted")
            raise LockedError(self._lost)
        if not self._thread:
            self._confirmed = time.monotonic()

    def _lose(self, reason: str) -> None:
        self._lost = f"{without_secrets(self.directory)}: {reason}; this job wrote nothing more"

    def _content(self) -> bytes:
        self._renewals += 1  # so that each renewal changes the lease
        return json.dumps({**self.owner, "renewals": self._renewals}).encode()

    def _write(self, found: _Found | None) -> None:
        """Write the lease in place of what was found, None for nothing.

        Raises:
            FileExistsError: It is something other by now.
            FileNotFoundError: It is deleted.
        """
        if not s3.is_s3(self.uri):
            storage.publish(self.uri, self._content())
            return
        try:
            self._tag = s3.put(self.uri, self._content(), tag=found.tag if found else None, new=found is None)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as error:
            if "HTTP status 501" not in str(error) and "NotImplemented" not in str(error):
                raise
            self._tag = s3.put(self.uri, self._content())  # a store without conditions

    def take(self) -> None:
        """Take the lease.

        Raises:
            LockedError: Another job has it.
            AccessError: The store can't be reached, or refuses.
        """
        shown = without_secrets(self.directory)
        found = _find(self.uri)
        if found is not None and not _is_abandoned(self.uri, found):
            raise LockedError(
                f"{shown}: another job works on it{holder(found.data)}, or was killed less than "
                f"{LEASE_SECONDS:.0f} seconds ago"
            )
        self._confirmed = time.monotonic()
        try:
            patiently(self.uri, "written", lambda: self._write_or_find_written(found))
        except FileNotFoundError as error:
            raise ConfigError(f"{shown}: can't be written: {in_short(error)}") from error
        except AccessError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
            raise LockedError(f"{shown}: another job began to work on it at the same moment") from None
        time.sleep(SETTLE_SECONDS)
        after = _find(self.uri)
        if after is None or _id_of(after.data) != self.owner["id"]:
            raise LockedError(f"{shown}: another job began to work on it at the same moment")

    def _write_or_find_written(self, found: _Found | None) -> None:
        try:
            self._write(found)
        except (FileExistsError, FileNotFoundError):
            written = s3.get(self.uri)  # by an earlier try whose answer got lost?
            if _id_of(written.data) != self.owner["id"]:
                raise FileExistsError(17, "the lease is another's") from None
            self._tag = written.tag

    def renew(self, stop: threading.Event) -> None:
        """Renew the lease until an event is set, or it is lost; a failure is tried again, sooner and then later."""
        first: OSError | AccessError | None = None
        waits, wait = pauses(), LEASE_SECONDS / RENEWALS
        while not stop.wait(wait):
            begun = time.monotonic()
            try:
                with patience(0):
                    self._renew_once()
            except LockedError as error:
                self._lose(str(error))
                return
            except (OSError, AccessError) as error:
                first = first or error
                said = in_short(first) if isinstance(first, OSError) else first.message
                away = time.monotonic() - self._confirmed
                refused = not passes(error) if isinstance(error, OSError) else False
                if away > (LEASE_SECONDS if refused else max(LEASE_SECONDS, seconds_of_patience())):
                    self._lose(f"its lock couldn't be renewed for {duration(away)}: {said}")
                    return
                wait = min(next(waits), LEASE_SECONDS / RENEWALS)
            else:
                first, waits, wait = None, pauses(), LEASE_SECONDS / RENEWALS
                self._confirmed = begun

    def _renew_once(self) -> None:
        try:
            if not s3.is_s3(self.uri):
                found = _find(self.uri)
                if found is None or _id_of(found.data) != self.owner["id"]:
                    raise FileExistsError(17, "the lease is another's")
            self._write(_Found(b"", self._tag, 0.0))
        except (FileExistsError, FileNotFoundError):
            found = _find(self.uri)
            if found is None:
                raise LockedError("its lock was deleted") from None
            if _id_of(found.data) != self.owner["id"]:
                raise LockedError(f"another job works on it now{holder(found.data)}") from None
            self._tag = found.tag  # of a renewal whose answer got lost

    def give_back(self) -> None:
        """Delete the lease if it is still the job's; the job is over, so that a failure is only logged."""
        try:
            with patience(RELEASE_SECONDS):
                found = _find(self.uri)
                if found is not None and _id_of(found.data) == self.owner["id"]:
                    storage.delete_file(self.uri)
        except AccessError as error:
            _LOG.warning(f"{error}: the lock stays, and the next job waits until nobody renewed it for a while")


@dataclass(frozen=True)
class _Found:
    """A lease as it was found: its bytes; its tag and its age in seconds, where the store says them."""

    data: bytes
    tag: str | None
    age: float | None


def _find(uri: str) -> _Found | None:
    if not s3.is_s3(uri):
        data = storage.find_bytes(uri)
        return None if data is None else _Found(data, None, None)
    try:
        answer = patiently(uri, "read", lambda: s3.get(uri))
    except FileNotFoundError:
        return None
    return _Found(answer.data, answer.tag, answer.age)


def _is_abandoned(uri: str, found: _Found) -> bool:
    """True if nobody renews a lease any more, by the store's clock, or else by watching it for as long as it lasts."""
    if found.age is not None:
        return found.age >= LEASE_SECONDS
    end = time.monotonic() + LEASE_SECONDS
    while time.monotonic() < end:
        time.sleep(LEASE_SECONDS / RENEWALS)
        again = _find(uri)
        if again is None or again.data != found.data:
            return again is None
    return True


@contextlib.contextmanager
def hold(directory: str) -> Iterator[Lease]:
    """Have the lease of a directory, renewed in the background.

    Raises:
        LockedError: Another job has it.
        AccessError: The store can't be reached, or refuses.
    """
    lease, stop = Lease(directory, owner()), threading.Event()
    lease.take()
    thread = threading.Thread(target=lease.renew, args=(stop,), name="raybel lease", daemon=True)
    lease._thread = thread
    thread.start()
    guards.add(directory, lease.check)
    try:
        yield lease
    finally:
        guards.remove(directory)
        stop.set()
        thread.join()
        lease.give_back()


def is_held(directory: str) -> bool:
    """True while a job renews the lease of a directory."""
    uri = storage.join(directory, NAME)
    found = _find(uri)
    return found is not None and not _is_abandoned(uri, found)
