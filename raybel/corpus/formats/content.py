"""What a file is, by its first bytes: a family of formats, or in words what else it looks like."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import IO, Literal

from lxml import etree

from raybel.corpus.formats.xml_stream import PARSER_OPTIONS, CleanedFile
from raybel.errors import InputError

#: So many of a file's first bytes are looked at; of XML more, up to `_MOST_BYTES`, if its root element isn't in them.
HEAD_BYTES = 4096
_MOST_BYTES = 64 * HEAD_BYTES
#: So many are parsed at a time until the root element shows, since files may hold a document each.
_ROOT_BYTES = 256
Family = Literal["xml", "pubmed", "json", "pubtator"]
#: Names of the root elements of PubMed XML.
PUBMED_ROOTS = ("PubmedArticleSet", "PubmedBookArticleSet", "PubmedArticle", "PubmedBookArticle")

_UNPACK = "isn't supported: unpack it, and give the files in it"
#: First bytes -> what the file is.
_SIGNATURES = (
    (b"\x1f\x8b", "is gzipped twice: gunzip it once"),
    (b"PK\x03\x04", "is a zip archive: give it a name that ends in .zip"),
    (b"BZh", f"is packed with bzip2, which {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"is packed with xz, which {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"is packed with zstandard, which {_UNPACK} (a .tar.zst is read)"),
    (b"7z\xbc\xaf\x27\x1c", f"is a 7z archive, which {_UNPACK}"),
    (b"%PDF", "is a PDF: give BioC XML or BioC JSON made of its text"),
    (b"PAR1", "is a Parquet table: give BioC XML or BioC JSON"),
    (b"ARROW1", "is an Arrow table (an ontology?): give BioC XML or BioC JSON"),
    (b"\x89HDF", "is an HDF5 file: give BioC XML or BioC JSON"),
)
_TAR_MARK = slice(257, 262)
#: Starts of texts -> what the file is; looked for in order.
_TEXTS = ((re.compile(r"format-version:|\[Term\]"), "is an OBO ontology, not a corpus"),)
_PUBTATOR = re.compile(r"[^\s|]+\|[ta]\|")
#: An XML file whose root element stands first but for the usual two lines: 30 us faster than a parser, of the 450 us
#: that a file of one document takes.
_ROOT_FIRST = re.compile(r"(?:<\?xml\s[^<>]*\?>\s*)?(?:<!DOCTYPE\s[^<>\[\]]*>\s*)?<([A-Za-z]+)[\s>]")
_HTML = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
#: Byte order marks and the encodings that they stand for; UTF-32's before UTF-16's, which begins like it.
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


class Rewound:
    """A binary file whose first bytes were read already, and are read again."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self.head, self.file = head, file

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, all that are left without one; b"" at the end."""
        if not self.head:
            return self.file.read(size)
        if size < 0:
            data, self.head = self.head + self.file.read(), b""
            return data
        data, self.head = self.head[:size], self.head[size:]
        return data


def read_head(file: IO[bytes]) -> bytes:
    """Return a file's first bytes: `HEAD_BYTES` from its first visible character on, or all that there are.

    Of XML as many as it takes to see its root element, whatever stands before it.
    """
    head = b""
    while len(head) < _MOST_BYTES and (
        len(text := _stripped(head)) < HEAD_BYTES or (text[0] == "<" and root_of(head) is None)
    ):
        data = file.read(HEAD_BYTES)
        if not data:
            break
        head += data
    return head


def encoding_of(head: bytes) -> tuple[str, int]:
    """Return a text file's encoding, and the length of its byte order mark (0 for UTF-8 without one)."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    zeros = head[:4].count(0) if len(head) >= 4 else 0  # of `<` or `{` and, in UTF-16, another ASCII character
    if zeros in (2, 3):
        return f"utf-{16 if zeros == 2 else 32}-{'le' if head[0] else 'be'}", 0
    return "utf-8", 0


def _stripped(head: bytes) -> str:
    encoding, mark = encoding_of(head)
    return head[mark:].decode(encoding, "replace").lstrip("\ufeff \t\r\n\0")


@lru_cache(maxsize=4)  # it is asked for twice while a file is opened
def root_of(head: bytes) -> str | None:
    """Return the local name of an XML file's root element.

    Args:
        head: The file's first bytes.

    Returns:
        "" where the file isn't well-formed that far, None where its root element hasn't begun yet.
    """
    if found := _ROOT_FIRST.match(_stripped(head)):
        return found[1]
    parser = etree.XMLPullParser(events=("start",), **PARSER_OPTIONS)
    text, damaged = CleanedFile(io.BytesIO(head), len(head)).read(), False
    for start in range(0, len(text), _ROOT_BYTES):
        try:
            parser.feed(text[start : start + _ROOT_BYTES])
        except etree.XMLSyntaxError:  # the file's reader says so; its root may stand before the damage
            damaged = True
        for _, element in parser.read_events():
            if isinstance(element, etree._Element):
                return str(element.tag).rpartition("}")[2]
        if damaged:
            return ""
    return None


def family_of(head: bytes) -> Family:
    """Return which family of formats a file belongs to.

    Args:
        head: Its first bytes, decompressed.

    Raises:
        InputError: It belongs to none; the message says what it looks like.
    """
    if head[_TAR_MARK] == b"ustar":
        raise InputError("is a tar archive: give it a name that ends in .tar, or .tar.gz where it is gzipped")
    for signature, reason in _SIGNATURES:
        if head.startswith(signature):
            raise InputError(reason)
    text = _stripped(head)
    if not text:
        raise InputError("is empty" if len(head) < HEAD_BYTES else "begins with white space only")
    if _HTML.match(text):
        raise InputError("is an HTML page, perhaps an error page in place of a download: fetch it again")
    if text[0] == "<":
        return "pubmed" if root_of(head) in PUBMED_ROOTS else "xml"
    if text[0] == "{" or (text[0] == "[" and not text.startswith("[Term]")):
        return "json"
    if _PUBTATOR.match(text):
        return "pubtator"
    for pattern, reason in _TEXTS:
        if pattern.match(text):
            raise InputError(reason)
    start = text.splitlines()[0][:40]
    raise InputError(
        "is neither XML, which begins with `<`, nor JSON, which begins with `{` or `[`, nor PubTator text, which "
        f"begins with `PMID|t|`: it begins with {start!r}"
    )
