"""Corpora read on one machine, document by document, and written as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import bioc as model

from raybel.corpus.documents import DocumentRow, ReadOptions, to_row
from raybel.corpus.formats.base import Piece
from raybel.corpus.formats.bioc_xml import new_collection
from raybel.corpus.opening import files_of
from raybel.corpus.sources import Source
from raybel.display import counted, relative
from raybel.files import storage

#: How many of the documents and annotations that can't be used are named.
MAX_EXAMPLES = 3


def read_documents(uri: str, options: ReadOptions) -> Iterator[Piece]:
    """Yield a file's header (bytes), its documents with their serialisations, and its footer (bytes).

    Of an archive, the documents only; members whose names aren't a corpus's are passed over. What only says that a
    document was withdrawn is none.

    Raises:
        InputError: A file can't be opened or read to its end; what was yielded before remains valid.
    """
    source = Source(uri, uri)
    for opened in files_of(source):
        if opened.is_corpus:
            with opened.open() as (known, file):
                for piece in known.read(file, options.max_document_bytes):
                    around = isinstance(piece, bytes)
                    if not (source.is_archive if around else getattr(piece[0], "deleted", False)):
                        yield piece


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
