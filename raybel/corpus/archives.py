"""Archives as streams: their members one after the other, never unpacked to a disk.

Tar, plain or packed with gzip or zstandard, is read from its start to its end; zip needs its directory, which stands at
its end, and so a file system that can seek (local disks and object stores can). Memory: a buffer of the stream, for a
zip also its directory (about 1 KB a member). What a member is called decides nothing but whether it is read.
"""

from __future__ import annotations

import contextlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, cast

import pyarrow as pa
from isal import igzip

from raybel.errors import InputError
from raybel.files import storage
from raybel.files.meter import Meter
from raybel.files.stored import StoredFile, open_stored

#: A member's extended header (a long name, attributes) that is larger than this is an attack, or damage.
MAX_HEADER_BYTES = 1 << 20
_GZIP, _ZSTANDARD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK"
_DAMAGED: tuple[type[Exception], ...] = (tarfile.TarError, zipfile.BadZipFile, *storage.DAMAGED)
_EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        number: Its place among the entries, folders and links too, from 0.
        name: As the archive has it; it may be absolute or hold `..`, and never names a file of this machine.
        open: Opens it as it is stored; once, and before the next member is asked for.
    """

    number: int
    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def members(uri: str, meter: Meter | None = None) -> Iterator[Member]:
    """Yield the files of an archive in their order; folders, links and devices are left out.

    What kind of archive it is shows in its first bytes.

    Args:
        uri: Path or URI.
        meter: Is told how far it is read.

    Raises:
        AccessError: It can't be opened, or not be read on, whatever it holds; what was yielded before is valid.
        InputError: It isn't an archive, or is damaged or cut off; what was yielded before is valid.
    """
    try:
        with open_stored(*storage.resolve(uri), uri, seekable=True) as raw, contextlib.ExitStack() as watched:
            size, head = raw.file.size(), raw.read(4)
            raw.seek(0)
            if meter:  # what unpacks closes it when all is read
                watched.enter_context(meter.over(lambda: size if raw.closed else raw.tell()))
            yield from _zip_members(raw) if head.startswith(_ZIP) else _tar_members(raw, head)
    except _DAMAGED as error:
        raise InputError(f"is no archive, or is cut off or damaged: {error}", path=uri) from error


class _CheckedTarInfo(tarfile.TarInfo):
    """A tar header, with checks that `tarfile` doesn't make.

    It reads extended headers of any size into memory, and takes an archive that is cut off between two members for
    a whole one, although two blocks of zeros mark an archive's end.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _CheckedTarInfo:
        """Read the next header."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends without an end mark") from error

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type in _EXTENDED and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size:,} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]


def _tar_members(raw: StoredFile, head: bytes) -> Iterator[Member]:
    mode, file = "r|", cast(Any, raw)
    if head.startswith(_GZIP):
        file = igzip.IGzipFile(fileobj=io.BufferedReader(file, storage.COPY_BYTES))
    elif head.startswith(_ZSTANDARD):
        file = pa.CompressedInputStream(raw, "zstd")
    else:
        mode = "r:"  # it can seek: what isn't wanted is skipped without being read
    with tarfile.open(fileobj=file, mode=mode, bufsize=1 << 14, tarinfo=_CheckedTarInfo) as archive:  # type: ignore[call-overload]
        number = 0
        while (info := archive.next()) is not None:
            if info.isreg():
                yield Member(number, info.name, lambda info=info: _tar_member(archive, info))  # type: ignore[misc]
            archive.members.clear()  # it would keep all headers
            number += 1


@contextlib.contextmanager
def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[IO[bytes]]:
    file = archive.extractfile(info)
    assert file is not None, "only regular files are opened"
    with _damage_as_sentence(), file:
        yield file


def _zip_members(raw: StoredFile) -> Iterator[Member]:
    with zipfile.ZipFile(cast(Any, raw)) as archive:
        for number, info in enumerate(archive.infolist()):
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                yield Member(number, info.filename, lambda info=info: _zip_member(archive, info))  # type: ignore[misc]


@contextlib.contextmanager
def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    try:
        file = archive.open(info)
    except (RuntimeError, NotImplementedError) as error:  # a password, or a way of packing that isn't known
        raise InputError(f"can't be unpacked: {error}") from error
    with _damage_as_sentence(), file:
        yield file


@contextlib.contextmanager
def _damage_as_sentence() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise InputError(f"is cut off or damaged: {error}") from error
