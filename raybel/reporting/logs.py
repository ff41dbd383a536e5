"""Logs as lines of JSON, for what collects a cluster's logs: when, how bad, who, what, and what it is about."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from raybel.errors import without_secrets

LogFormat = Literal["text", "json"]
#: Gives the format where the command line doesn't, as in the entry points of `jobs/`.
VARIABLE = "RAYBEL_LOG_FORMAT"
_LOG = logging.getLogger(__name__)
#: What all lines of this process are about; threads see it too.
_of_process: dict[str, Any] = {}
_of_block: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("of_block")


class JsonLines(logging.Formatter):
    """Makes a line of JSON, in ASCII, of a record.

    Its fields: `time` (UTC, ISO 8601), `level`, `logger`, `message`; `run`, `shard`, `chunk` where they are known; and
    `traceback` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **_of_process,
            **_of_block.get({}),
        }
        if record.exc_info:
            line["traceback"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class _StandardError(logging.Handler):
    """Writes to whatever the process's standard error is at the moment: tests and `jobs.connection` exchange it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


def process_is_about(run: str) -> None:
    """Have all lines of this process, from now on, name a run."""
    _of_process["run"] = run


@contextlib.contextmanager
def about(**what: Any) -> Iterator[None]:
    """Have the lines that this thread logs in a block name what they are about.

    Args:
        what: `shard`, `chunk`.
    """
    token = _of_block.set({**_of_block.get({}), **what})
    try:
        yield
    finally:
        _of_block.reset(token)


def is_json() -> bool:
    """True if this process logs lines of JSON."""
    return any(isinstance(handler, _StandardError) for handler in logging.getLogger().handlers)


def current_format() -> LogFormat:
    """Return the format that this process logs in."""
    return "json" if is_json() else "text"


def use(log_format: LogFormat, debug: bool = False) -> None:
    """Have this process log in a format; calling it again changes nothing, or the format.

    With `json`, all that Python logs, its warnings and errors that nobody catches are lines of JSON on standard error,
    and raybel's news (`info`) are among them. With `text`, who handles raybel's records is left to others.

    Args:
        log_format: `text` or `json`.
        debug: Whether raybel's records of all levels are wanted.
    """
    root, own = logging.getLogger(), logging.getLogger("raybel")
    if log_format == "json" and not is_json():
        handler = _StandardError()
        handler.setFormatter(JsonLines())
        root.addHandler(handler)
        sys.excepthook, threading.excepthook = _log_uncaught, _log_uncaught_in_thread
        sys.unraisablehook = _log_unraisable
    if log_format == "text" and is_json():
        for each in [each for each in root.handlers if isinstance(each, _StandardError)]:
            root.removeHandler(each)
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        sys.unraisablehook = sys.__unraisablehook__
    logging.captureWarnings(log_format == "json")
    least = logging.INFO if log_format == "json" else logging.NOTSET
    own.setLevel(logging.DEBUG if debug else least)
    own.propagate = True


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _LOG.critical(f"ended by an error: {error}", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value or ended.exc_type()
    _LOG.critical(f"a thread was ended by an error: {error}", exc_info=(ended.exc_type, error, ended.exc_traceback))


def _log_unraisable(ended: Any) -> None:
    _LOG.error(f"an error that nothing could catch: {ended.exc_value}", exc_info=ended.exc_value)
