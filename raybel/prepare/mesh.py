"""MeSH's descriptors and supplementary concepts (NLM's XML files) as an ontology.

Layout: https://www.nlm.nih.gov/mesh/xml_data_elements.html - a `DescriptorRecord` or `SupplementalRecord` holds a name
and a `ConceptList`, whose concepts hold a name and a `TermList`. The official files measure 300 and 700 MB: they are
streamed, and memory grows with what is kept alone. Their DTD is not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from raybel.errors import InputError
from raybel.ontology import Concept, Ontology
from raybel.prepare.common import build_ontology, find, missing, opened

#: Record element -> (element of its id, of its name, the type that its concepts get, its file's name before the
#: year).
RECORDS = {
    "DescriptorRecord": ("DescriptorUI", "DescriptorName", "descriptor", "desc"),
    "SupplementalRecord": (
        "SupplementalRecordUI",
        "SupplementalRecordName",
        "supplementary",
        "supp",
    ),
}


def read_ontology(directory: str, year: int = 2015) -> Ontology:
    """Read MeSH of a year from the directory with `desc2015.xml` and `supp2015.xml` (each plain or gzipped).

    Aliases are the terms and names of all concepts of a record; the definition is its preferred concept's scope note.

    Raises:
        InputError: A file is missing, isn't MeSH, isn't well-formed or is cut off; a record has no id or stands twice.
    """

    def both() -> Iterator[tuple[str, Concept]]:
        for record, path in found.items():
            for where, concept in read(path, record):
                yield f"{path} {where}", concept

    found: dict[str, str] = {}
    for record, (*_, start) in RECORDS.items():
        names = (f"{start}{year}.xml", f"{start}{year}.xml.gz")
        path = find(directory, names)
        if path is None:
            raise InputError(missing(directory, names), path=directory)
        found[record] = path
    return build_ontology(both(), directory)


def read(path: str, record: str) -> Iterator[tuple[str, Concept]]:
    """Yield (place, concept) for each record of a file.

    Args:
        path: The XML file, plain or gzipped.
        record: A key of `RECORDS`.

    Raises:
        InputError: No such records in it; not well-formed; cut off.
    """
    id_tag, name_tag, kind, _ = RECORDS[record]
    count = 0
    with opened(path) as file:
        try:
            context = etree.iterparse(
                file, tag=record, resolve_entities="internal", no_network=True, load_dtd=False, remove_comments=True
            )
            for _, element in context:
                count += 1
                yield f"record {count}", _concept(element, id_tag, name_tag, kind)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise InputError(f"isn't well-formed XML at line {error.lineno or 0}: {error.msg}", path=path) from error
    if not count:
        raise InputError(f"holds no <{record}> (its root element is <{context.root.tag}>)", path=path)


def _concept(record: Any, id_tag: str, name_tag: str, kind: str) -> Concept:
    """Read a record by paths from its top: a `DescriptorName` further down belongs to another descriptor."""
    aliases, definition = [], ""
    for concept in record.iterfind("ConceptList/Concept"):
        aliases.append(_text(concept, "ConceptName/String"))
        aliases += [_text(term, "String") for term in concept.iterfind("TermList/Term")]
        if concept.get("PreferredConceptYN") == "Y":
            definition = _text(concept, "ScopeNote")
    name = _text(record, f"{name_tag}/String")
    return Concept(_text(record, id_tag), name, aliases, definition, [kind])


def _text(element: Any, path: str) -> str:
    return (element.findtext(path) or "").strip()
