r"""PubTator text, the format of the NCBI Disease and BC5CDR corpora.

A document is a title line `pmid|t|text`, an abstract line `pmid|a|text`, and annotation lines of tab-separated columns:
pmid, start, end, text, type, id. Offsets are code points; the title starts at 0, the abstract at `len(title) + 1`.
BC5CDR adds a seventh column to composites (their parts in words) and relation lines (`pmid`, `CID`, id, id; in BioRED
with a fifth column); neither is kept. Blank lines separate documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from raybel.errors import InputError
from raybel.files import kinds
from raybel.prepare.common import SourceDocument, SourceMention, read_lines

# An id can't hold a tab or a bar, so neither `|t|` in an abstract nor one in an annotation's text matches.
_TEXT = re.compile(r"([^\t|]+)\|([ta])\|")
_RELATION = re.compile(r"[A-Za-z_]+")
_COLUMNS = "pmid, start, end, text, type, id"


@dataclass
class _Draft:
    """The document that is being read."""

    doc_id: str
    line: int
    title: str
    abstract: str | None = None
    mentions: list[SourceMention] = field(default_factory=list)
    relations: int = 0


def read(path: str) -> Iterator[SourceDocument]:
    """Yield a file's documents; memory for one at a time.

    Titles and abstracts are kept to the last space (offsets count it). What is tolerated: CRLF, a byte order mark, no
    blank line between documents, blank lines within one, an empty or absent id column. Whether texts are at their
    offsets isn't checked.

    Args:
        path: Plain or gzipped.

    Raises:
        InputError: A line that isn't of the format, a title or abstract that is missing or appears twice, an annotation
            of another document, no document at all; line and document are named.
    """
    kinds.expect(path, "PubTator text", kinds.PUBTATOR, *kinds.TABLES.values())
    draft: _Draft | None = None
    after_blank = False
    try:
        for number, line in read_lines(path):
            if not line.strip():
                after_blank = True
                continue
            head = _TEXT.match(line)
            if head and head[2] == "t":
                doc_id = head[1].strip()
                if draft and draft.doc_id == doc_id and not after_blank:
                    raise _line_error(number, f"a second title (the first is at line {draft.line})", draft)
                if draft:
                    yield _finish(draft)
                draft = _Draft(doc_id, number, line[head.end() :])
            elif draft is None:
                raise _line_error(number, f"expected a title line `pmid|t|...`, found {_excerpt(line)}")
            elif head:
                _abstract(draft, number, head[1].strip(), line[head.end() :])
            else:
                _annotation(draft, number, line)
            after_blank = False
        if draft is None:
            raise InputError("holds no documents")
        yield _finish(draft)
    except InputError as error:
        raise InputError(error.message, path=path, document=error.document) from error


def _abstract(draft: _Draft, number: int, doc_id: str, text: str) -> None:
    if doc_id != draft.doc_id:
        raise _line_error(number, f"an abstract of document {doc_id}, which has no title line", draft)
    if draft.abstract is not None:
        raise _line_error(number, f"a second abstract (the title is at line {draft.line})", draft)
    draft.abstract = text


def _annotation(draft: _Draft, number: int, line: str) -> None:
    columns = line.split("\t")
    if len(columns) == 1:
        raise _line_error(
            number, f"isn't a line of PubTator text (does a text contain a line break?): {_excerpt(line)}", draft
        )
    if columns[0].strip() != draft.doc_id:
        raise _line_error(number, f"an annotation of document {columns[0]!r}, which has no title line before it", draft)
    if draft.abstract is None:
        raise _line_error(number, "an annotation before the abstract, or the abstract is missing", draft)
    if len(columns) in (4, 5) and _RELATION.fullmatch(columns[1]):
        draft.relations += 1
        return
    if not 5 <= len(columns) <= 7:
        raise _line_error(number, f"{len(columns)} columns; an annotation has {_COLUMNS}: {_excerpt(line)}", draft)
    start, end = (column.strip() for column in columns[1:3])
    if not (start + end).isascii() or not start.isdecimal() or not end.isdecimal():
        raise _line_error(number, f"start and end must be whole numbers, found {start!r} and {end!r}", draft)
    location = (int(start), int(end) - int(start))
    ids = columns[5] if len(columns) > 5 else ""
    draft.mentions.append(SourceMention((location,), columns[3], columns[4].strip(), ids, f"line {number}"))


def _finish(draft: _Draft) -> SourceDocument:
    if draft.abstract is None:
        raise _line_error(draft.line, "the document has a title and no abstract line", draft)
    passages = (("title", 0, draft.title), ("abstract", len(draft.title) + 1, draft.abstract))
    return SourceDocument(draft.doc_id, passages, tuple(draft.mentions), draft.relations, f"line {draft.line}")


def _line_error(number: int, message: str, draft: _Draft | None = None) -> InputError:
    return InputError(f"line {number}: {message}", document=draft.doc_id if draft else None)


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
