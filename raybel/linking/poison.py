"""Finds the document that kills the process working on it.

A worker that dies takes its chunk with it, and Ray gives the chunk to another. Before a chunk is worked on, the attempt
is noted beside the chunk's part. A chunk that failed twice in this session of the job is worked on document by
document, each noted before its turn: one that is still noted was alone when the worker died. After the second such
death it is skipped, and goes to the quarantine.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from raybel.errors import RaybelError
from raybel.files import storage

T = TypeVar("T")

#: Attempts at a whole chunk before it is taken document by document.
WHOLE_ATTEMPTS = 2
#: Deaths on one document, alone, before it is skipped: one may be the machine's doing.
LONE_DEATHS = 2
SUFFIX = ".attempts"


@dataclass
class Attempts:
    """The attempts at one chunk, in a file of its own.

    Args:
        path: The file.
        session: Names this start of the job: attempts of an earlier start, which was killed as a whole, don't count.
    """

    path: str
    session: str
    whole: int = 0
    deaths: dict[int, int] = field(default_factory=dict)
    current: int | None = None

    def __post_init__(self) -> None:
        held = storage.read_json(self.path) if storage.identity(self.path) is not None else {}
        if held.get("session") == self.session:
            self.whole = held["whole"]
            self.deaths = {int(document): count for document, count in held["deaths"].items()}
            if held["current"] is not None:
                self.deaths[held["current"]] = self.deaths.get(held["current"], 0) + 1

    @property
    def careful(self) -> bool:
        """Whether the chunk is to be worked on document by document."""
        return self.whole >= WHOLE_ATTEMPTS

    def kills(self, document: int) -> bool:
        """Whether workers died on a document, alone, so often that it is to be skipped."""
        return self.deaths.get(document, 0) >= LONE_DEATHS

    def begin(self) -> None:
        """Note an attempt at the chunk."""
        self.whole += 1
        self._write()

    def enter(self, document: int) -> None:
        """Note that a document is worked on, alone."""
        self.current = document
        self._write()

    def leave(self) -> None:
        """Note that no document is worked on."""
        self.current = None
        self._write()

    def _write(self) -> None:
        value = {"session": self.session, "whole": self.whole, "deaths": self.deaths, "current": self.current}
        storage.publish_json(self.path, value)


def alone(work: Callable[[], T], nothing: T, document: int, attempts: Attempts | None) -> tuple[T, str | None]:
    """Do one document's work by itself; return its result and None, or `nothing` and why it failed (a traceback).

    Args:
        work: Done unless the document kills its worker.
        nothing: Result of a document that fails.
        document: Number within the chunk.
        attempts: Where the attempt is noted; None for nowhere.

    Raises:
        RaybelError: The work's: it says what is wrong with a model, not with a document.
    """
    if attempts is not None and attempts.kills(document):
        return nothing, "the worker died each time it came to this document"
    if attempts is not None:
        attempts.enter(document)
    try:
        return work(), None
    except RaybelError:
        raise
    except Exception:
        return nothing, traceback.format_exc()
    finally:
        if attempts is not None:
            attempts.leave()
