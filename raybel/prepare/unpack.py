"""Unpacking of archives that aren't trusted: nothing outside the directory, no links, no bombs."""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Self

from raybel.errors import InputError

#: How many bytes and how many files an archive may hold.
MAX_BYTES, MAX_FILES = 16 << 30, 100_000
_READ_BYTES = 1 << 20
#: Bytes of an extended header, which a tar may have before a file; and the types of such headers.
MAX_HEADER_BYTES = 1 << 20
_EXTENDED_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    UnicodeError,
)
_DAMAGED = "isn't an archive that can be unpacked, or is damaged (delete it to fetch it anew)"


def unpack(archive: Path, directory: Path, max_bytes: int = MAX_BYTES) -> list[str]:
    """Unpack a `.zip` or `.tar(.gz|.bz2|.xz)` into a directory; return the names of its files.

    Existing files are replaced. Everything is unpacked into a directory beside it first, and moved when all is sound.

    Args:
        archive: The archive.
        directory: Where its files go.
        max_bytes: An archive that holds more is refused while it is unpacked, whatever size it states.

    Raises:
        InputError: Not an archive, damaged, a name that leads out of the directory, a link or device, too large.
    """
    scratch = directory.with_name(f"{directory.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    names: list[str] = []
    written = 0
    try:
        for name, content in _members(archive):
            if len(names) >= MAX_FILES:
                raise InputError(f"holds more than {MAX_FILES:,} files", path=str(archive))
            target = scratch / _safe_path(name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                while data := content.read(_READ_BYTES):
                    written += len(data)
                    if written > max_bytes:
                        raise InputError(f"holds more than {max_bytes:,} bytes", path=str(archive))
                    file.write(data)
            names.append(name)
        if not names:
            raise InputError("holds no files", path=str(archive))
        names = list(dict.fromkeys(names))  # a tar may hold a file twice; the last one counts
        for name in names:
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch / name, target)
    except InputError as error:
        raise error if error.path else InputError(error.message, path=str(archive)) from error
    except OSError as error:
        if error.errno is None:  # of a decompressor
            raise InputError(f"{_DAMAGED}: {error}", path=str(archive)) from error
        raise InputError(f"can't be unpacked into {directory}: {error.strerror}", path=str(archive)) from error
    except _UNREADABLE as error:
        raise InputError(f"{_DAMAGED}: {error}", path=str(archive)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return names


class _BoundedHeader(tarfile.TarInfo):
    """A tar's header of bounded size: tarfile reads the names and attributes before a file into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header block of 512 bytes; see `tarfile.TarInfo.frombuf`.

        Raises:
            InputError: It announces an extended header above `MAX_HEADER_BYTES`.
        """
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED_HEADERS and header.size > MAX_HEADER_BYTES:
            raise InputError(f"holds a header of {header.size:,} bytes, more than {MAX_HEADER_BYTES:,}")
        return header


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and content of each file.

    Raises:
        InputError: A member is encrypted, or neither a file nor a directory.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                file_type = entry.external_attr >> 28  # the top of the Unix mode; 0 where there is none
                if file_type not in (0, 4, 8):
                    raise InputError(f"{entry.filename!r} isn't a plain file", path=str(archive))
                if entry.flag_bits & 1:
                    raise InputError(f"{entry.filename!r} is encrypted", path=str(archive))
                if not entry.is_dir():
                    with zipped.open(entry) as content:
                        yield entry.filename, content
        return
    with tarfile.open(archive, tarinfo=_BoundedHeader) as tarred:
        for member in tarred:
            if member.isdir():
                continue
            file = tarred.extractfile(member) if member.isfile() else None
            if file is None:
                raise InputError(f"{member.name!r} isn't a plain file", path=str(archive))
            yield member.name, file


def _safe_path(name: str, archive: Path) -> PurePosixPath:
    """A member's path; an error where it leads out of the directory that the archive is unpacked into."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name or not path.parts:
        raise InputError(f"{name!r} leads out of the directory", path=str(archive))
    return path
