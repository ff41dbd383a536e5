"""BioC JSON: collections as JSON objects with a `documents` list, and the other shapes that BioC comes in.

Shapes: a collection; NCBI's lists of collections (BioC-PMC) and `{"PubTator3": [documents]}`; a list of documents; a
document by itself; and JSON Lines, or any other sequence, of these. A shard keeps its file's shape: what stands around
documents is written as it was read. Parsed as a stream: memory for one document at a time. Offsets are code points, as
in BioC XML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import bioc as model

from raybel.corpus.formats.base import LimitedFile, Piece, ShardFormat, read_offset, whole_number
from raybel.corpus.formats.json_stream import JsonStream, on_one_line
from raybel.errors import InputError

#: Keys of the lists that hold a collection's documents: BioC's own, and that of PubTator3's web service.
DOCUMENT_LISTS = ("documents", "PubTator3")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BiocJson(ShardFormat):
    """BioC JSON; a document's serialisation is its object on one line, UTF-8.

    A line end or a tab ends what stands in front of a document: its object itself holds neither.

    Args:
        name: See `Format.name`.
        suffixes: See `Format.suffixes`.
        lines: Whether each value of the file takes one line, whatever it holds (JSON Lines).
    """

    def __init__(self, name: str, suffixes: tuple[str, ...], lines: bool) -> None:
        self.name, self.suffixes, self.lines = name, suffixes, lines  # type: ignore[misc]

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a file's pieces; see `Format.read`."""
        stream = JsonStream(LimitedFile(file, max_document_bytes))
        around, begun = _Around(self.lines), False
        for value, oddities in _documents(stream, around):
            before = around.before_document()
            if not begun:
                begun = True
                yield before.encode()
                before = ""
            source = before + on_one_line(stream.taken())
            document = to_document(_without_surrogates(value, source))
            if oddities:
                document.problem = oddities[0]
            yield document, source.encode()
            stream.free()
        rest = around.behind_documents().encode()
        if not rest:
            raise InputError("is empty")
        yield rest
        if not begun:
            yield b""

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a document's serialisation with infons added to its annotations; see `ShardFormat.link`."""
        start = max(source.rfind(b"\n"), source.rfind(b"\t")) + 1
        value = json.loads(source[start:])
        if not isinstance(value, dict):  # it stands where a document should be
            return source
        removed_keys, changed = frozenset(remove), False
        for ordinal, annotation in enumerate(_annotations(value)):
            infons = annotation.get("infons")
            infons = infons if isinstance(infons, dict) else {}
            own = {key: text for key, text in infons.items() if key not in removed_keys}
            new = links.get(ordinal, {})
            if new or len(own) < len(infons):
                annotation["infons"], changed = {**own, **new}, True
        return source[:start] + _dump(value) if changed else source


BIOC_JSON = BiocJson("bioc-json", (".json",), lines=False)
BIOC_JSON_LINES = BiocJson("bioc-json-lines", (".jsonl", ".ndjson"), lines=True)


class _Around:
    """The text around documents, gathered up to the next one."""

    def __init__(self, lines: bool) -> None:
        self.lines, self.parts, self.first = lines, list[str](), True

    def add(self, text: str) -> None:
        text = text.strip()
        self.parts.append(on_one_line(text) if self.lines else text)

    def end_value(self) -> None:
        """End a value of the file, which ends a line."""
        self.parts.append("\n")

    def before_document(self) -> str:
        """Return what was gathered, with an end that shows where the document begins."""
        text = "".join(self.parts)
        self.parts.clear()
        return text if not text or text.endswith("\n") else text + ("\t" if self.lines else "\n")

    def behind_documents(self) -> str:
        """Return what was gathered behind the last document: all, where there is none."""
        text = "".join(self.parts)
        return text if self.lines or not text.startswith("]") else "\n" + text


def _documents(stream: JsonStream, around: _Around) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield each document of a file with its oddities, while its text is what `stream.taken` would return."""
    while found := stream.peek():
        if found == "{":
            yield from _object(stream, around)
        elif found == "[":
            for item in stream.items("["):
                if item == "{":
                    yield from _object(stream, around)
                else:
                    yield _no_document(stream, around)
        else:
            raise InputError(f"isn't BioC JSON: it holds {_shown(stream)} where a collection or a document should be")
        around.add(stream.taken())
        around.end_value()
        stream.free()


def _object(stream: JsonStream, around: _Around) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the documents of a collection, or the object itself where it is a document."""
    around.add(stream.taken())
    values: dict[str, Any] = {}
    oddities: list[str] = []
    has_list = False
    for _ in stream.items("{"):
        key = stream.key()
        if key in DOCUMENT_LISTS and stream.peek() == "[":
            if has_list:
                raise InputError("isn't BioC JSON: a collection has two `documents` lists")
            has_list, values = True, {}
            for item in stream.items("["):
                if item != "{":
                    yield _no_document(stream, around)
                    continue
                around.add(stream.taken())
                value = stream.value()
                yield value, list(stream.oddities)
            continue
        value = stream.value()
        oddities += stream.oddities
        if key in values:
            oddities.append(f"it has the key {json.dumps(key)} twice")
        if not has_list:
            values[key] = value
    if not has_list:
        if "passages" not in values:
            raise InputError("isn't BioC JSON: an object has neither a `documents` list nor `passages`")
        yield values, oddities


def _no_document(stream: JsonStream, around: _Around) -> tuple[dict[str, Any], list[str]]:
    """Return what stands for a document where the file has something else, which costs no other one."""
    around.add(stream.taken())
    return {}, [f"{_shown(stream)} stands where a document should be"]


def _shown(stream: JsonStream) -> str:
    value = stream.value()
    if isinstance(value, list):
        return "a list"
    shown = _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    return shown if len(shown) < 50 else shown[:46] + "..."


def _without_surrogates(value: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a document with U+FFFD for each half of a surrogate pair, so that offsets stay true; it may be itself."""
    if not _ESCAPED_SURROGATE.search(source):
        return value
    text = _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    clean: dict[str, Any] = json.loads(text)
    return clean


def _dump(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def _dicts(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
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
    for number, item in enumerate(_dicts(value, "passages"), 1):
        passage = model.BioCPassage()
        name = f"passage {number}"
        passage.offset = read_offset(item.get("offset"), name, 0 if number == 1 else None, problems)
        passage.text = _read_text(item, "text", f"{name}: text", problems)
        passage.infons, passage.annotations = _infons(item), _to_annotations(item)
        for inner in _dicts(item, "sentences"):
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
    return [to_annotation(annotation) for annotation in _dicts(value, "annotations")]


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


def _annotations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document's annotations in the order of `documents.mentions_in`."""
    for passage in _dicts(document, "passages"):
        yield from _dicts(passage, "annotations")
        for sentence in _dicts(passage, "sentences"):
            yield from _dicts(sentence, "annotations")
    yield from _dicts(document, "annotations")
