"""Files and members of archives, opened: decompressed, with the format that their first bytes show."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, cast

from isal import igzip

from raybel.corpus.archives import members
from raybel.corpus.formats.base import Format
from raybel.corpus.formats.content import Rewound, read_head
from raybel.corpus.formats.registry import FORMATS, format_in, format_named, is_corpus_name
from raybel.corpus.sources import Source, is_archive_name
from raybel.errors import AccessError, InputError
from raybel.files import storage
from raybel.files.meter import Meter

#: Bytes of a member's buffer: an archive may have a member for each document.
MEMBER_BUFFER = 1 << 15


@dataclass(frozen=True)
class OpenedFile:
    """A file of a source.

    Args:
        number: Its place in the source, from 0.
        name: What the documents table calls it.
        place: What errors call it.
        open: Opens it: (its format, its bytes, decompressed). Of an archive, before the next one is asked for.
        is_corpus: False for a member of an archive whose name isn't a corpus's, which is passed over.
    """

    number: int
    name: str
    place: str
    open: Callable[[], AbstractContextManager[tuple[Format, IO[bytes]]]]
    is_corpus: bool = True


def files_of(source: Source, meter: Meter | None = None) -> Iterator[OpenedFile]:
    """Yield the files of a source in order.

    Args:
        source: What to read.
        meter: Is told how far the source is read.

    Raises:
        InputError: An archive can't be opened, or is damaged; what was yielded before is valid.
    """
    if not source.is_archive:
        for number, (path, name) in enumerate(source.files or ((source.path, source.name),)):
            yield OpenedFile(number, name, path, lambda path=path: open_file(path, meter))  # type: ignore[misc]
        return
    for member in members(source.path, meter):
        place = f"{source.path}!{member.name}"
        wanted = is_corpus_name(member.name) or is_archive_name(member.name)
        hidden = any(part.startswith((".", "_")) and part not in (".", "..") for part in member.name.split("/"))
        opened = lambda member=member, place=place: _open_member(member.open, member.name, place)  # noqa: E731
        yield OpenedFile(member.number, member.name, place, opened, wanted and not hidden)


@contextlib.contextmanager
def open_file(uri: str, meter: Meter | None = None) -> Iterator[tuple[Format, IO[bytes]]]:
    """Open a file, and tell its format by its first bytes.

    Args:
        uri: Path or URI.
        meter: Is told how far it is read.

    Raises:
        AccessError: The file can't be opened, or not be read on, whatever it holds.
        InputError: The file is damaged, or of no known format; or any raised meanwhile, with the file's path.
    """
    with _damage_as_sentence(uri), storage.open_bytes(uri, meter) as file:
        yield _with_format(uri, file)


@contextlib.contextmanager
def _open_member(
    stored: Callable[[], AbstractContextManager[IO[bytes]]], name: str, place: str
) -> Iterator[tuple[Format, IO[bytes]]]:
    with _damage_as_sentence(place):
        if is_archive_name(name):
            raise InputError("is an archive in an archive, which isn't read: unpack the outer one")
        with stored() as file:
            buffered = io.BufferedReader(cast(Any, file), MEMBER_BUFFER)
            packed = buffered.peek(2)[:2] == b"\x1f\x8b"
            # By its content alone: who can't rename a member shouldn't have to unpack the archive.
            yield _with_format("", cast(Any, igzip.IGzipFile(fileobj=buffered)) if packed else buffered)


@contextlib.contextmanager
def _damage_as_sentence(place: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        kind = AccessError if isinstance(error, AccessError) else InputError
        raise kind(error.message, path=place) from error
    except storage.DAMAGED as error:
        raise InputError(f"is cut off or damaged: {error}", path=place) from error


def _with_format(name: str, file: IO[bytes]) -> tuple[Format, IO[bytes]]:
    head = read_head(file)
    return format_in(name, head), cast(IO[bytes], Rewound(head, file))


def file_format(uri: str) -> Format:
    """Return a file's format: as its name says, else as its first bytes do, else the first of all formats.

    Whether a file can be read at all shows when it is read; until then, its shard has a name all the same.
    """
    if named := format_named(uri):
        return named
    try:
        with open_file(uri) as (known, _):
            return known
    except InputError:
        return FORMATS[0]
