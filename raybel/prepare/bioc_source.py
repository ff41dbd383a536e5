"""Corpora that are distributed as BioC XML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raybel.corpus.documents import TYPE_INFON, mentions_in, passage_text
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.errors import InputError
from raybel.files import kinds
from raybel.prepare.common import SourceDocument, SourceMention, open_input

_MAX_DOCUMENT_BYTES = 256 << 20


def read(
    path: str, id_infon: str, is_mention: Callable[[Mapping[str, str]], bool], passage_infons: tuple[str, ...] = ()
) -> Iterator[SourceDocument]:
    """Yield a file's documents; memory for one at a time.

    Args:
        path: Plain or gzipped.
        id_infon: The infon with an annotation's ids.
        is_mention: Says by an annotation's infons whether it is a mention.
        passage_infons: Infons of passages that are kept beside `type`.

    Raises:
        InputError: Not BioC, no documents, cut off.
    """
    kinds.expect(path, "BioC XML", kinds.BIOC_XML, kinds.XML)
    number = 0
    with open_input(path) as file:
        for item in BIOC_XML.read(file, _MAX_DOCUMENT_BYTES):
            if not isinstance(item, bytes):
                number += 1
                document, serialisation = item
                passages = tuple(
                    (_kind(passage, index, passage_infons), passage.offset, passage_text(passage))
                    for index, passage in enumerate(document.passages)
                )
                mentions = tuple(
                    _mention(annotation, id_infon)
                    for _, annotation in mentions_in(document)
                    if is_mention(annotation.infons)
                )
                relations = serialisation.count(b"<relation")
                yield SourceDocument(document.id, passages, mentions, relations, f"document number {number}")
    if not number:
        raise InputError("holds no documents", path=path)


def _kind(passage: Any, index: int, infons: tuple[str, ...]) -> str | tuple[tuple[str, str], ...]:
    kind = passage.infons.get("type") or ("abstract" if index else "title")
    further = tuple((name, passage.infons[name]) for name in infons if passage.infons.get(name))
    return (("type", kind), *further) if further else kind


def _mention(annotation: Any, id_infon: str) -> SourceMention:
    return SourceMention(
        tuple((location.offset, location.length) for location in annotation.locations),
        annotation.text,
        annotation.infons.get(TYPE_INFON) or "",
        annotation.infons.get(id_infon) or "",
        f"annotation {annotation.id or '(no id)'}",
    )
