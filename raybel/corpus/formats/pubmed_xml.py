"""PubMed XML: the baseline and update files of PubMed, and what its web service exports.

Format: NLM's DTD `pubmed_190101.dtd`, which is never opened. A file is a `<PubmedArticleSet>` or a
`<PubmedBookArticleSet>` of `<PubmedArticle>`, `<PubmedBookArticle>` and `<DeleteCitation>`, or one article by itself.
Memory for one article at a time.

**Text** is the source's characters, exactly: tags of inline markup (`<i>`, `<sub>`, MathML), comments and processing
instructions vanish, what they enclose in elements stays, and nothing is added, not even white space.

**Passages**, by their infon `type`, in this order:

| type | from | further infons |
| --- | --- | --- |
| `title` | `ArticleTitle`, of a book or a chapter without one `BookTitle`; always there, even if empty | |
| `abstract` | each `AbstractText` of `Abstract` | `label` (`Label`), `section_type` (`NlmCategory`) |
| `other_abstract` | each `AbstractText` of each `OtherAbstract` | these, and `language`, `abstract_type` (`Type`) |
| `vernacular_title` | `VernacularTitle` | |
| `section_title` | each `SectionTitle` of a book's `Sections` | |

A passage starts one code point behind the end of the one before, the title at 0: as in PubTator's key of BioC, where
passages have one space between them. PubTator itself has an abstract's parts in one passage, with their labels in its
text (`BACKGROUND: ...`); labels are no text here, so offsets agree with PubTator's in abstracts without labels only.

**Infons** of a document, each where it has a value, several of them with `|` between: `version`, `journal` (its
abbreviation), `issn` (the linking one), `nlm_id`, `year`, `doi`, `pmcid`, `publication_types`, `languages`, `mesh` (ids
of its headings' descriptors), and `book` (the book's title, of a chapter). White space in them is folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

import bioc as model
from lxml import etree

from raybel.corpus.formats.base import Format, Piece, ShardFormat
from raybel.corpus.formats.bioc_collection import END, collection_header
from raybel.corpus.formats.bioc_xml import BIOC_XML, to_xml
from raybel.corpus.formats.content import PUBMED_ROOTS
from raybel.corpus.formats.xml_stream import PARSER_OPTIONS, CleanedFile, in_words
from raybel.errors import InputError

_ARTICLES = ("PubmedArticle", "PubmedBookArticle")
#: Lists of the PMIDs of citations that are deleted.
_DELETIONS = ("DeleteCitation", "DeleteDocument")
#: Of the shard; not made anew for each file, of which there may be one for each document.
_HEADER = collection_header("PubMed")
_YEAR = re.compile(r"[0-9]{4}")


class PubmedXml(Format):
    """PubMed XML; its shards are BioC XML.

    A document has two more attributes: `version` (int, None where the file says none), and `deleted`. One that is
    deleted stands for a PMID of `DeleteCitation`: it has no passages, and its serialisation is b"". An article without
    a PMID has a `problem`; a PMID that is there several times is several documents.
    """

    name = "pubmed-xml"
    suffixes = (".xml",)

    @property
    def shard_format(self) -> ShardFormat:
        """BioC XML."""
        return BIOC_XML

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a file's pieces; see `Format.read`. The line of an error is in its message."""
        cleaned = CleanedFile(file, max_document_bytes)
        tags = [f"{{*}}{name}" for name in (*_ARTICLES, *_DELETIONS)]
        context = etree.iterparse(cleaned, events=("end",), tag=tags, **PARSER_OPTIONS)
        begun = False
        try:
            for _, element in context:
                _check_place(element)
                if not begun:
                    begun = True
                    yield _HEADER
                if element.tag in _ARTICLES:
                    document = to_document(element)
                    yield document, to_xml(document)
                else:
                    yield from _deleted(element)
                cleaned.since_document = 0
                _free(element)
        except etree.XMLSyntaxError as error:
            raise InputError(in_words(error)) from error
        _check_root(context.root)
        if context.root.tag not in _ARTICLES:
            _check_are_articles(context.root.iterchildren(etree.Element))
        if not begun:
            yield _HEADER
        yield END


