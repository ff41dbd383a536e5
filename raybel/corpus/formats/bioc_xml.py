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

#: The offset of a passage whose own isn't a number; its document can't be linked.
INVALID_OFFSET = -2
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


def replace_forbidden(text: str) -> str:
    """Return a text with each code point that XML 1.0 forbids replaced by a space, so that offsets stay true."""
    return _FORBIDDEN.sub(" ", text)


class CleanedFile(LimitedFile):
    """A binary file that replaces characters which XML forbids, and limits the bytes of a document."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        super().__init__(file, limit)
        self.pending = b""
        self.wide_units: bool | None = None

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes, b"" at the end."""
        read = super().read(size)
        data = self.pending + read
        if self.wide_units is None:  # UTF-16 or UTF-32, whose bytes mean something other
            self.wide_units = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
        if self.wide_units:
            return data
        # A reference may be cut by the end of this read: its beginning waits for the next one.
        cut = data.rfind(b"&", max(0, len(data) - 16))
        self.pending = data[cut:] if read and cut >= 0 and b";" not in data[cut:] else b""
        data = data[: len(data) - len(self.pending)]
        if not data and self.pending:
            return self.read(size)
        if b"&#" in data:
            data = _REFERENCE.sub(b"&#xFFFD;", data)
        return data.translate(_BLANKS)


class BiocXml(ShardFormat):
    """BioC XML; a document's serialisation is its `<document>` element, UTF-8."""

    name = "bioc-xml"
    suffixes = (".xml",)
    separator = b""  # a linked document ends with a line end of its own

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a collection's pieces; see `Format.read`. The line of an error is in its message."""
        cleaned = CleanedFile(file, max_document_bytes)
        header, before = None, 0
        context = etree.iterparse(cleaned, events=("end",), tag="document", **_PARSER_OPTIONS)
        try:
            for _, element in context:
                parent = element.getparent()
                if header is None:
                    header = _header(element if parent is None else parent)
                    before = len(parent) - 1
                    yield header
                element.tail = None
                yield to_document(element), etree.tostring(element, encoding="utf-8", xml_declaration=False)
                cleaned.since_document = 0
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
        removed_keys = frozenset(remove)
        for ordinal, annotation in enumerate(_annotations(element)):
            for infon in annotation.findall("infon"):
                if infon.get("key") in removed_keys:
                    annotation.remove(infon)
            position = len(annotation.findall("infon"))
            for key, value in links.get(ordinal, {}).items():
                infon = etree.Element("infon", key=key)
                infon.text = replace_forbidden(value)
                annotation.insert(position, infon)
                position += 1
        return etree.tostring(element, encoding="utf-8", xml_declaration=False) + b"\n"


BIOC_XML = BiocXml()


def _header(root: Any) -> bytes:
    """Serialise a collection's start up to its first document.

    Raises:
        InputError: The root isn't a BioC collection.
    """
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
    start = body[: -len(b"</collection>")] if body.endswith(b"</collection>") else body[:-2] + b">"
    return PROLOGUE + (doctype.encode() + b"\n" if doctype else b"") + start + b"\n"


def _footer(root: Any, before: int) -> bytes:
    """Serialise what follows the last document: the root's children but the first `before`."""
    following = (etree.tostring(child, encoding="utf-8", with_tail=False) + b"\n" for child in root[before:])
    return b"".join(following) + _END


def _text(element: Any, name: str) -> str:
    child = element.find(name)
    return "" if child is None else "".join(child.itertext())


def _infons(element: Any) -> dict[str, str]:
    return {child.get("key", ""): "".join(child.itertext()) for child in element.iterfind("infon")}


def _offset(element: Any) -> int:
    try:
        return int(_text(element, "offset") or 0)
    except ValueError:
        return INVALID_OFFSET


def to_document(element: Any) -> model.BioCDocument:
    """Return a `<document>` element as bioc's class (no relations: they stay in the serialisation)."""
    document = model.BioCDocument()
    document.id = _text(element, "id")
    document.infons = _infons(element)
    for child in element.iterfind("passage"):
        passage = model.BioCPassage()
        passage.offset, passage.text, passage.infons = _offset(child), _text(child, "text"), _infons(child)
        passage.annotations = list(map(to_annotation, child.iterfind("annotation")))
        for inner in child.iterfind("sentence"):
            sentence = model.BioCSentence()
            sentence.offset, sentence.text = _offset(inner), _text(inner, "text")
            sentence.annotations = list(map(to_annotation, inner.iterfind("annotation")))
            passage.sentences.append(sentence)
        document.passages.append(passage)
    document.annotations = list(map(to_annotation, element.iterfind("annotation")))
    return document


def to_annotation(element: Any) -> model.BioCAnnotation:
    """Return an `<annotation>` element as bioc's class; a location that isn't two numbers is left out."""
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = element.get("id") or "", _text(element, "text")
    annotation.infons = _infons(element)
    for location in element.iterfind("location"):
        offset, length = location.get("offset", ""), location.get("length", "")
        if offset.isdecimal() and length.isdecimal() and max(len(offset), len(length)) < 10:
            annotation.locations.append(model.BioCLocation(int(offset), int(length)))
    return annotation


def _annotations(document: Any) -> Iterator[Any]:
    """A document's annotation elements in the order of `documents.mentions_in`."""
    for passage in document.iterfind("passage"):
        yield from passage.iterfind("annotation")
        for sentence in passage.iterfind("sentence"):
            yield from sentence.iterfind("annotation")
    yield from document.iterfind("annotation")


def to_xml(document: model.BioCDocument) -> bytes:
    """Return a document (with passages and their annotations) as a `<document>` element, UTF-8, one line."""
    root = etree.Element("document")
    etree.SubElement(root, "id").text = replace_forbidden(document.id)
    _add_infons(root, document.infons)
    for passage in document.passages:
        element = etree.SubElement(root, "passage")
        _add_infons(element, passage.infons)
        etree.SubElement(element, "offset").text = str(passage.offset)
        etree.SubElement(element, "text").text = replace_forbidden(passage.text)
        for annotation in passage.annotations:
            mention = etree.SubElement(element, "annotation", id=annotation.id)
            _add_infons(mention, annotation.infons)
            for location in annotation.locations:
                etree.SubElement(mention, "location", offset=str(location.offset), length=str(location.length))
            etree.SubElement(mention, "text").text = replace_forbidden(annotation.text)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n"


def _add_infons(element: Any, infons: Mapping[str, str]) -> None:
    for key, value in infons.items():
        etree.SubElement(element, "infon", key=replace_forbidden(key)).text = replace_forbidden(value)


def new_collection(source: str, documents: Iterable[model.BioCDocument]) -> Iterator[Piece]:
    """Yield the pieces of a collection that isn't in a file yet, as `BiocXml.read` would yield them.

    Args:
        source: The collection's `<source>`.
        documents: Documents with passages and annotations; may be empty.
    """
    yield collection_header(source)
    for document in documents:
        yield document, to_xml(document)
    yield _END


def collection_header(source: str) -> bytes:
    """Return the header of a new collection that says where it comes from."""
    shell = etree.Element("collection")
    for name, value in (("source", source), ("date", ""), ("key", "raybel")):
        etree.SubElement(shell, name).text = value
    return PROLOGUE + etree.tostring(shell, encoding="utf-8")[: -len(b"</collection>")] + b"\n"
