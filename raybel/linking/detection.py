"""Detection over a chunk of documents: mentions found in their passages become annotations of theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import bioc as model
import pyarrow as pa
import pyarrow.compute as pc

from raybel.config import ExistingAnnotations
from raybel.corpus.documents import (
    DETECTION_SCORE_INFON,
    DETECTOR_INFON,
    DocumentRow,
    ReadOptions,
    documents_array,
    mentions_in,
    to_row,
)
from raybel.corpus.formats.base import ShardFormat
from raybel.corpus.formats.registry import format_of
from raybel.detection.base import Detection, Detector
from raybel.errors import ConfigError, InputError
from raybel.linking.poison import CrashRecord, isolate_failures

#: What is found in each passage of a document.
_Found = list[list[Detection]]


def add_mentions(
    chunk: pa.Table,
    detector: Detector,
    options: ReadOptions,
    existing: ExistingAnnotations | None,
    crashes: CrashRecord | None = None,
) -> pa.Table:
    """Return a chunk whose documents have the mentions that a detector finds, as if they had been annotated with them.

    A document's serialisation gets an annotation for each, with its type, score and detector as infons, and is read
    again. A document that can't be read or annotated, or on which the detector fails, stays as it came, without
    mentions, and with an `error`, or a traceback in the column `failures`.

    Args:
        chunk: A table of `schemas.CHUNK`, one row; its documents need no passages (`ReadOptions.source_only`).
        detector: Finds mentions.
        options: How documents become rows. Where its `mention_types` name types, only these are added.
        existing: What becomes of annotations that documents have already.
        crashes: What happened at earlier attempts at this chunk, so that a document that kills the process is found.

    Raises:
        ConfigError: A document has annotations, and `existing` is None.
        RaybelError: The detector can't be used, whatever the document.
    """
    shard_format = format_of(chunk["shard"][0].as_py()).shard_format
    wanted = frozenset(options.mentions.mention_types)

    def annotated(rows: list[dict[str, Any]]) -> list[DocumentRow]:
        documents = [_Document(row, shard_format, options, existing) for row in rows]
        to_search = [document.to_search() for document in documents]
        found = iter(detector.detect([texts for of_document in to_search for texts in of_document]))
        return [
            document.with_mentions([_of_types(next(found), wanted) for _ in of_document])
            for document, of_document in zip(documents, to_search, strict=True)
        ]

    came = _rows(chunk)
    results, failures = isolate_failures(annotated, [[row] for row in came], DocumentRow("", b""), crashes)
    rows = [
        made if failure is None else _as_it_came(row)
        for row, (made,), failure in zip(came, results, failures, strict=True)
    ]
    place = chunk.schema.get_field_index("docs")
    chunk = chunk.set_column(place, chunk.schema.field("docs"), documents_array(rows))
    return chunk.append_column("failures", pa.array([failures], pa.list_(pa.string())))


def _of_types(found: _Found, wanted: Collection[str]) -> _Found:
    """Return what is found in a document's passages without what is of other types; all where none are named."""
    return [[each for each in passage if not wanted or each.type in wanted] for passage in found]


def _rows(chunk: pa.Table) -> list[dict[str, Any]]:
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    names = ("doc_id", "file", "version", "deleted", "source", "error")
    columns = [pc.struct_field(documents, name).to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _as_it_came(row: dict[str, Any]) -> DocumentRow:
    made = DocumentRow(row["doc_id"], row["source"], error=row["error"], deleted=row["deleted"])
    made.file, made.version = row["file"], row["version"]
    return made


class _Document:
    """A document of a chunk, before and after detection."""

    def __init__(
        self,
        row: dict[str, Any],
        shard_format: ShardFormat,
        options: ReadOptions,
        existing: ExistingAnnotations | None,
    ) -> None:
        self.values, self.format, self.options, self.existing = row, shard_format, options, existing
        self.row = _as_it_came(row)
        self.annotations: list[Any] = []
        if not self.row.error and not self.row.deleted:
            with self._own_error():
                self._read(row["source"])
            if self.annotations and existing is None:
                raise ConfigError(
                    f"{row['file']}, document {row['doc_id']}: has annotations already. Say what becomes of them: "
                    "--existing-annotations keep (documents that have any aren't searched), replace (they are taken "
                    "out) or merge (what is found beside them is added)"
                )

    def _read(self, source: bytes) -> None:
        """Take a serialisation for the document's."""
        document = self.format.parse(source)
        self.annotations = [annotation for _, annotation in mentions_in(document)]
        self.row = to_row(document, source, self.options)
        self.row.file, self.row.version = self.values["file"], self.values["version"]

    @contextlib.contextmanager
    def _own_error(self) -> Iterator[None]:
        """Take what its format says against the document for its `error`: it ends nothing but this document."""
        try:
            yield
        except InputError as error:
            self.row = _as_it_came({**self.values, "error": str(error)})

    def to_search(self) -> list[list[str]]:
        """Return the texts of its passages as one item; none where it isn't searched."""
        kept = self.annotations and self.existing == "keep"
        if self.row.error or self.row.deleted or kept:
            return []
        return [[passage["text"] for passage in self.row.passages]]

    def with_mentions(self, found: Sequence[_Found]) -> DocumentRow:
        """Return the document's row with what was found in it; an empty sequence where it wasn't searched."""
        replaced = bool(self.annotations) and self.existing == "replace"
        if found and (replaced or any(found[0])):
            with self._own_error():
                new = self._new_annotations(found[0])
                self._read(self.format.annotate(self.values["source"], new, replaced))
        return self.row

    def _new_annotations(self, found: _Found) -> list[list[model.BioCAnnotation]]:
        merged = self.existing == "merge"
        taken = [(place.offset, place.offset + place.length) for each in self.annotations for place in each.locations]
        used = {annotation.id for annotation in self.annotations} if merged else set()
        ids = (name for number in range(1, 1 << 31) if (name := f"D{number}") not in used)
        passages = []
        for passage, detections in zip(self.row.passages, found, strict=True):
            new = []
            for each in detections:
                start, end = passage["offset"] + each.start, passage["offset"] + each.end
                if not (merged and any(start < stop and begin < end for begin, stop in taken)):
                    new.append(self._annotation(next(ids), start, passage["text"][each.start : each.end], each))
            passages.append(new)
        return passages

    def _annotation(self, name: str, offset: int, text: str, found: Detection) -> model.BioCAnnotation:
        annotation = model.BioCAnnotation()
        annotation.id, annotation.text = name, text
        kind = {self.options.mentions.type_infon: found.type} if found.type else {}
        score = {DETECTION_SCORE_INFON: f"{found.score:.4f}", DETECTOR_INFON: found.detector}
        annotation.infons = {**kind, **score}
        annotation.locations = [model.BioCLocation(offset, len(text))]
        return annotation
