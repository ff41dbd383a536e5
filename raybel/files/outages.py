"""What a store can't do at this moment is tried again for minutes; what it refuses is said at once."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from raybel.display import duration
from raybel.errors import AccessError, ConfigError, without_secrets
from raybel.reporting import tally

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

#: How long a request to a store is tried again before the job gives up; the variable below gives another time.
OUTAGE_SECONDS = 300.0
VARIABLE = "RAYBEL_OUTAGE_SECONDS"
#: The first pause between two tries, which doubles up to the longest one.
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
#: What a store's answer says where asking once more is useless: any status of the client's fault but "timeout", "too
#: many requests", and what Arrow says in place of a status.
_REFUSED = re.compile(
    r"HTTP status 4(?!08|29)\d\d|AWS Error (ACCESS_DENIED|NO_SUCH_|INVALID_|MISSING_|MALFORMED_|SIGNATURE_|EXPIRED_|"
    r"UNRECOGNIZED_|VALIDATION|METHOD_NOT_ALLOWED|RESOURCE_NOT_FOUND|OPT_IN_)"
)
#: Answers that come with such a status, and pass nevertheless.
_PASSING = re.compile(r"RequestTimeout\b|REQUEST_TIMEOUT|SlowDown|SLOW_DOWN|Throttl|THROTTL")
_patience: contextvars.ContextVar[float | None] = contextvars.ContextVar("patience", default=None)


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Have requests of this thread be tried again for so long; 0 for a single try."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def seconds_of_patience() -> float:
    """Return how long a request is tried again.

    Raises:
        ConfigError: The environment variable isn't a number of seconds.
    """
    chosen = _patience.get()
    if chosen is not None:
        return chosen
    try:
        seconds = float(os.environ.get(VARIABLE, OUTAGE_SECONDS))
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{VARIABLE} must be a number of seconds, 0 or more, not {os.environ[VARIABLE]!r}")
    return seconds


def passes(error: OSError) -> bool:
    """True if what a store said may be otherwise in a while: a server's error, too many requests, no connection."""
    if error.errno is not None:
        return isinstance(error, (ConnectionError, TimeoutError))
    text = str(error)
    return bool(_PASSING.search(text)) or not _REFUSED.search(text)


def pauses() -> Iterator[float]:
    """Yield seconds to wait between tries: doubling, and spread, so that many workers don't return at once."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def in_short(error: OSError) -> str:
    """Return what a store said, without what is only for its own people."""
    text = str(error.strerror or error).partition("\n")[0]
    return re.sub(r"\s*\(Request ID: [^)]*\)", "", text).rstrip(".")


def patiently(uri: str, what: str, call: Callable[[], Result]) -> Result:
    """Return what a request to a store returns, which is made again while the store can't answer it.

    Args:
        uri: Path or URI, for errors; a local path's request is made once.
        what: What can't be done to it, for errors: "read".
        call: Makes the request; it may be made several times.

    Raises:
        FileNotFoundError: There is no such file, as the store says.
        AccessError: The store refuses, or couldn't answer for as long as `seconds_of_patience` says; the error names
            what it said first.
    """
    begun, first = time.monotonic(), None
    for pause in pauses():
        if "://" in uri:
            tally.add("store_requests", 1)
            tally.add("store_retries", int(first is not None))
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError as error:
            shown = without_secrets(uri)
            if "://" not in uri or not passes(error):
                raise AccessError(f"can't be {what}: {in_short(error)}", path=shown) from error
            tried, limit = time.monotonic() - begun, seconds_of_patience()
            if first is None and limit > LONGEST_PAUSE_SECONDS:
                _LOG.warning(
                    f"{shown}: can't be {what} now ({in_short(error)}): it is tried again for {duration(limit)}"
                )
            first = first or error
            if tried >= limit:
                times = f"; tried for {duration(tried)}" if limit else ""
                raise AccessError(f"can't be {what}: {in_short(first)}{times}", path=shown) from first
            time.sleep(min(pause, limit - tried))
    raise AssertionError("pauses never end")
