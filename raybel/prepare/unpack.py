"""Archives of others, unpacked within limits: nothing outside the directory, no links, no bombs."""

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

#: Bytes that an archive may hold, and files.
MOST_BYTES, MOST_FILES = 16 << 30, 100_000
_PIECE = 1 << 20
#: Bytes of a header that a tar may hold before a file, and the headers' types.
MOST_HEADER = 1 << 20
_BEFORE = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    UnicodeError,
)
_DAMAGED = "isn't an archive that can be unpacked, or is damaged (delete it to fetch it anew)"


def unpack(archive: Path, directory: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Unpack a `.zip` or `.tar(.gz|.bz2|.xz)` into a directory; return the names of its files.

    Files that are there are replaced. All goes to a directory beside it first, and over only when all of it is sound.

    Args:
        archive: The archive.
        directory: Where to.
        most_bytes: An archive that holds more is refused while it is unpacked, whatever it says of itself.

    Raises:
        InputError: Not an archive, damaged, a name that leads out of the directory, a link or device, too large.
    """
    fresh = directory.with_name(f"{directory.name}.unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    names: list[str] = []
    written = 0
    try:
        for name, content in _members(archive):
            if len(names) >= MOST_FILES:
                raise InputError(f"holds more than {MOST_FILES:,} files", path=str(archive))
            target = fresh / _checked(name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                while piece := content.read(_PIECE):
                    written += len(piece)
                    if written > most_bytes:
                        raise InputError(f"holds more than {most_bytes:,} bytes", path=str(archive))
                    file.write(piece)
            names.append(name)
        if not names:
            raise InputError("holds no files", path=str(archive))
        names = list(dict.fromkeys(names))  # a tar may hold a file twice; the last one counts
        for name in names:
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh / name, target)
    except InputError as error:
        raise error if error.path else InputError(error.message, path=str(archive)) from error
    except OSError as error:
        if error.errno is None:  # of a decompressor
            raise InputError(f"{_DAMAGED}: {error}", path=str(archive)) from error
        raise InputError(f"can't be unpacked into {directory}: {error.strerror}", path=str(archive)) from error
    except _BROKEN as error:
        raise InputError(f"{_DAMAGED}: {error}", path=str(archive)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return names


class _ShortHeaders(tarfile.TarInfo):
    """A tar's header; names and attributes that stand before a file are read into memory whole, so they are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header of 512 bytes."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _BEFORE and found.size > MOST_HEADER:
            raise InputError(f"holds a header of {found.size:,} bytes, more than {MOST_HEADER:,}")
        return found


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and content of each file."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                kind = entry.external_attr >> 28  # of the file's Unix mode; 0 where it has none
                if kind not in (0, 4, 8):
                    raise InputError(f"{entry.filename!r} is no plain file", path=str(archive))
                if entry.flag_bits & 1:
                    raise InputError(f"{entry.filename!r} is encrypted", path=str(archive))
                if not entry.is_dir():
                    with zipped.open(entry) as content:
                        yield entry.filename, content
        return
    with tarfile.open(archive, tarinfo=_ShortHeaders) as tarred:
        for member in tarred:
            if member.isdir():
                continue
            unpacked = tarred.extractfile(member) if member.isfile() else None
            if unpacked is None:
                raise InputError(f"{member.name!r} is no plain file", path=str(archive))
            yield member.name, unpacked


def _checked(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name or not path.parts:
        raise InputError(f"{name!r} leads out of the directory", path=str(archive))
    return path
