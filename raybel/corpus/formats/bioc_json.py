"""BioC JSON: collections written as one JSON object with a `documents` list.

Parsed as a stream (ijson): memory for one document at a time. Offsets are code points, as in BioC XML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import bioc as model
import ijson
from ijson.common import ObjectBuilder

from raybel.corpus.formats.base import LimitedFile, Piece, ShardFormat
from raybel.errors import InputError

#: How deep objects and lists may be nested: libxml2's limit for XML.
MAX_DEPTH = 256


class BiocJson(ShardFormat):
    """BioC JSON; a document's serialisation is its object, UTF-8."""

    name = "bioc-json"
    suffixes = (".json",)
    separator = b",\n"

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a collection's pieces; see `Format.read`.

        The collection's keys before `documents` go into the header, later ones into the footer.
        """
        limited = LimitedFile(file, max_document_bytes)
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        started = inside = False
        builder: ObjectBuilder | None = None
        depth, key = 0, ""
        try:
            for event, value in ijson.basic_parse(limited, use_float=True):
                depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
                if depth > MAX_DEPTH:
                    raise InputError(f"isn't BioC JSON: it is nested more than {MAX_DEPTH} deep")
                if builder is not None:
                    builder.event(event, value)
                    if depth == (2 if inside else 1) and event in ("end_map", "end_array"):
                        if inside:
                            yield to_document(builder.value), _dump(builder.value)
                            limited.since_document = 0
                        else:
                            (after if started else before)[key] = builder.value
                        builder = None
                elif inside:
                    if event == "start_map":
                        builder = ObjectBuilder()
                        builder.event(event, value)
                    elif event == "end_array":
                        inside = False
                    else:
                        item = "a list" if event == "start_array" else repr(value)
                        raise InputError(f"isn't BioC JSON: `documents` holds {item} where a document should be")
                elif depth == 0 or (depth == 1 and event == "start_array" and not key):
                    if event != "end_map":
                        raise InputError("isn't a BioC JSON collection: its root isn't an object")
                elif event == "map_key":
                    key = value
                elif key == "documents" and event == "start_array":
                    if started:
                        raise InputError("isn't BioC JSON: it has two `documents` lists")
                    started = inside = True
                    yield _dump(before)[:-1] + (b"," if before else b"") + b'"documents":[\n'
                elif event in ("start_map", "start_array"):
                    if depth > 1:
                        builder = ObjectBuilder()
                        builder.event(event, value)
                else:
                    (after if started else before)[key] = value
        except ijson.JSONError as error:
            raise InputError(f"isn't well-formed JSON: {error}") from error
        if not started:
            raise InputError("isn't a BioC JSON collection: it has no `documents` list")
        yield b"\n]" + (b"," + _dump(after)[1:-1] if after else b"") + b"}\n"

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a document's serialisation with infons added to its annotations; see `ShardFormat.link`."""
        value = json.loads(source.decode("utf-8", "surrogatepass"))
        for ordinal, annotation in enumerate(_annotations(value)):
            infons = annotation.get("infons")
            infons = infons if isinstance(infons, dict) else {}
            own = {key: text for key, text in infons.items() if key not in remove}
            annotation["infons"] = {**own, **links.get(ordinal, {})}
        return _dump(value)


BIOC_JSON = BiocJson()


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _dicts(value: Any, name: str) -> list[dict[str, Any]]:
    items = value.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _infons(value: dict[str, Any]) -> dict[str, str]:
    infons = value.get("infons")
    pairs = infons.items() if isinstance(infons, dict) else ()
    return {key: item if isinstance(item, str) else json.dumps(item) for key, item in pairs if item is not None}


def to_document(value: dict[str, Any]) -> model.BioCDocument:
    """Return a JSON document as bioc's class; a value of a type that BioC doesn't have there counts as absent."""
    document = model.BioCDocument()
    document.id = str(value.get("id") or "")
    document.infons = _infons(value)
    for item in _dicts(value, "passages"):
        passage = model.BioCPassage()
        passage.offset, passage.text, passage.infons = _number(item), str(item.get("text") or ""), _infons(item)
        passage.annotations = _to_annotations(item)
        for inner in _dicts(item, "sentences"):
            sentence = model.BioCSentence()
            sentence.offset, sentence.text = _number(inner), str(inner.get("text") or "")
            sentence.annotations = _to_annotations(inner)
            passage.sentences.append(sentence)
        document.passages.append(passage)
    document.annotations = _to_annotations(value)
    return document


def _to_annotations(value: dict[str, Any]) -> list[model.BioCAnnotation]:
    return [to_annotation(annotation) for annotation in _dicts(value, "annotations")]


def _number(value: dict[str, Any], name: str = "offset") -> int:
    number = value.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def to_annotation(value: dict[str, Any]) -> model.BioCAnnotation:
    """Return a JSON annotation as bioc's class; a location without two whole numbers is left out."""
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = str(value.get("id") or ""), str(value.get("text") or "")
    annotation.infons = _infons(value)
    for location in _dicts(value, "locations"):
        offset, length = _number(location), _number(location, "length")
        if "offset" in location and "length" in location and offset >= 0 and length >= 0:
            annotation.locations.append(model.BioCLocation(offset, length))
    return annotation


def _annotations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document's annotations in the order of `documents.mentions_in`."""
    for passage in _dicts(document, "passages"):
        yield from _dicts(passage, "annotations")
        for sentence in _dicts(passage, "sentences"):
            yield from _dicts(sentence, "annotations")
    yield from _dicts(document, "annotations")
