"""Files as a store gives them, whose failures to be opened or read are told apart from damage of what they hold."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import fs

from raybel.errors import AccessError
from raybel.files.outages import patiently


class StoredFile(io.RawIOBase):
    """A file that is open for reading.

    What unpacks a file raises an `OSError` where its bytes are damaged, and a store raises one where it can't give
    them at this time (no permission, no network). Here the latter is another error, which unpacking passes on.

    A store that can't give them now is asked again, of a file that is opened anew, which goes on at the same place.

    Args:
        reopen: Opens the store's file.
        uri: Its path or URI, for errors.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, reopen: Callable[[], pa.NativeFile], uri: str) -> None:
        super().__init__()
        self.reopen, self.uri = reopen, uri
        self.file = reopen()
        self._broken = False

    def read(self, size: int | None = -1) -> bytes:
        """Return at most so many bytes, all that are left for -1.

        Raises:
            AccessError: The store can't give them.
        """
        return bytes(self._patiently(lambda: self.file.read(None if size is None or size < 0 else size)))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes that took.

        Raises:
            AccessError: The store can't give them.
        """
        return int(self._patiently(lambda: self.file.readinto(buffer)))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it; only where the file was opened so that it can.

        Raises:
            AccessError: The store can't.
        """
        return int(self._patiently(lambda: self.file.seek(offset, whence)))

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

    def _patiently(self, call: Callable[[], Any]) -> Any:
        if "://" not in self.uri:
            return patiently(self.uri, "read", call)
        place = self.file.tell()

        def attempt() -> Any:
            if self._broken:
                self.file = self.reopen()
                self.file.seek(place)
            self._broken = True
            result = call()
            self._broken = False
            return result

        return patiently(self.uri, "read", attempt)


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

    def reopen() -> pa.NativeFile:
        if seekable or "://" in uri:  # so that a file that is opened anew can go on where the other one was
            return filesystem.open_input_file(path)
        return filesystem.open_input_stream(path, compression=None)

    try:
        return patiently(uri, "opened", lambda: StoredFile(reopen, uri))
    except FileNotFoundError as error:
        raise AccessError("no such file", path=uri) from error