PUBMED_XML = PubmedXml()


def _check_root(root: Any) -> None:
    """Refuse a file whose root element isn't one of `PUBMED_ROOTS`, or is in an XML namespace.

    Raises:
        InputError: It is.
    """
    name = etree.QName(root)
    if name.namespace:
        raise InputError(
            f"isn't PubMed XML: its root element <{name.localname}> is in the XML namespace {name.namespace}, PubMed's "
            "is in none: take xmlns and prefixes out"
        )
    if name.localname not in PUBMED_ROOTS:
        raise InputError(f"isn't PubMed XML: its root element is <{name.localname}>, not <{PUBMED_ROOTS[0]}>")


def _check_place(element: Any) -> None:
    """Refuse an article, or a list of deletions, that isn't directly in a set or by itself, or is in a namespace.

    Raises:
        InputError: It is refused, or what stands before it in the set is something else.
    """
    parent = element.getparent()
    _check_root(element if parent is None else element.getroottree().getroot())
    name = etree.QName(element)
    if name.namespace:
        raise InputError(
            f"isn't PubMed XML at line {element.sourceline}: its <{name.localname}> elements are in the XML namespace "
            f"{name.namespace}, PubMed's are in none: take xmlns and prefixes out"
        )
    if parent is not None:
        if parent.getparent() is not None or parent.tag in _ARTICLES:
            raise InputError(
                f"isn't PubMed XML at line {element.sourceline}: <{name.localname}> stands in "
                f"<{etree.QName(parent).localname}>, not directly in <{PUBMED_ROOTS[0]}>"
            )
        _check_are_articles(element.itersiblings(etree.Element, preceding=True))


def _check_are_articles(children: Iterable[Any]) -> None:
    """Refuse elements of a set that aren't articles and would get lost.

    Raises:
        InputError: There is one.
    """
    for child in children:
        if child.tag not in (*_ARTICLES, *_DELETIONS):
            raise InputError(
                f"isn't PubMed XML at line {child.sourceline}: <{etree.QName(child).localname}> stands where "
                f"<{_ARTICLES[0]}> should be"
            )


def _free(element: Any) -> None:
    """Take what is dealt with out of memory; the element itself stays, emptied, for the parser."""
    element.clear()
    while (before := element.getprevious()) is not None and (parent := element.getparent()) is not None:
        parent.remove(before)


def _deleted(element: Any) -> Iterator[Piece]:
    """Yield a document for each PMID of a list of deletions."""
    for pmid in element.iterchildren("PMID"):
        document = model.BioCDocument()
        document.id, document.version, document.deleted = _folded(pmid), _version(pmid), True
        if document.id:
            yield document, b""


def to_document(article: Any) -> model.BioCDocument:
    """Return a `<PubmedArticle>` or `<PubmedBookArticle>` element as bioc's class; see the module and `PubmedXml`."""
    is_book = article.tag == "PubmedBookArticle"
    citation = _children(_child(article, "BookDocument" if is_book else "MedlineCitation"))
    data = _children(_child(article, "PubmedBookData" if is_book else "PubmedData"))
    content = citation if is_book else _children(_first(citation, "Article"))
    document = model.BioCDocument()
    document.deleted, document.version = False, None
    pmid = _first(citation, "PMID")
    if pmid is not None:
        document.id, document.version = _folded(pmid), _version(pmid)
    if not document.id:
        document.problem = "an article has no PMID"
    title, book_title = _first(content, "ArticleTitle"), None
    if is_book:
        book_title = _child(_first(citation, "Book"), "BookTitle")
        if title is None or not _text(title).strip():
            title, book_title = book_title, None
    document.infons = _infons(document.version, citation, content, data)
    if book_title is not None and (name := _folded(book_title)):
        document.infons["book"] = name
    document.passages = _passages(title, citation, content)
    return document


