"""BioC XML: documents streamed out of a file, links written into a document's own serialisation.

Format: Comeau et al., "BioC: a minimalist approach to interoperability" (Database 2013). Reading takes memory for one
document at a time. Entities that the file itself defines are expanded (within libxml2's limits on amplification),
external ones are never opened; neither is the DTD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import bioc as model
from lxml import etree

from raybel.corpus.formats.base import LimitedFile, Piece, ShardFormat
from raybel.errors import InputError

#: Stands for an offset that isn't a number; no document with it can be linked.
NOWHERE = -2
_END = b"</collection>\n"
PROLOGUE = b'<?xml version="1.0" encoding="UTF-8"?>\n'
#: Code points that XML 1.0 doesn't allow. As raw bytes they become spaces, as references U+FFFD: offsets stay true.
_CONTROL = bytes(c for c in range(0x20) if c not in (9, 10, 13))
_BLANKS = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))
_REFERENCE = re.compile(rb"&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PARSER_OPTIONS: dict[str, Any] = {
    "resolve_entities": "internal",
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": False,
}


def clean(text: str) -> str:
    """Return a text with each code point that XML 1.0 forbids replaced by a space, so that offsets stay true."""
    return _FORBIDDEN.sub(" ", text)


class CleanedFile(LimitedFile):
    """A binary file that replaces characters which XML forbids, and limits the bytes between two documents."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        super().__init__(file, limit)
        self.held = b""
        self.wide: bool | None = None

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes, b"" at the end."""
        fresh = super().read(size)
        data = self.held + fresh
        if self.wide is None:
            self.wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
        if self.wide:
            return data
        # A reference may be cut by the end of this read: its beginning waits for the next one.
        cut = data.rfind(b"&", max(0, len(data) - 16))
        self.held = data[cut:] if fresh and cut >= 0 and b";" not in data[cut:] else b""
        data = data[: len(data) - len(self.held)]
        if not data and self.held:
            return self.read(size)
        if b"&#" in data:
            data = _REFERENCE.sub(b"&#xFFFD;", data)
        return data.translate(_BLANKS)


class BiocXml(ShardFormat):
    """BioC XML. A serialisation is the `<document>` element, UTF-8."""

    name = "bioc-xml"
    suffixes = (".xml",)
    separator = b""  # each document ends with a line end of its own

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a collection's pieces; see `Format.read`. The line of an error is in its message."""
        guard = CleanedFile(file, max_document_bytes)
        header, before = None, 0
        context = etree.iterparse(guard, events=("end",), tag="document", **_PARSER_OPTIONS)
        try:
            for _, element in context:
                parent = element.getparent()
                if header is None:
                    header = _header(element if parent is None else parent)
                    before = len(parent) - 1
                    yield header
                element.tail = None
                yield to_document(element), etree.tostring(element, encoding="utf-8", xml_declaration=False)
                guard.since_document = 0
                if parent is not None:
                    parent.remove(element)
        except etree.XMLSyntaxError as error:
            line = error.lineno or 0
            raise InputError(f"isn't well-formed XML at line {line}: {error.msg}") from error
        if header is None:
            header = _header(context.root)
            yield header
            yield _END
        else:
            yield _footer(context.root, before)

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a `<document>` element with infons added to its annotations; see `ShardFormat.link`."""
        element = etree.fromstring(source, etree.XMLParser(**_PARSER_OPTIONS))
        gone = frozenset(remove)
        for ordinal, annotation in enumerate(_elements(element)):
            for infon in [each for each in annotation.iterfind("infon") if each.get("key") in gone]:
                annotation.remove(infon)
            place = len(annotation.findall("infon"))
            for key, value in links.get(ordinal, {}).items():
                infon = etree.Element("infon", key=key)
                infon.text = clean(value)
                annotation.insert(place, infon)
                place += 1
        return etree.tostring(element, encoding="utf-8", xml_declaration=False) + b"\n"


BIOC_XML = BiocXml()


def _header(root: Any) -> bytes:
    """Serialise a collection's start up to its first document; checks that it is a BioC collection."""
    if root is None or root.tag != "collection":
        raise InputError(
            f"isn't a BioC collection: its root element is <{getattr(root, 'tag', 'none')}>, not <collection>"
        )
    shell = etree.Element(root.tag, attrib=dict(root.attrib), nsmap=root.nsmap)
    for child in root:
        if child.tag == "document":
            break
        shell.append(etree.fromstring(etree.tostring(child, with_tail=False)))
    doctype = root.getroottree().docinfo.doctype
    body = etree.tostring(shell, encoding="utf-8", xml_declaration=False)
    opened = body[: -len(b"</collection>")] if body.endswith(b"</collection>") else body[:-2] + b">"
    return PROLOGUE + (doctype.encode() + b"\n" if doctype else b"") + opened + b"\n"


