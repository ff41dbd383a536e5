"""PubTator text, as `corpus.formats.pubtator` reads it: a title line, an abstract line, a line for each mention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from raybel.corpus.documents import NIL_IDS, quote_id
from raybel.corpus.formats.pubtator import PUBTATOR
from raybel.corpus.formats.xml_stream import replace_forbidden
from raybel.exports.base import ExportFormat
from raybel.exports.documents import Document, Mention, Tally
from raybel.exports.layout import Layout, lay_out

#: What ends a line for this reader or that, and what ends a column: each becomes a space, so that offsets stay true.
_BREAKS = str.maketrans(dict.fromkeys("\t\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", " "))


class PubTatorText(ExportFormat):
    """The first passage is the title, all others are the abstract, one space apart.

    A document without an id gets its place in the file as one (`#3`), from 0.

    What our reader reads is what is meant. The reader of the package `bioc` takes a line for a text wherever `|t|` or
    `|a|` stands in it, an annotation's too, and strips a title's last blanks, after which the abstract's offsets are
    off.
    """

    suffixes = PUBTATOR.suffixes

    def content(self, documents: Iterable[Document], tally: Tally) -> Iterator[bytes]:
        """Yield the lines of each document; see `ExportFormat.content`."""
        return (_lines(document, number, tally).encode() for number, document in enumerate(documents))


PUBTATOR_TEXT = PubTatorText()


def _lines(document: Document, number: int, tally: Tally) -> str:
    layout = lay_out(document, " ")
    text = one_line(layout.text)
    tally.moved += layout.moved
    tally.replaced += text != layout.text
    # One passage is a title, and none is an empty one: a line that begins as an abstract would be taken for one.
    title = len(document.passages[0].text) if document.passages else 0
    doc_id = column_id(document.doc_id, "|%") or f"#{number}"
    lines = [f"{doc_id}|t|{text[:title]}", f"{doc_id}|a|{text[title + 1 :]}"]
    lines += [f"{doc_id}\t{columns}" for columns in _annotations(document, layout, text)]
    return "".join(f"{line}\n" for line in (*lines, ""))


def _annotations(document: Document, layout: Layout, text: str) -> Iterator[str]:
    for start, end, mention in layout.in_order(document.mentions):
        ids = "|".join(column_id(quote_id(link.concept_id)) for link in mention.links) or NIL_IDS[0]
        yield "\t".join([str(start), str(end), text[start:end], one_line(mention.type).strip(), ids, *_parts(mention)])


def _parts(mention: Mention) -> list[str]:
    """Return the column of a composite's parts in words: as many as it has ids, or no column."""
    words = [one_line(part.surface).replace("|", " ") for part in mention.parts]
    return ["|".join(words)] if len(words) == len(mention.links) > 1 else []


def one_line(text: str) -> str:
    """Return a text of the same length without line breaks, tabs and characters that XML forbids."""
    return text if text.isprintable() else replace_forbidden(text.translate(_BREAKS))


def column_id(name: str, reserved: str = "") -> str:
    """Return an id as a column holds it, with percent-encoding: reserved and unprintable characters, blanks around."""
    if name.isprintable() and name == name.strip() and not any(mark in name for mark in reserved):
        return name
    first, last = len(name) - len(name.lstrip()), len(name.rstrip())
    return "".join(
        character
        if first <= place < last and character.isprintable() and character not in reserved
        else quote(character, safe="")
        for place, character in enumerate(name)
    )
