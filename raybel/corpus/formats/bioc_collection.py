"""What stands around the documents of a BioC XML collection: its start, its end, and what is between two documents."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from raybel.errors import InputError

END = b"</collection>\n"
PROLOGUE = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def header(root: Any, first: Any | None) -> bytes:
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


def between(parent: Any, element: Any | None) -> bytes:
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


def end(root: Any) -> bytes:
    """Serialise a collection's end tag, and what follows it."""
    nodes = (etree.tostring(node, encoding="utf-8", with_tail=False) + b"\n" for node in _outside(root, False))
    return END + b"".join(nodes)


def collection_header(source: str) -> bytes:
    """Return the header of a new collection that says where it comes from."""
    shell = etree.Element("collection")
    for name, value in (("source", source), ("date", ""), ("key", "raybel")):
        etree.SubElement(shell, name).text = value
    return PROLOGUE + etree.tostring(shell, encoding="utf-8")[: -len(b"</collection>")] + b"\n"
