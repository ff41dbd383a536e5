"""Excerpts of a corpus: some of its documents, each with some of its annotations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions, mentions_in
from raybel.corpus.formats.base import ShardFormat
from raybel.corpus.formats.registry import format_of, shard_name
from raybel.corpus.sources import Source
from raybel.errors import MismatchError
from raybel.files import storage

#: New infons of annotations, by the annotation's ordinal in its document; annotations that aren't named are taken out.
Kept = Mapping[int, Mapping[str, str]]
#: Bytes of documents that are compressed as one.
MEMBER_BYTES = 1 << 20


def excerpt_shards(
    source: Source, shard: str, options: ReadOptions, wanted: Mapping[int, Kept], remove: Collection[str] = ()
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield (name, content) of each shard of a source's excerpt; shards without a wanted document are left out.

    The content must be consumed before the next shard is asked for. It is in the format in which documents of several
    files stand together: JSON becomes JSON Lines, and a collection's own header isn't kept. Memory: one chunk.

    Args:
        source: What is read.
        shard: Name of a file's shard; of the folder of a bundle's.
        options: How documents are read.
        wanted: The annotations to keep, by the document's number among those of the source that aren't withdrawn.
        remove: Keys of infons that are taken out of the annotations that stay.

    Raises:
        MismatchError: A wanted document or annotation isn't there.
    """
    chunks = read_chunks(source, shard, options)
    documents = _wanted_documents(chunks, wanted)
    for name, of_shard in groupby(documents, key=lambda document: document[0]):
        written = format_of(name).shard_format.bundle_format
        pieces = (_excerpt(written, serialisation, kept, remove) for _, serialisation, kept in of_shard)
        yield shard_name(name, written), _content(written, source.name, pieces)


def _wanted_documents(chunks: Iterator[pa.Table], wanted: Mapping[int, Kept]) -> Iterator[tuple[str, bytes, Kept]]:
    """Yield (shard's name, serialisation, annotations to keep) of each wanted document."""
    number = found = 0
    for chunk in chunks:
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        sources = pc.struct_field(documents, "source")
        for place, withdrawn in enumerate(pc.struct_field(documents, "deleted").to_pylist()):
            if withdrawn:
                continue
            if number in wanted:
                yield chunk["shard"][0].as_py(), sources[place].as_py(), wanted[number]
                found += 1
            number += 1
    if found < len(wanted):
        raise MismatchError(f"{len(wanted) - found:,} of {len(wanted):,} wanted documents aren't there (any more)")


def _excerpt(written: ShardFormat, serialisation: bytes, kept: Kept, remove: Collection[str]) -> bytes:
    """Return a document by itself, with the annotations that are kept."""
    alone = written.in_bundle(serialisation, True)
    document = written.parse(alone)
    by_passage: list[list[object]] = [[] for _ in document.passages]
    for ordinal, (passage, annotation) in enumerate(mentions_in(document)):
        if ordinal in kept:
            own = {key: value for key, value in annotation.infons.items() if key not in remove}
            annotation.infons = {**own, **kept[ordinal]}
            by_passage[max(passage, 0)].append(annotation)
    if sum(map(len, by_passage)) < len(kept):
        raise MismatchError(f"document {document.id}: an annotation that is wanted isn't there (any more)")
    return written.annotate(alone, by_passage, replace=True)


def _content(written: ShardFormat, source: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a shard, gzipped in members of about `MEMBER_BYTES`."""
    gathered = [written.bundle_header(source)]
    size = 0
    for number, piece in enumerate(pieces):
        gathered.append(written.in_bundle(piece, not number))
        size += len(piece)
        if size > MEMBER_BYTES:
            yield storage.compress(b"".join(gathered))
            gathered, size = [], 0
    yield storage.compress(b"".join([*gathered, written.bundle_footer]))
