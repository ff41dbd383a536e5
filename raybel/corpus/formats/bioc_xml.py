"""BioC XML: documents streamed out of a file, links written into a document's own serialisation.

Format: Comeau et al., "BioC: a minimalist approach to interoperability" (Database 2013). Reading takes memory for one
document at a time. Entities that the file itself defines are expanded (within libxml2's limits on amplification),
external ones are never opened; neither is the DTD. What stands around documents, comments too, is kept in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any
from xml.sax.saxutils import escape

import bioc as model
from lxml import etree

from raybel.corpus.formats.base import Piece, ShardFormat, read_offset, whole_number
from raybel.corpus.formats.xml_stream import PARSER_OPTIONS, CleanedFile, in_words, replace_forbidden
from raybel.errors import InputError

END = b"</collection>\n"
_DOCUMENT_TAG = re.compile(rb"<document[\s/>]")
PROLOGUE = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class BiocXml(ShardFormat):
    """BioC XML; a document's serialisation is its `<document>` element, UTF-8."""

    name = "bioc-xml"
    suffixes = (".xml",)

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a collection's pieces; see `Format.read`. The line of an error is in its message."""
        cleaned = CleanedFile(file, max_document_bytes)
        header, before = None, b""
        context = etree.iterparse(cleaned, events=("end",), tag="{*}document", **PARSER_OPTIONS)
        try:
            for _, element in context:
                parent = element.getparent()
                if parent is None or parent.getparent() is not None:
                    _check_place(element)
                    continue
                _check_namespace(element)
                if header is None:
                    header = _header(parent, element)
                    yield header
                else:
                    before = _between(parent, element)
                source = before + etree.tostring(element, encoding="utf-8", with_tail=False)
                yield to_document(element), source
                cleaned.since_document = 0
                element.clear(keep_tail=True)  # the element itself stays for what follows it
        except etree.XMLSyntaxError as error:
            raise InputError(in_words(error)) from error
        root = context.root
        if header is None:
            yield _header(root, None)
            yield _end(root)
        else:
            yield _between(root, None) + _end(root)

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a `<document>` element with infons added to its annotations; see `ShardFormat.link`."""
        if not source:  # a document that is deleted
            return source
        if _DOCUMENT_TAG.match(source):
            element, around = etree.fromstring(source, etree.XMLParser(**PARSER_OPTIONS)), None
        else:
            around = etree.fromstring(b"<around>" + source + b"</around>", etree.XMLParser(**PARSER_OPTIONS))
            element = around[-1]
        removed_keys = frozenset(remove)
        for ordinal, annotation in enumerate(_annotations(element)):
            for infon in annotation.findall("infon"):
                if infon.get("key") in removed_keys:
                    annotation.remove(infon)
            for position, (key, value) in enumerate(links.get(ordinal, {}).items(), len(annotation.findall("infon"))):
                infon = etree.Element("infon", key=key)
                infon.text = replace_forbidden(value)
                annotation.insert(position, infon)
        before = b"" if around is None else _between(around, element)
        return before + etree.tostring(element, encoding="utf-8", xml_declaration=False) + b"\n"


BIOC_XML = BiocXml()


def _check_place(element: Any) -> None:
    """Refuse a document that is neither the root (which gets an error of its own) nor inside of another document.

    Raises:
        InputError: It stands in another element than the collection, where it wouldn't be linked.
    """
    above = [etree.QName(ancestor).localname for ancestor in element.iterancestors()]
    if above and "document" not in above:
        raise InputError(
            f"isn't BioC at line {element.sourceline}: a <document> stands in <{above[0]}>, not directly in "
            "<collection>"
        )


def _check_namespace(element: Any) -> None:
    """Refuse a document that is in an XML namespace.

    Raises:
        InputError: It is.
    """
    name = etree.QName(element)
    if name.namespace:
        raise InputError(
            f"isn't BioC at line {element.sourceline}: its <document> elements are in the XML namespace "
            f"{name.namespace}, BioC's are in none: take xmlns and prefixes out"
        )


def _header(root: Any, first: Any | None) -> bytes:
    """Serialise a collection's start up to its first document, or all in it where there is none.

    Raises:
        InputError: The root isn't a BioC collection.
    """
    if root is None or root.tag != "collection":
        raise InputError(_wrong_root(root))
    doctype = root.getroottree().docinfo.doctype
    head = b"".join(etree.tostring(node, encoding="utf-8", with_tail=False) + b"\n" for node in _outside(root, True))
    shell = etree.tostring(etree.Element(root.tag, attrib=dict(root.attrib), nsmap=root.nsmap), encoding="utf-8")
    start = PROLOGUE + (doctype.encode() + b"\n" if doctype else b"") + head + shell[: -len(b"/>")] + b">"
    return start + _content(root, first) + b"\n"


def _wrong_root(root: Any) -> str:
    name = etree.QName(root) if root is not None else None
    shown = f"<{root.prefix + ':' if root.prefix else ''}{name.localname}>" if name is not None else "missing"
    advice = ""
    if name is not None and name.namespace and name.localname == "collection":
        advice = f" in the XML namespace {name.namespace}, and BioC's is in none: take xmlns and prefixes out"
    elif name is not None and name.localname == "document":
        advice = ": put it into a <collection>"
    return f"isn't a BioC collection or PubMed XML: its root element is {shown}, not <collection>{advice}"


def _outside(root: Any, before: bool) -> list[Any]:
    """The comments and processing instructions before or behind a root element, in order."""
    nodes = list(root.itersiblings(preceding=before))
    return nodes[::-1] if before else nodes


def _content(parent: Any, until: Any | None) -> bytes:
    """Serialise what a parent holds before one of its children (all, for None); white space between is left out."""
    pieces = [_characters(parent.text)]
    for child in parent:
        if child is until:
            break
        pieces += [etree.tostring(child, encoding="utf-8", with_tail=False), _characters(child.tail)]
    return b"".join(pieces)


def _between(parent: Any, element: Any | None) -> bytes:
    """Serialise what stands between the document before and an element (the end, for None), and take both off."""
    passed = []
    for child in parent:
        if child is element:
            break
        passed.append(child)
    last = max((place for place, child in enumerate(passed) if child.tag == "document"), default=-1)
    pieces = [_characters(passed[last].tail if last >= 0 else parent.text)]
    for child in passed[last + 1 :]:
        pieces += [etree.tostring(child, encoding="utf-8", with_tail=False), _characters(child.tail)]
    for child in passed:
        parent.remove(child)
    parent.text = None
    return b"".join(piece + b"\n" for piece in pieces if piece)


def _characters(text: str | None) -> bytes:
    """Escape text that stands beside elements, without white space around it."""
    return escape((text or "").strip()).encode()


def _end(root: Any) -> bytes:
    """Serialise a collection's end tag, and what follows it."""
    nodes = (etree.tostring(node, encoding="utf-8", with_tail=False) + b"\n" for node in _outside(root, False))
    return END + b"".join(nodes)