def _footer(root: Any, before: int) -> bytes:
    """Serialise what stands behind the last document: the root's children but the first `before`."""
    behind = (etree.tostring(child, encoding="utf-8", with_tail=False) + b"\n" for child in root[before:])
    return b"".join(behind) + _END


def _text(element: Any, name: str) -> str:
    child = element.find(name)
    return "" if child is None else "".join(child.itertext())


def _infons(element: Any) -> dict[str, str]:
    return {child.get("key", ""): "".join(child.itertext()) for child in element.iterfind("infon")}


def _offset(element: Any) -> int:
    try:
        return int(_text(element, "offset") or 0)
    except ValueError:
        return NOWHERE


def to_document(element: Any) -> model.BioCDocument:
    """Return a `<document>` element as bioc's class (no relations: they stay in the serialisation)."""
    document = model.BioCDocument()
    document.id = _text(element, "id")
    document.infons = _infons(element)
    for child in element.iterfind("passage"):
        passage = model.BioCPassage()
        passage.offset, passage.text, passage.infons = _offset(child), _text(child, "text"), _infons(child)
        passage.annotations = [to_annotation(each) for each in child.iterfind("annotation")]
        for inner in child.iterfind("sentence"):
            sentence = model.BioCSentence()
            sentence.offset, sentence.text = _offset(inner), _text(inner, "text")
            sentence.annotations = [to_annotation(each) for each in inner.iterfind("annotation")]
            passage.sentences.append(sentence)
        document.passages.append(passage)
    document.annotations = [to_annotation(each) for each in element.iterfind("annotation")]
    return document


def to_annotation(element: Any) -> model.BioCAnnotation:
    """Return an `<annotation>` element as bioc's class; a location that isn't two numbers is left out."""
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = element.get("id") or "", _text(element, "text")
    annotation.infons = _infons(element)
    for place in element.iterfind("location"):
        offset, length = place.get("offset", ""), place.get("length", "")
        if offset.isdecimal() and length.isdecimal() and max(len(offset), len(length)) < 10:
            annotation.locations.append(model.BioCLocation(int(offset), int(length)))
    return annotation


def _elements(document: Any) -> Iterator[Any]:
    for passage in document.iterfind("passage"):
        yield from passage.iterfind("annotation")
        for sentence in passage.iterfind("sentence"):
            yield from sentence.iterfind("annotation")
    yield from document.iterfind("annotation")


def to_source(document: model.BioCDocument) -> bytes:
    """Return a document (with passages and their annotations) as a `<document>` element, UTF-8, one line."""
    root = etree.Element("document")
    etree.SubElement(root, "id").text = clean(document.id)
    _add_infons(root, document.infons)
    for passage in document.passages:
        part = etree.SubElement(root, "passage")
        _add_infons(part, passage.infons)
        etree.SubElement(part, "offset").text = str(passage.offset)
        etree.SubElement(part, "text").text = clean(passage.text)
        for annotation in passage.annotations:
            mention = etree.SubElement(part, "annotation", id=annotation.id)
            _add_infons(mention, annotation.infons)
            for place in annotation.locations:
                etree.SubElement(mention, "location", offset=str(place.offset), length=str(place.length))
            etree.SubElement(mention, "text").text = clean(annotation.text)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n"


def _add_infons(element: Any, infons: Mapping[str, str]) -> None:
    for key, value in infons.items():
        etree.SubElement(element, "infon", key=clean(key)).text = clean(value)


def new_collection(source: str, documents: Iterable[model.BioCDocument]) -> Iterator[Piece]:
    """Yield the pieces of a collection that isn't in a file yet, as `BiocXml.read` would yield them.

    Args:
        source: The collection's `<source>`.
        documents: With passages and annotations; none makes an empty collection.
    """
    yield collection_header(source)
    for document in documents:
        yield document, to_source(document)
    yield _END


def collection_header(source: str) -> bytes:
    """Return the header of a new collection that says where it comes from."""
    shell = etree.Element("collection")
    for name, value in (("source", source), ("date", ""), ("key", "raybel")):
        etree.SubElement(shell, name).text = value
    return PROLOGUE + etree.tostring(shell, encoding="utf-8")[: -len(b"</collection>")] + b"\n"
