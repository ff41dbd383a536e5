"""BioC JSON: collections as JSON objects with a `documents` list, and the other shapes that BioC comes in.

Shapes: a collection; NCBI's lists of collections (BioC-PMC) and `{"PubTator3": [documents]}`; a list of documents; a
document by itself; and JSON Lines, or any other sequence, of these. A shard keeps its file's shape: what stands around
documents is written as it was read. Parsed as a stream: memory for one document at a time. Offsets are code points, as
in BioC XML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import bioc as model

from raybel.corpus.formats.base import LimitedFile, Piece, ShardFormat
from raybel.corpus.formats.bioc_json_documents import (
    LONE_SURROGATE,
    annotation_value,
    annotations_of,
    dicts,
    dump,
    holders,
    to_document,
)
from raybel.corpus.formats.json_stream import JsonStream, on_one_line
from raybel.errors import InputError

#: Keys of the lists that hold a collection's documents: BioC's own, and that of PubTator3's web service.
DOCUMENT_LISTS = ("documents", "PubTator3")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BiocJson(ShardFormat):
    """BioC JSON; a document's serialisation is its object on one line, UTF-8.

    A line end or a tab ends what stands in front of a document: its object itself holds neither.

    Args:
        name: See `Format.name`.
        suffixes: See `Format.suffixes`.
        lines: Whether each value of the file takes one line, whatever it holds (JSON Lines).
    """

    bundle_footer = b"\n"

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

    @property
    def bundle_format(self) -> ShardFormat:
        """JSON Lines, a document a line: the collections' own values are left out."""
        return BIOC_JSON_LINES

    def bundle_header(self, source: str) -> bytes:
        """Return nothing."""
        return b""

    def in_bundle(self, source: bytes, first: bool) -> bytes:
        """Return a document's object by itself, on a line of its own."""
        return (b"" if first else b"\n") + source[_start(source) :]

    def parse(self, source: bytes) -> model.BioCDocument:
        """Return the document of an object."""
        text = source[_start(source) :].decode()
        return to_document(_without_surrogates(json.loads(text), text))

    def annotate(
        self, source: bytes, annotations: Sequence[Sequence[model.BioCAnnotation]], replace: bool = False
    ) -> bytes:
        """Return a document's object with annotations added; see `ShardFormat.annotate`."""
        value = json.loads(source[_start(source) :])
        if replace:
            for holder in holders(value):
                holder["annotations"] = []
        for passage, new in zip(dicts(value, "passages"), annotations, strict=True):
            present = passage.get("annotations")
            passage["annotations"] = [*(present if isinstance(present, list) else ()), *map(annotation_value, new)]
        return source[: _start(source)] + dump(value)

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a document's serialisation with infons added to its annotations; see `ShardFormat.link`."""
        start = _start(source)
        value = json.loads(source[start:])
        if not isinstance(value, dict):  # it stands where a document should be
            return source
        removed_keys, changed = frozenset(remove), False
        for ordinal, annotation in enumerate(annotations_of(value)):
            infons = annotation.get("infons")
            infons = infons if isinstance(infons, dict) else {}
            own = {key: text for key, text in infons.items() if key not in removed_keys}
            new = links.get(ordinal, {})
            if new or len(own) < len(infons):
                annotation["infons"], changed = {**own, **new}, True
        return source[:start] + dump(value) if changed else source


BIOC_JSON = BiocJson("bioc-json", (".json",), lines=False)
BIOC_JSON_LINES = BiocJson("bioc-json-lines", (".jsonl", ".ndjson"), lines=True)


def _start(source: bytes) -> int:
    """Return where a document's object begins, behind what stands in front of it."""
    return max(source.rfind(b"\n"), source.rfind(b"\t")) + 1


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
    shown = LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    return shown if len(shown) < 50 else shown[:46] + "..."


def _without_surrogates(value: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a document with U+FFFD for each half of a surrogate pair, so that offsets stay true; it may be itself."""
    if not _ESCAPED_SURROGATE.search(source):
        return value
    text = LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    clean: dict[str, Any] = json.loads(text)
    return clean