def _text(element: Any, name: str) -> str:
    child = element.find(name)
    return "" if child is None else "".join(child.itertext())


def _infons(element: Any) -> dict[str, str]:
    return {child.get("key", ""): "".join(child.itertext()) for child in element.iterfind("infon")}


def to_document(element: Any) -> model.BioCDocument:
    """Return a `<document>` element as bioc's class (no relations: they stay in the serialisation).

    The document has an attribute `problem` where an offset of its own isn't a whole number.
    """
    document = model.BioCDocument()
    problems: list[str] = []
    document.id = _text(element, "id")
    document.infons = _infons(element)
    for number, child in enumerate(element.iterfind("passage"), 1):
        passage = model.BioCPassage()
        passage.offset = read_offset(_text(child, "offset"), f"passage {number}", 0 if number == 1 else None, problems)
        passage.text, passage.infons = _text(child, "text"), _infons(child)
        passage.annotations = list(map(to_annotation, child.iterfind("annotation")))
        for inner in child.iterfind("sentence"):
            sentence = model.BioCSentence()
            name = f"a sentence of passage {number}"
            missing = passage.offset if passage.text or not passage.sentences else None
            sentence.offset = read_offset(_text(inner, "offset"), name, missing, problems)
            sentence.text = _text(inner, "text")
            sentence.annotations = list(map(to_annotation, inner.iterfind("annotation")))
            passage.sentences.append(sentence)
        document.passages.append(passage)
    document.annotations = list(map(to_annotation, element.iterfind("annotation")))
    if problems:
        document.problem = problems[0]
    return document


def to_annotation(element: Any) -> model.BioCAnnotation:
    """Return an `<annotation>` element as bioc's class.

    One with a location that isn't two whole numbers has no locations, and a `problem`.
    """
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = element.get("id") or "", _text(element, "text")
    annotation.infons = _infons(element)
    for location in element.iterfind("location"):
        try:
            if missing := [name for name in ("offset", "length") if location.get(name) is None]:
                raise ValueError(f"has no {' and no '.join(missing)}")
            places = [whole_number(location.get(name), name) for name in ("offset", "length")]
            annotation.locations.append(model.BioCLocation(*places))
        except ValueError as error:
            annotation.locations, annotation.problem = [], f"the location {error}"
            break
    return annotation


def _annotations(document: Any) -> Iterator[Any]:
    """A document's annotation elements in the order of `documents.mentions_in`."""
    for passage in document.iterfind("passage"):
        yield from passage.iterfind("annotation")
        for sentence in passage.iterfind("sentence"):
            yield from sentence.iterfind("annotation")
    yield from document.iterfind("annotation")


def to_xml(document: model.BioCDocument) -> bytes:
    """Return a document (passages, their annotations, the document's relations) as a `<document>`, UTF-8, one line."""
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
    for relation in document.relations:
        element = etree.SubElement(root, "relation", id=relation.id)
        _add_infons(element, relation.infons)
        for node in relation.nodes:
            etree.SubElement(element, "node", refid=node.refid, role=node.role)
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
    yield END


def collection_header(source: str) -> bytes:
    """Return the header of a new collection that says where it comes from."""
    shell = etree.Element("collection")
    for name, value in (("source", source), ("date", ""), ("key", "raybel")):
        etree.SubElement(shell, name).text = value
    return PROLOGUE + etree.tostring(shell, encoding="utf-8")[: -len(b"</collection>")] + b"\n"
