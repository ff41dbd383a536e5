"""What a file is by its first bytes, whatever its name says; for errors that say what to do with it."""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from raybel.errors import InputError
from raybel.files import storage

#: Bytes that are looked at, after decompression.
HEAD_BYTES = 1 << 13
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class Kind(NamedTuple):
    """A kind of file.

    Args:
        name: What it is, to stand behind "looks like".
        advice: What to do with it, `FILE` standing for the file; "" for nothing in particular.
        table: Whether it is a text table, which `raybel prepare table` reads.
    """

    name: str
    advice: str = ""
    table: bool = False


#: The kinds that an ontology is opened from.
ARROW, PARQUET, JSON_LIST = OF_ONTOLOGIES = Kind("Arrow"), Kind("Parquet"), Kind("a JSON list")
#: Those by the suffixes of ontologies: what a file that isn't recognised is taken for.
BY_SUFFIX = {".arrow": ARROW, ".parquet": PARQUET, ".json": JSON_LIST, ".json.gz": JSON_LIST}
EMPTY = Kind("an empty file")
#: What to do with a corpus in place of an ontology.
CORPUS = "it is a corpus, not an ontology: give it as --in-corpus"
_OBO = "`raybel prepare obo --obo FILE --out o.arrow` makes an ontology of it"
_TABLE = "`raybel prepare table --table FILE --out o.arrow` makes an ontology of it"
_OWL = "convert it (`robot convert --input FILE --output o.obo`), then `raybel prepare obo --obo o.obo --out o.arrow`"
#: Text tables, by what separates their cells.
TABLES = {
    "\t": Kind("a tab-separated table", _TABLE, table=True),
    ",": Kind("a table with commas", _TABLE, table=True),
}
#: Kinds that commands of `raybel prepare` read.
MEDIC = Kind("MEDIC of CTD", "`raybel prepare medic --ctd-medic-diseases FILE --out o.arrow` makes an ontology of it")
MESH = Kind("MeSH XML", "`raybel prepare mesh --mesh-dir DIR --out o.arrow` makes an ontology of it")
PUBTATOR = Kind("PubTator", CORPUS)
BIOC_XML = Kind("BioC XML", CORPUS)
XML = Kind("XML")
#: Kinds of text by how a file begins, the more particular before the more general.
_TEXTS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE | re.MULTILINE), kind)
    for pattern, kind in (
        (r"\A\s*+(?:!.*\n\s*+)*+(?:format-version:|\[(?:Term|Typedef)\]|ontology:)", Kind("OBO", _OBO)),
        (r"\A\s*\{[\s\S]{0,4096}?\"graphs\"\s*:\s*\[", Kind("OBO Graphs JSON", _OBO)),
        (r"<rdf:RDF\b|<owl:Ontology\b|<Ontology\s[^>]*owl", Kind("OWL", _OWL)),
        (r"\A\s*+(?:#.*\n\s*+)*+@?(?:prefix|base)\s.*<[^>]*>", Kind("Turtle (RDF)", _OWL)),
        (r"\A\s*+(?:Prefix\(.*\n\s*+)*+Ontology\(", Kind("OWL in functional syntax", _OWL)),
        (r"\A\s*\d+\|[ta]\|", PUBTATOR),
        (r"<!DOCTYPE\s+collection\b|<collection\b[\s\S]*<source>", BIOC_XML),
        (r"<(?:Descriptor|Supplemental)RecordSet\b", MESH),
        (r"<PubmedArticleSet\b", Kind("PubMed XML", CORPUS)),
        (r"\A\s*\[?\s*\{[\s\S]{0,4096}?\"(?:documents|passages|PubTator3)\"\s*:\s*\[", Kind("BioC JSON", CORPUS)),
        (r"\A\s*<(?:!doctype\s+html|html)\b", Kind("a web page", "fetch the file itself")),
        (r"\A\s*<(?:\?xml|!--|!DOCTYPE|\w)", XML),
        (r"\AC\d{7}\|[^\n]*\|", Kind("UMLS RRF", "`raybel prepare umls --umls DIR --out o.arrow` reads its directory")),
        (r"^#?\s*\"?DiseaseName\"?[\t,]\"?DiseaseID\"?[\t,]", MEDIC),
        (
            r"\A(?:#.*\n)*[^\n]*\bsubject_id[\t,](?:[^\n]*[\t,])?predicate_id\b",
            Kind("SSSOM mappings", "`raybel ontology enrich --mapping FILE` takes names over through them"),
        ),
        (r"\A\s*\[", JSON_LIST),
        (
            r"\A\s*\{[^\n]*\}\s*\n\s*\{",
            Kind("JSON Lines", "an ontology is one list: `jq -s . FILE > o.json` makes one of the lines"),
        ),
        (r"\A\s*\{", Kind("a JSON object", "an ontology is a list of {id, name, aliases, definition}")),
    )
)


