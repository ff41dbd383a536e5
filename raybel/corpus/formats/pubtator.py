r"""PubTator text: what PubTator exports, and the format of NCBI Disease, BC5CDR, BioRED and MedMentions.

A document is a title line `pmid|t|text`, an abstract line `pmid|a|text`, which may be missing, and lines of
tab-separated columns: annotations (pmid, start, end, text, type, ids, the parts of a composite in words; the last two
may be missing) and relations (pmid, type, id, id, and in BioRED whether it is novel). Offsets are code points; the
title starts at 0, the abstract at `len(title) + 1`. Lines end at `\n` or `\r\n`, and nowhere else: other separators
occur inside texts.

A document becomes BioC with the passages `title` and `abstract`. The columns of an annotation are its infons `type`,
`concept_id` (several ids and prefixes as they stand) and `parts`, without white space around them; an empty column is
no infon. A relation has the infons `type`, `entity1`, `entity2` and `novel`, as BioRED's BioC has them, and a node for
each id that an annotation has: the first one that has it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import bioc as model

from raybel.corpus.formats.base import Format, LimitedFile, Piece, ShardFormat, whole_number
from raybel.corpus.formats.bioc_xml import BIOC_XML, new_collection
from raybel.corpus.formats.content import encoding_of
from raybel.corpus.formats.xml_stream import replace_forbidden
from raybel.errors import InputError

_READ_BYTES = 1 << 16
# An id holds neither a tab nor a bar, so neither `|t|` in an abstract nor one in an annotation's text matches.
_TEXT = re.compile(r"([^\t|]+)\|([ta])\|")
_RELATION = re.compile(r"[A-Za-z][A-Za-z_ -]*")
_COLUMNS = "pmid, start, end, text, type, ids, parts"
#: Infons of the columns of an annotation behind its text, and of a relation behind the pmid.
_ANNOTATION_INFONS, _RELATION_INFONS = ("type", "concept_id", "parts"), ("type", "entity1", "entity2", "novel")
_ID_SEPARATOR = re.compile(r"[|+;,]")
#: Bytes that aren't of the file's encoding, as they are decoded.
_UNDECODED = re.compile("[\udc80-\udcff]")


class PubTator(Format):
    """PubTator text; its shards are BioC XML.

    What is tolerated: a byte order mark, UTF-16, no blank line between documents and blank lines within one, an empty
    title, a document that is there twice. An annotation that can't be used has no locations, a `problem`, and its line
    as the infon `line`. A document with a line that is neither text nor columns, or isn't UTF-8, with a second
    abstract, or without a title line, has a `problem`; lines that can't be placed are its infon `lines`.
    """

    name = "pubtator"
    suffixes = (".pubtator", ".pubtator.txt")

    @property
    def shard_format(self) -> ShardFormat:
        """BioC XML."""
        return BIOC_XML

    def read(self, file: IO[bytes], max_document_bytes: int) -> Iterator[Piece]:
        """Yield a file's pieces; see `Format.read`. The line of an error is in its message."""
        yield from new_collection("PubTator", _documents(LimitedFile(file, max_document_bytes)))


PUBTATOR = PubTator()


@dataclass
class _Draft:
    """The document that is being read; `problems` has what costs all of it."""

    doc_id: str
    title: str
    abstract: str | None = None
    annotations: list[model.BioCAnnotation] = field(default_factory=list)
    relations: list[model.BioCRelation] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_abstract(self, text: str, number: int) -> None:
        """Take an abstract line in."""
        if self.abstract is None:
            self.abstract = text
        else:
            self.lines.append(text)
            self.problems.append(f"line {number} is a second abstract")

    def add_columns(self, line: str, number: int) -> None:
        """Take a line in that isn't text."""
        columns = line.split("\t")
        if len(columns) == 1:
            self.lines.append(line)
            self.problems.append(
                f"line {number} is neither text nor an annotation (does a text contain a line break?): {_excerpt(line)}"
            )
        elif columns[0].strip() == self.doc_id and len(columns) in (4, 5) and _RELATION.fullmatch(columns[1].strip()):
            relation = model.BioCRelation()
            relation.id = f"R{len(self.relations) + 1}"
            relation.infons = _infons(_RELATION_INFONS, columns[1:])
            self.relations.append(relation)
        else:
            self.annotations.append(_annotation(columns, line, number, self.doc_id))
            self.annotations[-1].id = str(len(self.annotations))

    def finished(self) -> model.BioCDocument:
        """Return the document as bioc's class."""
        document = model.BioCDocument()
        document.id = self.doc_id
        if self.lines:
            document.infons["lines"] = "\n".join(self.lines)
        if self.problems:
            document.problem = self.problems[0]
        start = len(self.title) + 1
        document.passages = [_passage("title", 0, self.title)]
        if self.abstract is not None:
            document.passages.append(_passage("abstract", start, self.abstract))
        for annotation in self.annotations:
            in_title = annotation.locations and annotation.locations[0].offset < start
            document.passages[0 if in_title else -1].annotations.append(annotation)
        self._resolve_relations()
        document.relations = self.relations
        return document

    def _resolve_relations(self) -> None:
        """Give each relation a node for each of its ids that an annotation has."""
        if not self.relations:
            return
        first: dict[str, str] = {}
        for annotation in self.annotations:
            ids = annotation.infons.get("concept_id", "")
            for concept_id in (ids, *_ID_SEPARATOR.split(ids)):
                if concept_id.strip():
                    first.setdefault(concept_id.strip(), annotation.id)
        for relation in self.relations:
            for role in _RELATION_INFONS[1:3]:
                concept_id = relation.infons.get(role, "")
                if annotation_id := first.get(concept_id) or first.get(concept_id.rpartition("|")[2]):
                    relation.nodes.append(model.BioCNode(annotation_id, role))


