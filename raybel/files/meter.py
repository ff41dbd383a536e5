"""How many stored bytes of files were read: what the time that a job takes is estimated by."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import IO, cast


class Meter:
    """Adds up how far files are read, one after the other."""

    def __init__(self) -> None:
        self._before = 0
        self._tell: Callable[[], int] | None = None

    @property
    def read_bytes(self) -> int:
        """Stored bytes that were read, with what was read ahead (at most a buffer of about 1 MB)."""
        return self._before + (self._tell() if self._tell else 0)

    @contextlib.contextmanager
    def over(self, tell: Callable[[], int]) -> Iterator[None]:
        """Watch a file while it is open.

        Args:
            tell: Says how far it was read.
        """
        self._before, self._tell = self.read_bytes, tell
        try:
            yield
        finally:
            self._before, self._tell = self.read_bytes, None

    def counting(self, file: IO[bytes]) -> IO[bytes]:
        """Return a stream, which can't say where it is, so that its bytes are counted; it can only be read then."""
        counted = _Counted(file)
        self._before, self._tell = self.read_bytes, lambda: counted.count
        return cast(IO[bytes], counted)


class _Counted(io.BufferedIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.count = file, 0

    def read(self, size: int | None = -1) -> bytes:
        data = self.file.read(-1 if size is None else size)
        self.count += len(data)
        return data
