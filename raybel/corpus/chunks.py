"""Corpora as streams: chunks of documents out of a file, documents into a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

import bioc as model
import pyarrow as pa

from raybel.corpus.documents import DocumentRow, ReadOptions, chunk_table, to_row
from raybel.corpus.formats.base import Format, Piece
from raybel.corpus.formats.bioc_xml import new_collection
from raybel.corpus.formats.content import Rewound, read_head
from raybel.corpus.formats.registry import CORPUS_SUFFIXES, FORMATS, format_in, format_named
from raybel.display import counted, relative
from raybel.errors import InputError
from raybel.files import storage
from raybel.files.patterns import expand

#: A chunk ends early at this many bytes of serialisation, so that full texts don't make chunks of gigabytes.
CHUNK_BYTES = 4 << 20
#: How many of the documents and annotations that can't be used are named.
MAX_EXAMPLES = 3


def corpus_files(patterns: Iterable[str]) -> list[tuple[str, str]]:
    """Return (file, its name relative to the directory that was given) for files, directories and globs, in order.

    Each file is there once, by whatever paths it was given. That files of a directory are left out, since their names
    don't end in a suffix of a corpus format, is logged as a warning.

    Raises:
        ConfigError: A pattern matches nothing, or a directory holds no file of a corpus format.
    """
    return expand(patterns, CORPUS_SUFFIXES)


def corpus_bytes(files: Iterable[tuple[str, str]]) -> int:
    """Return the stored size of the files of a corpus, as `corpus_files` gives them; a file that is gone counts 0."""
    identities = (storage.identity(path) for path, _ in files)
    return sum(identity.size for identity in identities if identity is not None)


@contextlib.contextmanager
def _open(uri: str) -> Iterator[tuple[Format, IO[bytes]]]:
    """Open a file, and tell its format by its first bytes.

    Raises:
        InputError: The file can't be opened, or is of no known format; or any raised meanwhile, with the file's path.
    """
    with storage.open_bytes(uri) as file:
        try:
            head = read_head(file)
            yield format_in(uri, head), cast(IO[bytes], Rewound(head, file))
        except InputError as error:
            raise InputError(error.message, path=uri) from error
        except storage.DAMAGED as error:
            raise InputError(f"is cut off or damaged: {error}", path=uri) from error


def file_format(uri: str) -> Format:
    """Return a file's format: as its name says, else as its first bytes do, else the first of all formats.

    Whether a file can be read at all shows when it is read; until then, its shard has a name all the same.
    """
    if named := format_named(uri):
        return named
    try:
        with _open(uri) as (known, _):
            return known
    except InputError:
        return FORMATS[0]


def read_documents(uri: str, options: ReadOptions) -> Iterator[Piece]:
    """Yield a file's header (bytes), its documents with their serialisations, and its footer (bytes).

    Raises:
        InputError: The file can't be opened or read to its end; what was yielded before remains valid.
    """
    with _open(uri) as (known, file):
        yield from known.read(file, options.max_document_bytes)


def read_chunks(uri: str, shard: str, options: ReadOptions, done: frozenset[int] = frozenset()) -> Iterator[pa.Table]:
    """Yield a file's chunks in order, each a table of one row of `schemas.CHUNK`; the last one has `last` set.

    A file that can't be read to its end yields the documents before the damage, and `error` in its last chunk; nothing
    is raised. Every file yields at least one chunk. Memory: one chunk.

    Args:
        uri: The file.
        shard: Name of its shard.
        options: How documents become rows.
        done: Numbers of chunks that were linked before, and are yielded without their documents.
    """
    documents: list[tuple[model.BioCDocument, bytes]] = []
    size = number = 0
    header: bytes | None = None

    def chunk(**columns: object) -> pa.Table:
        rows = [] if number in done else [to_row(document, source, options) for document, source in documents]
        defaults = {
            "last": False,
            "done": number in done,
            "header": header if number == 0 else None,
            "footer": None,
            "error": None,
        }
        return chunk_table(rows, path=uri, shard=shard, chunk=number, **{**defaults, **columns})

    try:
        for item in read_documents(uri, options):
            if isinstance(item, bytes):
                if header is None:
                    header = item
                else:
                    yield chunk(last=True, footer=item)
                    return
                continue
            if len(documents) >= options.chunk_documents or size > CHUNK_BYTES:
                yield chunk()
                documents, size, number = [], 0, number + 1
            documents.append(item)
            size += len(item[1])
    except InputError as error:
        yield chunk(last=True, error=str(error))


@dataclass
class SetAside:
    """What of a corpus was read, and what of it can't be used.

    Args:
        documents: Number of documents that were read.
        bad_documents: Number of those that can't be used.
        annotations: Number of annotations, of the other documents, that can't be used.
        examples: What is wrong with the first few, with their file.
    """

    documents: int = 0
    bad_documents: int = 0
    annotations: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, uri: str, error: str | None, annotations: Sequence[str]) -> None:
        """Count a document.

        Args:
            uri: Its file.
            error: Why it can't be used, None where it can.
            annotations: Why annotations of it can't be.
        """
        self.documents += 1
        self.bad_documents += error is not None
        self.annotations += len(annotations)
        for reason in (*([error] if error else []), *annotations)[: MAX_EXAMPLES - len(self.examples)]:
            self.examples.append(f"{relative(uri)}: {reason}")

    def sentence(self) -> str | None:
        """Say what was set aside; None where everything can be used."""
        parts = []
        if self.bad_documents:
            parts.append(f"{self.bad_documents:,} of {counted(self.documents, 'document')}")
        if self.annotations:
            parts.append(counted(self.annotations, "annotation"))
        if not parts:
            return None
        return f"Set aside, since they can't be used: {' and '.join(parts)}, such as {'; '.join(self.examples)}."


def read_rows(uris: Iterable[str], options: ReadOptions, set_aside: SetAside) -> Iterator[DocumentRow]:
    """Yield the documents of several files as rows, for work on one machine; those that can't be used are left out.

    Args:
        uris: The files.
        options: How documents become rows.
        set_aside: Counts what is read, and what is left out.

    Raises:
        InputError: A file can't be read.
    """
    for uri in uris:
        for item in read_documents(uri, options):
            if not isinstance(item, bytes):
                row = to_row(*item, options)
                set_aside.add(uri, row.error, row.set_aside)
                if row.error is None:
                    yield row


def corpus_digests(corpora: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the hashes of each corpus's files by the corpus's name; a corpus without files is left out.

    Args:
        corpora: The files, directories and globs of each corpus by its name.
    """
    return {
        name: [storage.size_and_digest(path)[1] for path, _ in corpus_files(paths)]
        for name, paths in corpora.items()
        if paths
    }


def write_corpus(uri: str, documents: Iterable[model.BioCDocument], source: str) -> None:
    """Write documents as BioC XML, gzipped where the name ends in `.gz`.

    Args:
        uri: Where to write.
        documents: Documents with passages and annotations; may be empty.
        source: The collection's `<source>`.
    """
    pieces = new_collection(source, documents)
    content = b"".join(piece if isinstance(piece, bytes) else piece[1] for piece in pieces)
    storage.publish(uri, storage.compress(content) if uri.endswith(".gz") else content)
