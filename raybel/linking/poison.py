"""Work on a chunk's documents, one of which may be poison: it fails, or kills the process that works on it.

All documents are worked on at once; if that fails, one by one, so that a bad document costs only itself.

When a worker dies, Ray gives its chunk to another. So each attempt is recorded beside the chunk's part before it
begins. A chunk that failed twice in this session of the job is worked on document by document, and each is recorded
before its turn: one that is still recorded was being worked on when the worker died. After the second such death it is
skipped, and goes to the quarantine. A worker whose machine was lost says nothing of the documents: its attempt isn't
counted.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa

from raybel.errors import RaybelError
from raybel.files import storage

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Attempts at a whole chunk before it is worked on document by document.
MAX_WHOLE_ATTEMPTS = 2
#: Deaths of workers on one document before it is skipped: a single one may be the machine's fault.
MAX_DEATHS = 2
#: What follows the name of a chunk's part in the name of its crash record.
SUFFIX = ".crashes"


@dataclass
class CrashRecord:
    """What a chunk's workers were doing when they died; read from a file, and written to it.

    Args:
        path: The file.
        session: Identifies this start of the job: attempts of an earlier one, which was killed as a whole, don't count.
        whole: How many attempts were made at the whole chunk.
        deaths: How many workers died on a document by itself, by the document's number in the chunk.
        current: The document that is being worked on by itself; None where there is none.
        node: The machine that works on it now.
        is_lost: Tells whether the machine of an earlier attempt is gone; None where there is only one.
        one_by_one: Whether this attempt goes document by document, since those at the whole chunk failed.
        is_first: Whether nobody worked on the chunk before: there is no record, and so no part.

    Raises:
        InputError: The file isn't readable.
    """

    path: str
    session: str
    whole: int = 0
    deaths: dict[int, int] = field(default_factory=dict)
    current: int | None = None
    node: str = ""
    is_lost: Callable[[str], bool] | None = None
    one_by_one: bool = field(init=False)
    is_first: bool = field(init=False)

    def __post_init__(self) -> None:
        value = storage.find_json(self.path)
        self.is_first = value is None
        value = value or {}
        if value.get("session") == self.session:
            self.whole = value["whole"]
            self.deaths = {int(document): count for document, count in value["deaths"].items()}
            if self.is_lost is not None and self.is_lost(value["node"]):
                # Between two documents it can't be told from an attempt at the whole, of which there is one more then.
                self.whole -= value["current"] is None and self.whole > 0
            elif value["current"] is not None:
                self.deaths[value["current"]] = self.deaths.get(value["current"], 0) + 1
        self.one_by_one = self.whole >= MAX_WHOLE_ATTEMPTS

    def is_poison(self, document: int) -> bool:
        """Return whether so many workers died on a document by itself that it is skipped."""
        return self.deaths.get(document, 0) >= MAX_DEATHS

    def begin(self) -> None:
        """Record that an attempt at the whole chunk begins; document by document, `enter` records each."""
        if not self.one_by_one:
            self.whole += 1
            self._write()

    def enter(self, document: int) -> None:
        """Record that a document is worked on by itself."""
        self.current = document
        self._write()

    def leave(self) -> None:
        """Record that no document is worked on by itself."""
        self.current = None
        self._write()

    def _write(self) -> None:
        value = {"session": self.session, "whole": self.whole, "deaths": self.deaths, "current": self.current}
        storage.publish_json(self.path, {**value, "node": self.node})


def isolate_failures(
    work: Callable[[list[Item]], list[Result]],
    documents: Sequence[Sequence[Item]],
    nothing: Result,
    crashes: CrashRecord | None = None,
) -> tuple[list[list[Result]], list[str | None]]:
    """Work on all documents at once; if that fails, on each by itself.

    Args:
        work: Returns a result for each of some items; a result doesn't depend on the other items.
        documents: The items of each document.
        nothing: The result of each item of a document that fails.
        crashes: The record of earlier attempts at these documents, and of this one; None to record nothing.

    Returns:
        The results of each document's items; and for each document why it failed (a traceback), None if it didn't.

    Raises:
        RaybelError: `work` raised it: something is wrong with a model, not with a document.
    """
    results: list[Result] | None = None
    if crashes is None or not crashes.one_by_one:
        try:
            results = work([item for items in documents for item in items])
        except RaybelError:
            raise
        except Exception:  # it comes again below, for its document alone
            results = None
    if results is not None:
        in_order = iter(results)
        return [[next(in_order) for _ in items] for items in documents], [None] * len(documents)
    failures: list[str | None] = []
    by_document: list[list[Result]] = []
    for number, items in enumerate(documents):
        failures.append(None)
        by_document.append([nothing] * len(items))
        if crashes is not None and crashes.is_poison(number):
            failures[number] = "the worker died each time it came to this document"
            continue
        if crashes is not None:
            crashes.enter(number)
        try:
            by_document[number] = work(list(items))
        except RaybelError:
            raise
        except Exception:
            failures[number] = traceback.format_exc()
        finally:
            if crashes is not None:
                crashes.leave()
    return by_document, failures


def with_failures(chunk: pa.Table, failures: Sequence[str | None]) -> pa.Table:
    """Return a chunk with failures of a further stage; where a document has failed before, that stays.

    Args:
        chunk: A table of `schemas.CHUNK`, one row, perhaps with `failures`.
        failures: A traceback for each document, None for one that didn't fail.
    """
    earlier = chunk["failures"][0].as_py() if "failures" in chunk.column_names else [None] * len(failures)
    both = [before or after for before, after in zip(earlier, failures, strict=True)]
    chunk = chunk.drop_columns("failures") if "failures" in chunk.column_names else chunk
    return chunk.append_column("failures", pa.array([both], pa.list_(pa.string())))
