"""XML read as a stream: characters that it forbids, the limits of its parser, and the parser's words."""

from __future__ import annotations

import re
from typing import IO, Any

from lxml import etree

from raybel.corpus.formats.base import LimitedFile

#: Code points that XML 1.0 doesn't allow. As raw bytes they become spaces, as references U+FFFD: offsets stay true.
_CONTROL = bytes(c for c in range(0x20) if c not in (9, 10, 13))
_BLANKS = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))
#: A reference to one, and the marks of a CDATA section, in which a reference is plain text.
_REFERENCE = re.compile(
    rb"&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F]|[dD][89a-fA-F][0-9a-fA-F]{2}|[fF]{3}[eEfF])"
    rb"|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]|5529[6-9]|55[3-9][0-9]{2}|56[0-9]{3}|57[0-2][0-9]{2}|573[0-3][0-9]|5734[0-3]"
    rb"|6553[45]));|<!\[CDATA\[|\]\]>"
)
_MARK_BYTES = 16
_UNFINISHED = re.compile(rb"(?:&[^;<\]]*|<(?:!(?:\[(?:C(?:D(?:A(?:T(?:A)?)?)?)?)?)?)?|\]\]?)\Z")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: Of every parser of documents: entities of the file itself only, nothing from elsewhere.
PARSER_OPTIONS: dict[str, Any] = {
    "resolve_entities": "internal",
    "no_network": True,
    "load_dtd": False,
    # Without it a text ends at 10 MB, whatever --max-document-mb says. From libxml2 2.14 on, the amplification of
    # entities and the depth are limited all the same; earlier ones lift all limits together.
    "huge_tree": etree.LIBXML_VERSION >= (2, 14),
    "strip_cdata": False,
}
#: The parser's words -> ours, where its own advise what can't be done, or say little.
_WORDS = (
    (
        re.compile("amplification factor"),
        "its entities expand to far more text than the file has: replace them by their text",
    ),
    (re.compile(r"Excessive depth in document: (\d+)"), r"its elements are nested more than \1 deep"),
    (
        re.compile("XML_PARSE_HUGE|Resource limit exceeded"),
        "a text, name or attribute is longer than the XML library takes",
    ),
    (re.compile("no element found|Document is empty"), "it ends before its first element"),
    (re.compile("Premature end|Couldn't find end of Start Tag"), "it ends in the middle; is it cut off?"),
    (re.compile("Extra content at the end"), "something follows its end"),
    (
        re.compile("Invalid bytes in character encoding|not proper UTF-8"),
        "it isn't in the encoding that its first line says, or in UTF-8 where it says none",
    ),
)


def replace_forbidden(text: str) -> str:
    """Return a text with each code point that XML 1.0 forbids replaced by a space, so that offsets stay true."""
    return text if text.isprintable() else _FORBIDDEN.sub(" ", text)  # none of them is printable: 2 to 15x faster


class CleanedFile(LimitedFile):
    """A binary file that replaces characters which XML forbids, and limits the bytes of a document."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        super().__init__(file, limit)
        self.pending = b""
        self.wide_units: bool | None = None
        self.in_cdata = False

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes, b"" at the end."""
        read = super().read(size)
        data = self.pending + read
        if self.wide_units is None:  # UTF-16 or UTF-32, whose bytes mean something other
            while read and len(data) < 4 and (more := super().read(4 - len(data))):
                data += more
            self.wide_units = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
        if self.wide_units:
            return data
        # A reference or a mark may be cut by the end of this read: its beginning waits for the next one.
        cut = self._cut(data) if read else len(data)
        data, self.pending = data[:cut], data[cut:]
        if not data and self.pending:
            return self.read(size)
        if b"&#" in data or b"<![" in data or self.in_cdata:
            data = _REFERENCE.sub(self._replaced, data)
        return data.translate(_BLANKS)

    def _cut(self, data: bytes) -> int:
        """Return where the last thing begins that may go on behind the end of some bytes; their length for none."""
        end = data[-_MARK_BYTES:]
        if found := _UNFINISHED.search(end):
            return len(data) - len(end) + found.start()
        return len(data)

    def _replaced(self, found: re.Match[bytes]) -> bytes:
        if found[0] == b"<![CDATA[":
            self.in_cdata = True
        elif found[0] == b"]]>":
            self.in_cdata = False
        elif not self.in_cdata:
            return b"&#xFFFD;"
        return found[0]


def in_words(error: etree.XMLSyntaxError) -> str:
    """Return what is wrong with a file, and on which line."""
    reason = re.sub(r", line \d+, column \d+$", "", error.msg or "")
    for pattern, words in _WORDS:
        if found := pattern.search(reason):
            reason = found.expand(words)
            break
    return f"isn't well-formed XML at line {error.lineno or 1}: {reason}"
