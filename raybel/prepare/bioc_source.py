"""Corpora that are distributed as BioC XML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bioc as model

from raybel.corpus.documents import TYPE, mentions_in, passage_text
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.errors import InputError
from raybel.prepare.common import SourceDocument, SourceMention, opened

_MAX_DOCUMENT_BYTES = 256 << 20


def read(
    path: str, ids: str, counts: Callable[[Mapping[str, str]], bool], infons: tuple[str, ...] = ()
) -> Iterator[SourceDocument]:
    """Yield a file's documents; memory for one at a time.

    Args:
        path: Plain or gzipped.
        ids: Infon with an annotation's id column.
        counts: Whether an annotation of these infons is a mention.
        infons: Of passages that are kept beside `type`.

    Raises:
        InputError: Not BioC, no documents, cut off.
    """
    number = 0
    with opened(path) as file:
        for item in BIOC_XML.read(file, _MAX_DOCUMENT_BYTES):
            if not isinstance(item, bytes):
                number += 1
                yield _source(*item, f"document number {number}", ids, counts, infons)
    if not number:
        raise InputError("holds no documents", path=path)


def _source(
    document: model.BioCDocument,
    serialisation: bytes,
    where: str,
    ids: str,
    counts: Callable[[Mapping[str, str]], bool],
    infons: tuple[str, ...],
) -> SourceDocument:
    passages = tuple(
        (_kind(passage, index, infons), passage.offset, passage_text(passage))
        for index, passage in enumerate(document.passages)
    )
    mentions = tuple(_mention(each, ids) for _, each in mentions_in(document) if counts(each.infons))
    return SourceDocument(document.id, passages, mentions, serialisation.count(b"<relation"), where)


def _kind(passage: Any, index: int, infons: tuple[str, ...]) -> str | tuple[tuple[str, str], ...]:
    kind = passage.infons.get("type") or ("abstract" if index else "title")
    more = tuple((name, passage.infons[name]) for name in infons if passage.infons.get(name))
    return (("type", kind), *more) if more else kind


def _mention(annotation: Any, ids: str) -> SourceMention:
    return SourceMention(
        tuple((place.offset, place.length) for place in annotation.locations),
        annotation.text,
        annotation.infons.get(TYPE) or "",
        annotation.infons.get(ids) or "",
        f"annotation {annotation.id or '(no id)'}",
    )
