"""BioC XML: documents streamed out of a file, links written into a document's own serialisation.

Format: Comeau et al., "BioC: a minimalist approach to interoperability" (Database 2013). Reading takes memory for one
document at a time. Entities that the file itself defines are expanded (within libxml2's limits on amplification),
external ones are never opened; neither is the DTD. What stands around documents, comments too, is kept in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import bioc as model
from lxml import etree

from raybel.corpus.formats.base import Piece, ShardFormat, read_offset, whole_number
from raybel.corpus.formats.bioc_collection import END, between, collection_header, end
from raybel.corpus.formats.bioc_collection import header as header_of
from raybel.corpus.formats.xml_stream import PARSER_OPTIONS, CleanedFile, in_words, replace_forbidden
from raybel.errors import InputError

_DOCUMENT_TAG = re.compile(rb"<document[\s/>]")


class BiocXml(ShardFormat):
    """BioC XML; a document's serialisation is its `<document>` element, UTF-8."""

    name = "bioc-xml"
    suffixes = (".xml",)
    bundle_footer = END

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
                    header = header_of(parent, element)
                    yield header
                else:
                    before = between(parent, element)
                source = before + etree.tostring(element, encoding="utf-8", with_tail=False)
                yield to_document(element), source
                cleaned.since_document = 0
                element.clear(keep_tail=True)  # the element itself stays for what follows it
        except etree.XMLSyntaxError as error:
            raise InputError(in_words(error)) from error
        root = context.root
        if header is None:
            yield header_of(root, None)
            yield end(root)
        else:
            yield between(root, None) + end(root)

    def link(self, source: bytes, links: Mapping[int, Mapping[str, str]], remove: Iterable[str] = ()) -> bytes:
        """Return a `<document>` element with infons added to its annotations; see `ShardFormat.link`."""
        around, element = _element(source)
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
        return _serialised(around, element)

    def bundle_header(self, source: str) -> bytes:
        """Return the header of a collection that names its source."""
        return collection_header(source)

    def in_bundle(self, source: bytes, first: bool) -> bytes:
        """Return a `<document>` element by itself."""
        if _DOCUMENT_TAG.match(source):
            return source
        return etree.tostring(_element(source)[1], encoding="utf-8", with_tail=False)

    def parse(self, source: bytes) -> model.BioCDocument:
        """Return the document of a `<document>` element."""
        return to_document(_element(source)[1])

    def annotate(
        self, source: bytes, annotations: Sequence[Sequence[model.BioCAnnotation]], replace: bool = False
    ) -> bytes:
        """Return a `<document>` element with annotations added; see `ShardFormat.annotate`.

        A passage that has its text in sentences gets them in the sentence that they begin in. Relations stay, also
        those whose annotations are taken out.
        """
        around, element = _element(source)
        if replace:
            for annotation in list(_annotations(element)):
                annotation.getparent().remove(annotation)
        for passage, new in zip(element.iterfind("passage"), annotations, strict=True):
            for annotation in new:
                parent = _parent_of(passage, annotation.locations[0].offset)
                before = [number for number, child in enumerate(parent) if child.tag != "relation"]
                parent.insert(before[-1] + 1 if before else 0, _annotation_element(annotation))
        return _serialised(around, element)


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


def _element(source: bytes) -> tuple[Any | None, Any]:
    """Parse a document's serialisation: (what holds it and what stands in front of it, or None; its element)."""
    parser = etree.XMLParser(**PARSER_OPTIONS)
    if _DOCUMENT_TAG.match(source):
        return None, etree.fromstring(source, parser)
    around = etree.fromstring(b"<around>" + source + b"</around>", parser)
    return around, around[-1]


def _serialised(around: Any | None, element: Any) -> bytes:
    before = b"" if around is None else between(around, element)
    return before + etree.tostring(element, encoding="utf-8", xml_declaration=False) + b"\n"


def _parent_of(passage: Any, offset: int) -> Any:
    """Return what an annotation at an offset belongs into: the passage, or the sentence that it begins in."""
    if passage.find("text") is not None:
        return passage
    starts = ((sentence, _text(sentence, "offset").strip()) for sentence in passage.iterfind("sentence"))
    before = [sentence for sentence, start in starts if not start or int(start) <= offset]
    return before[-1] if before else passage


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
        element.extend(map(_annotation_element, passage.annotations))
    for relation in document.relations:
        element = etree.SubElement(root, "relation", id=relation.id)
        _add_infons(element, relation.infons)
        for node in relation.nodes:
            etree.SubElement(element, "node", refid=node.refid, role=node.role)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n"


def _annotation_element(annotation: model.BioCAnnotation) -> Any:
    element = etree.Element("annotation", id=annotation.id)
    _add_infons(element, annotation.infons)
    for location in annotation.locations:
        etree.SubElement(element, "location", offset=str(location.offset), length=str(location.length))
    etree.SubElement(element, "text").text = replace_forbidden(annotation.text)
    return element


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
