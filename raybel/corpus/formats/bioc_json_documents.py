"""The values of a document in BioC JSON: read as bioc's classes, found, and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import bioc as model

from raybel.corpus.formats.base import read_offset, whole_number

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def dump(value: Any) -> bytes:
    """Return a JSON value on one line, UTF-8; lone surrogates are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def dicts(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a list of an object; none where it is no list."""
    items = value.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text(value: Any) -> str:
    """Return a text, or a number as one; "" for what is missing.

    Raises:
        ValueError: It is a list, an object, true or false.
    """
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN, which pandas writes for what is missing
        return ""
    if isinstance(value, bool | list | dict):
        raise ValueError(f"is {'true or false' if isinstance(value, bool) else f'a {type(value).__name__}'}, not text")
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _infons(value: dict[str, Any]) -> dict[str, str]:
    infons = value.get("infons")
    pairs = infons.items() if isinstance(infons, dict) else ()
    return {key: _infon(item) for key, item in pairs if item is not None and item == item}


def _infon(value: Any) -> str:
    """Return an infon as text: lists of texts and numbers with `;` between, as ids are; whole numbers without `.0`."""
    if isinstance(value, list) and value and all(isinstance(item, str | int | float) for item in value):
        return ";".join(map(_infon, value))
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return _text(value)


def to_document(value: dict[str, Any]) -> model.BioCDocument:
    """Return a JSON document as bioc's class; a list or an object of another type than BioC's counts as absent.

    The document has an attribute `problem` where an offset or a text of its own can't be made sense of.
    """
    document = model.BioCDocument()
    problems: list[str] = []
    document.id, document.infons = _read_text(value, "id", "its id", problems), _infons(value)
    for number, item in enumerate(dicts(value, "passages"), 1):
        passage = model.BioCPassage()
        name = f"passage {number}"
        passage.offset = read_offset(item.get("offset"), name, 0 if number == 1 else None, problems)
        passage.text = _read_text(item, "text", f"{name}: text", problems)
        passage.infons, passage.annotations = _infons(item), _to_annotations(item)
        for inner in dicts(item, "sentences"):
            sentence = model.BioCSentence()
            inner_name = f"a sentence of {name}"
            missing = passage.offset if passage.text or not passage.sentences else None
            sentence.offset = read_offset(inner.get("offset"), inner_name, missing, problems)
            sentence.text = _read_text(inner, "text", f"{inner_name}: text", problems)
            sentence.annotations = _to_annotations(inner)
            passage.sentences.append(sentence)
        document.passages.append(passage)
    document.annotations = _to_annotations(value)
    if problems:
        document.problem = problems[0]
    return document


def _to_annotations(value: dict[str, Any]) -> list[model.BioCAnnotation]:
    return [to_annotation(annotation) for annotation in dicts(value, "annotations")]


def _read_text(value: dict[str, Any], key: str, name: str, problems: list[str]) -> str:
    try:
        return _text(value.get(key))
    except ValueError as error:
        problems.append(f"{name} {error}")
        return ""


def to_annotation(value: dict[str, Any]) -> model.BioCAnnotation:
    """Return a JSON annotation as bioc's class.

    One with a location that isn't two whole numbers has no locations, and a `problem`.
    """
    annotation = model.BioCAnnotation()
    problems: list[str] = []
    annotation.id = _read_text(value, "id", "the id", problems)
    annotation.text = _read_text(value, "text", "the text", problems)
    annotation.infons = _infons(value)
    locations = value.get("locations")
    for location in locations if isinstance(locations, list) else []:
        try:
            if not isinstance(location, dict):
                raise ValueError(f"{json.dumps(location, ensure_ascii=False)[:50]} is no object")
            if missing := [name for name in ("offset", "length") if name not in location]:
                raise ValueError(f"has no {' and no '.join(missing)}")
            places = [whole_number(location[name], name) for name in ("offset", "length")]
            annotation.locations.append(model.BioCLocation(*places))
        except ValueError as error:
            problems.append(f"the location {error}")
    if problems:
        annotation.locations, annotation.problem = [], problems[0]
    return annotation


def holders(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What holds a document's annotations: each passage, its sentences, then the document itself."""
    for passage in dicts(document, "passages"):
        yield passage
        yield from dicts(passage, "sentences")
    yield document


def annotations_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document's annotations in the order of `documents.mentions_in`."""
    for holder in holders(document):
        yield from dicts(holder, "annotations")


def annotation_value(annotation: model.BioCAnnotation) -> dict[str, Any]:
    """Return an annotation as a JSON value."""
    places = [{"offset": location.offset, "length": location.length} for location in annotation.locations]
    return {"id": annotation.id, "infons": annotation.infons, "text": annotation.text, "locations": places}