def _documents(file: LimitedFile) -> Iterator[model.BioCDocument]:
    """Yield a file's documents.

    Raises:
        InputError: It begins with a line that isn't text, isn't in its encoding, or a document is over the limit.
    """
    draft: _Draft | None = None
    for number, raw in _lines(file):
        line = replace_forbidden(raw)
        if not line.strip():
            continue
        head = _TEXT.match(line)
        doc_id = head[1].strip() if head else ""
        if head and (head[2] == "t" or draft is None or draft.doc_id != doc_id):
            if draft is not None:
                yield draft.finished()
            file.since_document = 0
            draft = _Draft(doc_id, line[head.end() :] if head[2] == "t" else "")
            if not doc_id:
                draft.problems.append(f"line {number} has no document id")
            if head[2] == "a":
                draft.add_abstract(line[head.end() :], number)
                draft.problems.append(f"line {number} is an abstract without a title line before it")
        elif draft is None:
            raise InputError(f"isn't PubTator text: line {number} isn't a title `PMID|t|...`: {_excerpt(line)}")
        elif head:
            draft.add_abstract(line[head.end() :], number)
        else:
            draft.add_columns(line, number)
        if line != raw and _UNDECODED.search(raw):
            draft.problems.append(f"line {number} isn't UTF-8 text")
    if draft is not None:
        yield draft.finished()


def _lines(file: LimitedFile) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text without its end) of a file's lines; bytes that can't be decoded are surrogates."""
    data = b""
    while len(data) < 4 and (more := file.read(_READ_BYTES)):
        data += more
    encoding, mark = encoding_of(data)
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    data, number, begun = data[mark:], 0, list[str]()
    try:
        while data:
            first, *others = decoder.decode(data).split("\n")
            begun.append(first)
            for other in others:
                number += 1
                yield number, "".join(begun).removesuffix("\r")
                begun = [other]
            data = file.read(_READ_BYTES)
        begun.append(decoder.decode(b"", final=True))
    except UnicodeDecodeError as error:
        raise InputError(f"isn't {encoding.upper()} text behind line {number}") from error
    yield number + 1, "".join(begun).removesuffix("\r")


def _annotation(columns: list[str], line: str, number: int, doc_id: str) -> model.BioCAnnotation:
    """Return the annotation of a line; one that can't be used has no locations, and a `problem`."""
    annotation = model.BioCAnnotation()
    annotation.text = columns[3] if len(columns) > 3 else ""
    try:
        if columns[0].strip() != doc_id:
            raise ValueError(f"is of document {columns[0].strip()}, which has no title line before it")
        if not 4 <= len(columns) <= 7:
            raise ValueError(f"has {len(columns)} columns, an annotation has {_COLUMNS}")
        annotation.infons = _infons(_ANNOTATION_INFONS, columns[4:])
        start, end = (whole_number(value, name) for value, name in zip(columns[1:3], ("start", "end"), strict=True))
        if end < start:
            raise ValueError(f"ends at {end}, before its start at {start}")
        annotation.locations = [model.BioCLocation(start, end - start)]
    except ValueError as error:
        annotation.infons["line"] = line
        annotation.problem = f"line {number}: {error}"
    return annotation


def _infons(names: tuple[str, ...], columns: list[str]) -> dict[str, str]:
    stripped = (column.strip() for column in columns)
    return {name: column for name, column in zip(names, stripped, strict=False) if column}


def _passage(kind: str, offset: int, text: str) -> model.BioCPassage:
    passage = model.BioCPassage()
    passage.infons, passage.offset, passage.text = {"type": kind}, offset, text
    return passage


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
