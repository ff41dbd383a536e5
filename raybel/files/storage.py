"""Files on local disks and object stores: whole or absent, never half-written.

Every path is a local path or a URI that `pyarrow.fs` knows (`s3://bucket/key`, `gs://`, ...). A local file is written
under a temporary name, synced and renamed; an object is PUT once, under its final key.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip, isal_zlib
from pyarrow import fs

from raybel.display import counted
from raybel.errors import AccessError, ConfigError, InputError
from raybel.files import private
from raybel.files.meter import Meter
from raybel.files.stored import open_stored

_LOG = logging.getLogger(__name__)
COPY_BYTES = 1 << 20
#: End of the (hidden) name under which a local file is written before it is renamed.
TEMPORARY = ".tmp"
#: What reading a damaged or truncated gzip file raises.
DAMAGED: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, cast("type[Exception]", isal_zlib.error))
_NOT_JSON: tuple[type[Exception], ...] = (ValueError, *DAMAGED)
#: What goes to an object store waits in memory up to here, then on the local disk.
SPOOL_BYTES = 64 << 20
#: isal's level 3 of 0..3; its bytes depend on the data alone (no time, no name in the header).
GZIP_LEVEL = 3
_LOCAL = fs.LocalFileSystem()


def resolve(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URI, and the path in it; raises `AccessError` where it can't be reached."""
    if "://" not in uri:
        return _LOCAL, os.path.abspath(os.path.expanduser(uri))
    try:
        return fs.FileSystem.from_uri(uri)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{uri}: isn't a path, or a URI of a file system that is known: {error}") from error
    except OSError as error:
        raise AccessError(f"can't be reached: {error}", path=uri) from error


def absolute(uri: str) -> str:
    """Return a local path as an absolute one, which means the same in every process; a URI as it is."""
    return uri if "://" in uri else os.path.abspath(os.path.expanduser(uri))


def name_of(uri: str) -> str:
    """Return a path or URI without a URI's query: where its suffix is."""
    return uri.partition("?")[0] if "://" in uri else uri


def is_local(uri: str) -> bool:
    """True for a path on this machine's file systems (network mounts too)."""
    return isinstance(resolve(uri)[0], fs.LocalFileSystem)


def join(uri: str, *names: str) -> str:
    """Append names to a directory's path or URI (a URI's query stays at its end)."""
    base, mark, query = uri.partition("?") if "://" in uri else (uri, "", "")
    return "/".join([base.rstrip("/"), *names]) + mark + query


@dataclass(frozen=True)
class FileIdentity:
    """What tells one version of a file from another without reading it: size in bytes, mtime in nanoseconds."""

    size: int
    mtime_ns: int


def identity(uri: str) -> FileIdentity | None:
    """Return a file's identity, or None where there is no such file."""
    filesystem, path = resolve(uri)
    info = filesystem.get_file_info(path)
    return FileIdentity(info.size, info.mtime_ns or 0) if info.is_file else None


def exists(uri: str) -> bool:
    """True if there is a file or a directory."""
    filesystem, path = resolve(uri)
    return filesystem.get_file_info(path).type != fs.FileType.NotFound


def names(directory: str) -> list[str]:
    """Return the sorted paths of all files below a directory, relative to it; [] where there is none.

    Symbolic links are followed. A directory that can be reached in several ways, by links that form a loop too, is
    listed once: by its own path where that lies below, else by the first link.

    Raises:
        ConfigError: A directory can't be listed.
    """
    filesystem, path = resolve(directory)
    if isinstance(filesystem, fs.LocalFileSystem):
        return _local_names(path)
    infos = filesystem.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted(os.path.relpath(info.path, path) for info in infos if info.is_file)


def _local_names(path: str) -> list[str]:
    if not os.path.exists(path):
        return []
    found, seen, broken = [], set(), []
    waiting, linked = [path], list[str]()
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:  # another process has just deleted it
            continue
        except OSError as error:
            raise ConfigError(f"{folder}: can't be listed: {error.strerror or error}") from error
        below = folder.rstrip("/").removeprefix(path.rstrip("/")).lstrip("/")
        for entry in inside:
            link = entry.is_symlink()
            if os.path.isdir(entry.path) if link else entry.is_dir():
                (linked if link else waiting).append(entry.path)
            elif os.path.isfile(entry.path) if link else entry.is_file():
                found.append(os.path.join(below, entry.name))
            elif link:
                broken.append(os.path.join(below, entry.name))
    if broken:
        _LOG.warning(f"{path}: {counted(len(broken), 'link')} to no file, such as {min(broken)}: passed over")
    return sorted(found)


def entries(directory: str) -> list[str]:
    """Return the sorted names of the files and folders directly in a directory; [] where there is none."""
    filesystem, path = resolve(directory)
    inside = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in inside)


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
        buffered = io.BufferedReader(raw, COPY_BYTES)
        packed = buffered.peek(2)[:2] == b"\x1f\x8b"
        file: Any = meter.counting(buffered) if meter else buffered
        yield igzip.IGzipFile(fileobj=file) if packed else file


def read_bytes(uri: str) -> bytes:
    """Return a whole file as it is (not decompressed)."""
    filesystem, path = resolve(uri)
    with filesystem.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


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
    try:
        if not isinstance(filesystem, fs.LocalFileSystem):
            # A stream that is closed early publishes what it got, so the pieces are gathered before it is opened.
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as whole:
                for piece in pieces:
                    whole.write(piece)
                whole.seek(0)
                filesystem.create_dir(os.path.dirname(path), recursive=True)
                with filesystem.open_output_stream(path, compression=None) as stream:
                    shutil.copyfileobj(whole, stream, COPY_BYTES)
            return
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
    except OSError as error:
        raise ConfigError(f"{uri}: can't be written: {error.strerror or error}") from error


def publish_json(uri: str, value: Any) -> None:
    """Publish a value as indented JSON with sorted keys."""
    publish(uri, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(uri: str) -> Any:
    """Return the value in a JSON file, plain or gzipped.

    Raises:
        InputError: No such file, or not JSON.
    """
    try:
        with open_bytes(uri) as file:
            return json.load(file)
    except _NOT_JSON as error:
        raise InputError(f"isn't readable JSON: {error}", path=uri) from error


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file (zstd), the same bytes for the same table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=True)
    return sink.getvalue()


def copy_bytes(uri: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of at most 1 MiB."""
    filesystem, path = resolve(uri)
    with filesystem.open_input_stream(path, compression=None) as stream:
        while piece := stream.read(COPY_BYTES):
            yield bytes(piece)


def delete_temporary(directory: str) -> None:
    """Delete what writers that were killed left below a directory; only while nobody writes there."""
    for name in names(directory):
        if name.endswith(TEMPORARY):
            delete(join(directory, name))


def delete(uri: str) -> None:
    """Delete a file or a directory with all that is in it; nothing happens where there is none."""
    filesystem, path = resolve(uri)
    if isinstance(filesystem, fs.LocalFileSystem) and os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError):
        if filesystem.get_file_info(path).type == fs.FileType.Directory:
            filesystem.delete_dir(path)
        else:
            filesystem.delete_file(path)


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
