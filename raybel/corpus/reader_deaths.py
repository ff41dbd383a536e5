"""Readers that die, for want of memory or by a fault in a library: how often, at which document, and when it's enough.

Ray starts a reader that died again, without end where it was killed for its memory. So each attempt at a source is
recorded before it begins. From the second one on, each chunk is recorded before it is read; where that attempt dies
too, the next one records each document of that chunk before its turn. Once more readers died than may, the file's
reading ends in front of what the last one died at, as a damaged file's does. A reader that then dies elsewhere (an
archive may have several such files) has that left out as well. A reader whose machine was lost says nothing of the
source: its attempt isn't counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raybel.display import counted
from raybel.errors import InputError
from raybel.files import storage

#: A place in a source: (number of its file, how many of that file's documents come before).
Position = tuple[int, int]
#: What follows the name of a source in the name of its record.
SUFFIX = ".reader"
#: A source in which more documents would be left out, one for each death, is given up: the machine is at fault.
MAX_LEFT_OUT = 20
_REMEDY = "it takes more memory than there is, or a library fails at it; take it out, or give the machine more memory"


@dataclass
class ReaderRecord:
    """What the readers of a source were at when they died; read from a file, and written to it.

    Args:
        path: The file.
        session: Identifies this start of the job: attempts of an earlier one, which was killed as a whole, don't count.
        max_restarts: How often a reader that died is started again to read on.
        attempts: How many were begun, this one among them.
        reached: Where the last attempt is known to have come to; None where it recorded nothing.
        exact: Whether the document there is what it was at, not only one of that chunk.
        left_out: At which documents the reading of their file ends, and for each whether that is exact.
        ended: The last of these that this attempt came to. Those before it yielded the chunk in front of it, on which
            Ray counts: where the document would begin a chunk, its file's reading ends with that one.
        node: The machine that reads it now.
        is_lost: Tells whether the machine of an earlier attempt is gone; None where there is only one.

    Raises:
        InputError: The file isn't readable.
    """

    path: str
    session: str
    max_restarts: int
    attempts: int = 0
    reached: Position | None = None
    exact: bool = False
    left_out: dict[Position, bool] = field(default_factory=dict)
    node: str = ""
    is_lost: Callable[[str], bool] | None = None
    ended: Position | None = field(init=False, default=None)
    _suspect: Position | None = field(init=False, default=None)
    _current: Position | None = field(init=False, default=None)
    _by_document: bool = field(init=False, default=False)

    def begin(self) -> None:
        """Record that an attempt begins.

        Raises:
            InputError: Readers died too often, without coming to a document that could be left out.
        """
        value: dict[str, Any] = storage.read_json(self.path) if storage.identity(self.path) is not None else {}
        lost = False
        if value.get("session") == self.session:
            lost = self.is_lost is not None and self.is_lost(value["node"])
            self.attempts, self.exact = value["attempts"] - lost, value["exact"]
            self.reached = None if value["reached"] is None or lost else _position(value["reached"])
            self.left_out = {_position(each): exact for *each, exact in value["left_out"]}
        self.attempts += 1
        self._suspect, self.reached = self.reached, None
        if not lost and self.attempts > self.max_restarts + 1:
            if self._suspect is None or len(self.left_out) == MAX_LEFT_OUT:
                raise InputError(f"{self._died()}: {_REMEDY}")
            self.left_out[self._suspect] = self.exact
        self._write()

    def enter(self, position: Position) -> None:
        """Record, where it is time to, that a document's turn comes: before it is parsed.

        Args:
            position: Its place in the source.

        Raises:
            InputError: It is left out; `ended` says so too.
        """
        begins, self._current = self._current is None, position
        self._by_document |= position == self._suspect or position in self.left_out
        if position in self.left_out:
            at = f"at document {position[1] + 1}" + ("" if self.left_out[position] else " or one of those after it")
            self.ended = position
            raise InputError(f"{self._died()}, {at}: {_REMEDY}")
        if begins:
            self.begin_chunk()
        elif self._by_document:
            self._reach(position)

    def begin_chunk(self) -> None:
        """Record, where it is time to, that the document whose turn it is begins a chunk."""
        self._by_document = self._current == self._suspect
        if self._current is not None and self.attempts > min(1, self.max_restarts):
            self._reach(self._current)

    def _reach(self, position: Position) -> None:
        self.reached, self.exact = position, self._by_document
        self._write()

    def _died(self) -> str:
        return f"its reader died {counted(self.attempts - 1, 'time')}, more often than --max-restarts allows"

    def _write(self) -> None:
        value = {"session": self.session, "attempts": self.attempts, "reached": self.reached, "exact": self.exact}
        left_out = [(*position, exact) for position, exact in self.left_out.items()]
        storage.publish_json(self.path, {**value, "left_out": left_out, "node": self.node})


def _position(value: Sequence[int]) -> Position:
    return value[0], value[1]
