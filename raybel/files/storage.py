"""Files on local disks and object stores: whole or absent, never half-written.

Every path is a local path or a URI that `pyarrow.fs` knows (`s3://bucket/key`, `gs://`, ...). A local file is written
under a temporary name, synced and renamed; an object is PUT once, under its final key.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from isal import igzip, isal_zlib
from pyarrow import fs

from raybel.errors import AccessError, ConfigError, InputError, without_secrets
from raybel.files import guards, private, s3
from raybel.files.addresses import absolute as absolute
from raybel.files.addresses import is_local as is_local
from raybel.files.addresses import join as join
from raybel.files.addresses import name_of as name_of
from raybel.files.addresses import resolve as resolve
from raybel.files.listing import local_names
from raybel.files.meter import Meter
from raybel.files.outages import patiently
from raybel.files.stored import open_stored
from raybel.files.writing import TEMPORARY, delete_stored, write_local, write_stored

COPY_BYTES = 1 << 20
#: Of a file on an object store, so much is read at once: each read is a request.
STORE_BYTES = 8 << 20
#: What reading a damaged or truncated gzip file raises.
DAMAGED: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, cast("type[Exception]", isal_zlib.error))
_NOT_JSON: tuple[type[Exception], ...] = (ValueError, *DAMAGED)
#: What goes to an object store waits in memory up to here, then on the local disk.
SPOOL_BYTES = 64 << 20
#: How many files of an object store are read at a time where several are wanted.
READ_AHEAD = 4
#: isal's level 3 of 0..3; its bytes depend on the data alone (no time, no name in the header).
GZIP_LEVEL = 3


@dataclass(frozen=True)
class FileIdentity:
    """What tells one version of a file from another without reading it: size in bytes, mtime in nanoseconds."""

    size: int
    mtime_ns: int


def identity(uri: str) -> FileIdentity | None:
    """Return a file's identity, or None where there is no such file."""
    if s3.is_s3(uri):
        known = patiently(uri, "looked up", lambda: s3.info(uri))
        return None if known is None else FileIdentity(*known)
    found = info(uri)
    return FileIdentity(found.size, found.mtime_ns or 0) if found.is_file else None


def info(uri: str) -> fs.FileInfo:
    """Return what a path leads to: a file, a directory, or nothing.

    Raises:
        AccessError: The store doesn't say.
    """
    filesystem, path = resolve(uri)
    return patiently(uri, "looked up", lambda: filesystem.get_file_info(path))


def exists(uri: str) -> bool:
    """True if there is a file or a directory."""
    return info(uri).type != fs.FileType.NotFound


def listed(directory: str, recursive: bool) -> list[fs.FileInfo]:
    """Return what lies in a directory, [] where there is none."""
    filesystem, path = resolve(directory)
    selector = fs.FileSelector(path, recursive=recursive, allow_not_found=True)
    return list(patiently(directory, "listed", lambda: filesystem.get_file_info(selector)))


def names(directory: str) -> list[str]:
    """Return the sorted paths of all files below a directory, relative to it; [] where there is none.

    Symbolic links are followed. A directory that can be reached in several ways, by links that form a loop too, is
    listed once: by its own path where that lies below, else by the first link.

    Raises:
        ConfigError: A directory can't be listed.
    """
    filesystem, path = resolve(directory)
    if isinstance(filesystem, fs.LocalFileSystem):
        return local_names(path)
    return sorted(os.path.relpath(each.path, path) for each in listed(directory, recursive=True) if each.is_file)


def entries(directory: str) -> list[str]:
    """Return the sorted names of the files and folders directly in a directory; [] where there is none."""
    filesystem, path = resolve(directory)
    if isinstance(filesystem, fs.LocalFileSystem):  # pyarrow can't say names that aren't UTF-8
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    return sorted(each.base_name for each in listed(directory, recursive=False))


@contextlib.contextmanager
def open_bytes(uri: str, meter: Meter | None = None) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed where its first bytes are gzip's (whatever its name).

    Args:
        uri: Path or URI.
        meter: Is told how far it is read; the file can only be read then.

    Raises:
        AccessError: There is no such file, or it can't be opened, or not be read on while it is open.
    """
    with open_stored(*resolve(uri), uri) as raw:
        buffered = io.BufferedReader(raw, COPY_BYTES if is_local(uri) else STORE_BYTES)
        packed = buffered.peek(2)[:2] == b"\x1f\x8b"
        file: Any = meter.counting(buffered) if meter else buffered
        yield igzip.IGzipFile(fileobj=file) if packed else file


def read_bytes(uri: str) -> bytes:
    """Return a whole file as it is (not decompressed).

    Raises:
        AccessError: There is no such file, or it can't be read.
    """
    if s3.is_s3(uri):
        try:
            return patiently(uri, "read", lambda: s3.get(uri)).data
        except FileNotFoundError as error:
            raise AccessError("no such file", path=without_secrets(uri)) from error
    with open_stored(*resolve(uri), uri) as file:
        return file.read()


def find_bytes(uri: str) -> bytes | None:
    """Return a whole file as it is, None where there is none; on S3 that is one request."""
    if s3.is_s3(uri):
        with contextlib.suppress(FileNotFoundError):
            return patiently(uri, "read", lambda: s3.get(uri)).data
        return None
    return read_bytes(uri) if identity(uri) is not None else None


def read_all(uris: Iterable[str]) -> Iterator[bytes]:
    """Yield whole files in order; of an object store, the next few are read meanwhile."""
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[Future[bytes]] = deque()
        for uri in uris:
            if is_local(uri):
                yield read_bytes(uri)
                continue
            waiting.append(pool.submit(copy_context().run, read_bytes, uri))
            if len(waiting) > READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def size_and_digest(uri: str) -> tuple[int, str]:
    """Return a file's size in bytes and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    for piece in copy_bytes(uri):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def compress(data: bytes) -> bytes:
    """Return `data` as one gzip member whose bytes depend on `data` alone."""
    return bytes(igzip.compress(data, compresslevel=GZIP_LEVEL, mtime=0))


