"""Work on a chunk's documents of which one may be poison: it fails, or kills the process that works on it.

All documents are worked on at once; where that fails, one by one, so that a bad document costs only itself.

A worker that dies takes its chunk with it, and Ray gives the chunk to another. So an attempt is noted beside the
chunk's part before it begins. A chunk that failed twice in this session of the job is worked on document by document,
each noted before its turn: one that is still noted was alone when the worker died. After the second such death it is
skipped, and goes to the quarantine.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from raybel.errors import RaybelError
from raybel.files import storage

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Attempts at a whole chunk before it is taken document by document.
WHOLE_ATTEMPTS = 2
#: Deaths on one document, alone, before it is skipped: one may be the machine's doing.
LONE_DEATHS = 2
#: Of a crash record's name, behind that of its chunk's part.
SUFFIX = ".attempts"


@dataclass
class CrashRecord:
    """What a chunk's workers were doing when they died, in a file of its own.

    Args:
        path: The file.
        session: Names this start of the job: attempts of an earlier start, which was killed as a whole, don't count.
        whole: Attempts at all of the chunk at once.
        deaths: How often a worker died on a document, alone, by the document's number in the chunk.
        current: The document that is worked on, alone.
        one_by_one: Whether this attempt is to go document by document, as earlier ones at the whole chunk failed.
    """

    path: str
    session: str
    whole: int = 0
    deaths: dict[int, int] = field(default_factory=dict)
    current: int | None = None
    one_by_one: bool = field(init=False)

    def __post_init__(self) -> None:
        value = storage.read_json(self.path) if storage.identity(self.path) is not None else {}
        if value.get("session") == self.session:
            self.whole = value["whole"]
            self.deaths = {int(document): count for document, count in value["deaths"].items()}
            if value["current"] is not None:
                self.deaths[value["current"]] = self.deaths.get(value["current"], 0) + 1
        self.one_by_one = self.whole >= WHOLE_ATTEMPTS

    def is_poison(self, document: int) -> bool:
        """Whether workers died on a document, alone, so often that it is to be skipped."""
        return self.deaths.get(document, 0) >= LONE_DEATHS

    def begin(self) -> None:
        """Note that an attempt begins; one that goes document by document notes each of them in its place."""
        if not self.one_by_one:
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


def isolate_failures(
    work: Callable[[list[Item]], list[Result]],
    documents: Sequence[Sequence[Item]],
    nothing: Result,
    crashes: CrashRecord | None = None,
) -> tuple[list[list[Result]], list[str | None]]:
    """Work on all documents at once; if that fails, on each by itself.

    Args:
        work: Returns a result for each of some items, which doesn't depend on the other items.
        documents: Each one's items.
        nothing: Result of each item of a document that fails.
        crashes: Of earlier attempts at these documents, and of this one; None where nothing is noted.

    Returns:
        The results of each document's items; and why a document failed (a traceback), None for one that didn't.

    Raises:
        RaybelError: The work's: it says what is wrong with a model, not with a document.
    """
    results: list[Result] | None = None
    if crashes is None or not crashes.one_by_one:
        try:
            results = work([item for items in documents for item in items])
        except RaybelError:
            raise
        except Exception:  # found again below, and recorded there
            results = None
    if results is not None:
        in_order = iter(results)
        return [[next(in_order) for _ in items] for items in documents], [None] * len(documents)
    failures: list[str | None] = []
    every: list[list[Result]] = []
    for number, items in enumerate(documents):
        failures.append(None)
        every.append([nothing] * len(items))
        if crashes is not None and crashes.is_poison(number):
            failures[number] = "the worker died each time it came to this document"
            continue
        if crashes is not None:
            crashes.enter(number)
        try:
            every[number] = work(list(items))
        except RaybelError:
            raise
        except Exception:
            failures[number] = traceback.format_exc()
        finally:
            if crashes is not None:
                crashes.leave()
    return every, failures
