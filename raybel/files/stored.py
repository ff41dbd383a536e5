"""Files as a store gives them, whose failures to be opened or read are told apart from damage of what they hold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import fs

from raybel.errors import AccessError


class StoredFile(io.RawIOBase):
    """A file that is open for reading.

    What unpacks a file raises an `OSError` where its bytes are damaged, and a store raises one where it can't give
    them at this time (no permission, no network). Here the latter is another error, which unpacking passes on.

    Args:
        file: The store's file.
        uri: Its path or URI, for errors.
    """

    def __init__(self, file: pa.NativeFile, uri: str) -> None:
        super().__init__()
        self.file, self.uri = file, uri

    def read(self, size: int | None = -1) -> bytes:
        """Return at most so many bytes, all that are left for -1.

        Raises:
            AccessError: The store can't give them.
        """
        with self._as_sentence():
            return bytes(self.file.read(None if size is None or size < 0 else size))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes that took.

        Raises:
            AccessError: The store can't give them.
        """
        with self._as_sentence():
            return int(self.file.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it; only where the file was opened so that it can.

        Raises:
            AccessError: The store can't.
        """
        with self._as_sentence():
            return int(self.file.seek(offset, whence))

    def tell(self) -> int:
        """Return where the next byte is read."""
        return int(self.file.tell())

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether `seek` works."""
        return bool(self.file.seekable())

    def close(self) -> None:
        """Close the store's file too."""
        if not self.closed:
            self.file.close()
        super().close()

    @contextlib.contextmanager
    def _as_sentence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AccessError(f"can't be read: {error}", path=self.uri) from error


def open_stored(filesystem: fs.FileSystem, path: str, uri: str, seekable: bool = False) -> StoredFile:
    """Open a file as it is stored.

    Args:
        filesystem: Where it is.
        path: Its path there.
        uri: Its path or URI, for errors.
        seekable: Whether it must be able to `seek`.

    Raises:
        AccessError: There is no such file, or it can't be opened.
    """
    try:
        if seekable:
            return StoredFile(filesystem.open_input_file(path), uri)
        return StoredFile(filesystem.open_input_stream(path, compression=None), uri)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"can't be opened: {error}"
        raise AccessError(reason, path=uri) from error
