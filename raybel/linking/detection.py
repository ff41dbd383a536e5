"""Detection over a chunk of documents: mentions found in their passages become annotations of theirs."""

from __future__ import annotations

from collections.abc import Sequence
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
from raybel.errors import ConfigError
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
    again. A document that fails stays as it was, with a traceback in the column `failures`.

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
    documents = [_Document(row, shard_format, options, existing) for row in _rows(chunk)]
    wanted = frozenset(options.mentions.mention_types)

    def search(texts: list[list[str]]) -> list[_Found]:
        found = detector.detect(texts)
        if not wanted:
            return found
        return [[[each for each in passage if each.type in wanted] for passage in document] for document in found]

    nothing: _Found = []
    found, failures = isolate_failures(search, [document.to_search() for document in documents], nothing, crashes)
    rows = [
        document.with_mentions(of_document if failure is None else [])
        for document, of_document, failure in zip(documents, found, failures, strict=True)
    ]
    place = chunk.schema.get_field_index("docs")
    chunk = chunk.set_column(place, chunk.schema.field("docs"), documents_array(rows))
    return chunk.append_column("failures", pa.array([failures], pa.list_(pa.string())))


def _rows(chunk: pa.Table) -> list[dict[str, Any]]:
    documents = pc.list_flatten(chunk["docs"].combine_chunks())
    names = ("doc_id", "file", "version", "deleted", "source", "error")
    columns = [pc.struct_field(documents, name).to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


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
        self.row = DocumentRow(row["doc_id"], row["source"], error=row["error"], deleted=row["deleted"])
        self.annotations: list[Any] = []
        if not self.row.error and not self.row.deleted:
            document = shard_format.parse(row["source"])
            self.annotations = [annotation for _, annotation in mentions_in(document)]
            if self.annotations and existing is None:
                raise ConfigError(
                    f"{row['file']}, document {row['doc_id']}: has annotations already. Say what becomes of them: "
                    "--existing-annotations keep (documents that have any aren't searched), replace (they are taken "
                    "out) or merge (what is found beside them is added)"
                )
            self.row = to_row(document, row["source"], options)

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
            new = self._new_annotations(found[0])
            source = self.format.annotate(self.values["source"], new, replaced)
            self.row = to_row(self.format.parse(source), source, self.options)
        self.row.file, self.row.version = self.values["file"], self.values["version"]
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