def _passages(title: Any, citation: dict[str, list[Any]], content: dict[str, list[Any]]) -> list[model.BioCPassage]:
    """Return an article's passages, each one code point behind the one before."""
    passages: list[model.BioCPassage] = []

    def add(kind: str, element: Any, **infons: str | None) -> None:
        passage = model.BioCPassage()
        last = passages[-1] if passages else None
        passage.offset = last.offset + len(last.text) + 1 if last is not None else 0
        passage.text = "" if element is None else _text(element)
        passage.infons = {"type": kind, **{key: value for key, value in infons.items() if value}}
        passages.append(passage)

    def add_parts(kind: str, abstract: Any, **infons: str | None) -> None:
        for part in abstract.iterchildren("AbstractText"):
            add(kind, part, label=part.get("Label"), section_type=part.get("NlmCategory"), **infons)

    add("title", title)
    for abstract in content.get("Abstract", ()):
        add_parts("abstract", abstract)
    for abstract in citation.get("OtherAbstract", ()):
        add_parts("other_abstract", abstract, language=abstract.get("Language"), abstract_type=abstract.get("Type"))
    for vernacular in content.get("VernacularTitle", ()):
        add("vernacular_title", vernacular)
    for sections in citation.get("Sections", ()):
        for section_title in sections.iter("SectionTitle"):
            add("section_title", section_title)
    return passages


def _infons(
    version: int | None, citation: dict[str, list[Any]], content: dict[str, list[Any]], data: dict[str, list[Any]]
) -> dict[str, str]:
    """Return an article's infons; a book's citation is its content too."""
    about = _children(_first(citation, "MedlineJournalInfo"))
    journal = _children(_first(content, "Journal"))
    issue = _children(_first(journal, "JournalIssue") if journal else _first(content, "Book"))
    date = _children(_first(issue, "PubDate"))
    year = _YEAR.search(_of_first(date, "Year") or _of_first(date, "MedlineDate"))
    types = content.get("PublicationType") or _children(_first(content, "PublicationTypeList")).get("PublicationType")
    headings = _first(citation, "MeshHeadingList")
    descriptors = () if headings is None else (_child(each, "DescriptorName") for each in headings.iterchildren())
    doi = [
        each for each in content.get("ELocationID", ()) if each.get("EIdType") == "doi" and each.get("ValidYN") != "N"
    ]
    ids = {
        each.get("IdType"): _folded(each)
        for lists in (content, data)
        for each in _children(_first(lists, "ArticleIdList")).get("ArticleId", ())
    }
    infons = {
        "version": "" if version is None else str(version),
        "journal": _of_first(about, "MedlineTA")
        or _of_first(journal, "ISOAbbreviation")
        or _of_first(journal, "Title"),
        "issn": _of_first(about, "ISSNLinking") or _of_first(journal, "ISSN"),
        "nlm_id": _of_first(about, "NlmUniqueID"),
        "year": year[0] if year else "",
        "doi": _folded(doi[0]) if doi else ids.get("doi", ""),
        "pmcid": ids.get("pmc", ""),
        "publication_types": _joined(map(_folded, types or ())),
        "languages": _joined(map(_folded, content.get("Language", ()))),
        "mesh": _joined(each.get("UI", "") for each in descriptors if each is not None),
    }
    return {key: value for key, value in infons.items() if value}


def _version(pmid: Any) -> int | None:
    version = pmid.get("Version", "").strip()
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else None


def _children(element: Any | None) -> dict[str, list[Any]]:
    """Return an element's children by their tags."""
    found: dict[str, list[Any]] = {}
    if element is not None:
        for child in element.iterchildren(etree.Element):
            found.setdefault(child.tag, []).append(child)
    return found


def _child(element: Any | None, tag: str) -> Any | None:
    return None if element is None else next(element.iterchildren(tag), None)


def _first(children: dict[str, list[Any]], tag: str) -> Any | None:
    found = children.get(tag)
    return found[0] if found else None


def _text(element: Any) -> str:
    """Return the characters in an element and in those within it, without comments and processing instructions."""
    return "".join(element.itertext(etree.Element)) if len(element) else element.text or ""


def _folded(element: Any) -> str:
    return " ".join(_text(element).split())


def _of_first(children: dict[str, list[Any]], tag: str) -> str:
    element = _first(children, tag)
    return "" if element is None else _folded(element)


def _joined(values: Iterable[str]) -> str:
    return "|".join(value for value in values if value)
