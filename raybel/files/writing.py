"""How a file is written, or deleted, on the local disk and on stores that only Arrow knows."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable
from typing import IO

from pyarrow import fs

#: End of the (hidden) name under which a local file is written before it is renamed.
TEMPORARY = ".tmp"
_COPY_BYTES = 1 << 20


def write_local(path: str, pieces: Iterable[bytes]) -> None:
    """Write a local file under a temporary name, sync it, and rename it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_stored(filesystem: fs.FileSystem, path: str, whole: IO[bytes]) -> None:
    """Write a file of another file system that Arrow knows, once."""
    whole.seek(0)
    filesystem.create_dir(os.path.dirname(path), recursive=True)
    with filesystem.open_output_stream(path, compression=None) as stream:
        shutil.copyfileobj(whole, stream, _COPY_BYTES)


def delete_stored(filesystem: fs.FileSystem, path: str) -> None:
    """Delete a file or a directory of such a file system; raises `FileNotFoundError` where there is none."""
    if filesystem.get_file_info(path).type == fs.FileType.Directory:
        filesystem.delete_dir(path)
    else:
        filesystem.delete_file(path)