def publish(uri: str, data: bytes | Iterable[bytes]) -> None:
    """Write a file so that it is either there whole or not there; an existing one is replaced.

    Args:
        uri: Path or URI; its directories are made.
        data: The bytes, or pieces of them.

    Raises:
        ConfigError: The place can't be written to (no permission, no space left, read-only).
    """
    pieces = (data,) if isinstance(data, bytes) else data
    filesystem, path = resolve(uri)
    guards.check(uri)
    try:
        if isinstance(filesystem, fs.LocalFileSystem):
            write_local(path, pieces)
            return
        # A stream that is closed early publishes what it got, so the pieces are gathered before it is opened.
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as whole:
            for piece in pieces:
                whole.write(piece)
            size = whole.tell()
            whole.seek(0)
            if s3.is_s3(uri):
                s3.publish(uri, whole, size)
            else:
                patiently(uri, "written", lambda: write_stored(filesystem, path, whole))
    except OSError as error:
        raise ConfigError(f"{without_secrets(uri)}: can't be written: {error.strerror or error}") from error


def publish_json(uri: str, value: Any) -> None:
    """Publish a value as indented JSON with sorted keys."""
    publish(uri, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(uri: str) -> Any:
    """Return the value in a JSON file, plain or gzipped.

    Raises:
        InputError: No such file, or not JSON.
    """
    return _json(uri, read_bytes(uri))


def find_json(uri: str) -> Any:
    """Return the value in a JSON file, None where there is no such file.

    Raises:
        InputError: It isn't JSON.
    """
    data = find_bytes(uri)
    return None if data is None else _json(uri, data)


def _json(uri: str, data: bytes) -> Any:
    try:
        return json.loads(igzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except RecursionError as error:
        raise InputError("isn't readable JSON: nested too deeply", path=without_secrets(uri)) from error
    except _NOT_JSON as error:
        raise InputError(f"isn't readable JSON: {error}", path=without_secrets(uri)) from error


def copy_bytes(uri: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of at most 1 MiB."""
    with open_stored(*resolve(uri), uri) as file:
        while piece := file.read(COPY_BYTES if is_local(uri) else STORE_BYTES):
            yield from (piece[start : start + COPY_BYTES] for start in range(0, len(piece), COPY_BYTES))


def delete_temporary(directory: str) -> None:
    """Delete what writers that were killed left below a directory; only while nobody writes there."""
    for name in names(directory):
        if name.endswith(TEMPORARY):
            delete(join(directory, name))


def delete(uri: str) -> None:
    """Delete a file or a directory with all that is in it; nothing happens where there is none."""
    filesystem, path = resolve(uri)
    guards.check(uri)
    if isinstance(filesystem, fs.LocalFileSystem) and os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif s3.is_s3(uri):
        patiently(uri, "deleted", lambda: s3.delete_below(uri))
    else:
        with contextlib.suppress(FileNotFoundError):
            patiently(uri, "deleted", lambda: delete_stored(filesystem, path))


def delete_file(uri: str) -> None:
    """Delete a file, not a directory; nothing happens where there is none. On S3 that is one request."""
    if not s3.is_s3(uri):
        delete(uri)
        return
    guards.check(uri)
    patiently(uri, "deleted", lambda: s3.delete(uri))


def localise(uri: str) -> Path:
    """Return a local directory (or file) with the content of `uri`, which is itself where it is local.

    What lies on an object store is copied once per machine, into a folder named after its files' identities, so that
    a changed artefact is copied anew and several actors share one copy.

    Raises:
        InputError: There is nothing.
        ConfigError: The folder for copies isn't this user's alone (`private.directory`).
    """
    if is_local(uri):
        return Path(resolve(uri)[1])
    inside = names(uri) if identity(uri) is None else [""]
    if not inside:
        raise InputError("no such file or directory", path=uri)
    sources = {name: join(uri, name) if name else uri for name in inside}
    key = repr([(name, identity(source)) for name, source in sources.items()]) + uri
    home = private.directory()
    target = home / hashlib.sha256(key.encode()).hexdigest()[:24]
    with private.locked(Path(f"{target}.lock")):  # one process of this machine copies, the others wait for it
        if not target.exists():
            staging = Path(tempfile.mkdtemp(dir=home))
            try:
                for name, source in sources.items():
                    publish(str(staging / (name or os.path.basename(resolve(uri)[1]))), copy_bytes(source))
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    return target if inside != [""] else target / os.path.basename(resolve(uri)[1])