def kind_of(uri: str) -> Kind | None:
    """Return what a file is by its first bytes, inside gzip or a zip archive too; None where nothing is recognised.

    Raises:
        InputError: There is no such file, or it can't be opened.
    """
    with storage.open_bytes(uri) as file:
        try:
            head = file.read(HEAD_BYTES)
        except storage.DAMAGED:
            return None
    zipped = head[:4] == b"PK\x03\x04"
    kind = kind_of_bytes((_first_member(head) if zipped else head)[:HEAD_BYTES])
    if not zipped:
        return kind
    inside = f" with {kind.name}" if kind else ""
    return Kind(f"a zip archive{inside}", "unpack it" + (f"; {kind.advice}" if kind and kind.advice else ""))


def kind_of_bytes(head: bytes) -> Kind | None:
    """Return what a file is that begins with `head` (decompressed); None where nothing is recognised."""
    if not head:
        return EMPTY
    if head[:4] == b"PAR1":
        return PARQUET
    if head[:6] == b"ARROW1":
        return ARROW
    encoding = next((name for mark, name in _ENCODINGS if head.startswith(mark)), "utf-8")
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    if "\0" in text:
        return None
    kind = next((kind for pattern, kind in _TEXTS if pattern.search(text)), None)
    return kind or _table(text)


def misplaced(uri: str, kind: Kind, expected: str) -> InputError:
    """Return the error for a file of another kind than a command reads.

    Args:
        uri: The file.
        kind: What it is.
        expected: What it should be ("an ontology").
    """
    advice = f": {kind.advice.replace('FILE', uri)}" if kind.advice else ""
    return InputError(f"isn't {expected}: it looks like {kind.name}{advice}", path=uri)


def expect(uri: str, expected: str, *kinds: Kind) -> None:
    """Refuse a file that is plainly of another kind; one that isn't recognised, is empty or is no file is let through.

    Args:
        uri: The file.
        expected: What it should be ("MeSH's XML").
        kinds: The kinds that are let through.

    Raises:
        InputError: With what it looks like, and what to do with it.
    """
    kind = kind_of(uri) if storage.identity(uri) is not None else None
    if kind and kind != EMPTY and kind not in kinds and not (kind.table and any(each.table for each in kinds)):
        raise misplaced(uri, kind, expected)


def _table(text: str) -> Kind | None:
    """A text table: its first lines have the same number of cells, above one, with tabs or commas between."""
    whole = text[: text.rfind("\n") + 1]  # the last line may be cut off
    lines = [line for line in whole.splitlines() if line.strip() and not line.startswith("#")][:4]
    for separator in TABLES:
        cells = [_cells(line, separator) for line in lines]
        if len(lines) > 1 and cells[0] > 1 and len(set(cells)) == 1:
            return TABLES[separator]
    return None


def _cells(line: str, separator: str) -> int:
    return re.sub(r'"[^"]*"', "", line).count(separator) + 1


def _first_member(head: bytes) -> bytes:
    """The beginning of a zip archive's first file (`APPNOTE.TXT` 4.3.7); nothing where it isn't deflated or stored."""
    if len(head) < 30:
        return b""
    (method,) = struct.unpack_from("<H", head, 8)
    name, extra = struct.unpack_from("<HH", head, 26)
    data = head[30 + name + extra :]
    if method != 8:
        (size,) = struct.unpack_from("<I", head, 18)
        return data[:size] if method == 0 else b""
    try:
        return zlib.decompressobj(-15).decompress(data, HEAD_BYTES)
    except zlib.error:
        return b""
