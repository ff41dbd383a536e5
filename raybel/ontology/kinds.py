"""What a file really is, by its first bytes: errors say it where a name misleads."""

from __future__ import annotations

import re
from typing import NamedTuple

from raybel.errors import InputError
from raybel.files import storage

#: How much of a file is looked at, decompressed.
SNIFFED_BYTES = 64 << 10
_CORPUS = "it is a corpus, not an ontology"
_OBO = "`raybel prepare obo --obo F --out o.arrow` makes an ontology of it"
_TABLE = "`raybel prepare table --table F --out o.arrow` makes an ontology of it"
_OWL = "convert it to OBO (`robot convert`), then `raybel prepare obo`"


class Kind(NamedTuple):
    """A kind of file.

    Args:
        name: For people.
        advice: What to do with such a file where an ontology is expected; "" for nothing in particular.
        pattern: Matches its beginning.
    """

    name: str
    advice: str
    pattern: re.Pattern[bytes]


def _kind(name: str, advice: str, pattern: bytes) -> Kind:
    return Kind(name, advice, re.compile(rb"\s*(?:" + pattern + rb")", re.DOTALL))


#: In the order in which they are tried.
KINDS = (
    _kind("an Arrow file", "its name should end in .arrow", rb"ARROW1"),
    _kind("a Parquet file", "its name should end in .parquet", rb"PAR1"),
    _kind("a zip archive", "unpack it", rb"PK\x03\x04"),
    _kind("OBO", _OBO, rb"format-version:|\[Term\]"),
    _kind("OBO Graphs", _OBO, rb'\{\s*"graphs"\s*:'),
    _kind("OWL", _OWL, rb"<.{0,4000}?<?(?:rdf:RDF|Ontology)\b"),
    _kind(
        "MeSH's XML",
        "`raybel prepare bc5cdr` and `nlm-chem` read it",
        rb"<.{0,4000}?(?:Descriptor|Supplemental)RecordSet",
    ),
    _kind("BioC XML", _CORPUS, rb"<.{0,4000}?<collection\b|<collection\b"),
    _kind("BioC JSON", _CORPUS, rb'[\[{].{0,4000}?"(?:documents|passages|PubTator3)"\s*:'),
    _kind("PubTator", _CORPUS, rb"[^\s|]{1,40}\|[ta]\|"),
    _kind("a web page", "the download may have failed", rb"(?i:<!doctype html|<html)"),
    _kind("XML", "", rb"<\?xml|<\w"),
    _kind("JSON", "", rb"[\[{]"),
    _kind("UMLS's MRCONSO", "`raybel prepare umls` reads its directory", rb"C\d{7}\|[A-Z]{3}\|"),
    _kind("CTD's diseases", "`raybel prepare ncbi-disease` reads it", rb"#[^\n]*\n.{0,4000}?DiseaseID\t"),
    _kind(
        "a table",
        _TABLE,
        rb"[^\n]{0,4000}[\t,;][^\n]*\n",
    ),
)


def kind_of(uri: str) -> Kind | None:
    """Return the kind that a file's first bytes show, None where they show none, or it can't be read.

    Args:
        uri: The file, plain or gzipped.
    """
    try:
        with storage.open_bytes(uri) as file:
            start = file.read(SNIFFED_BYTES)
    except InputError:
        return None
    except storage.DAMAGED:
        return None
    start = start.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind in KINDS if kind.pattern.match(start)), None)


def looks_like(uri: str) -> str:
    """Return "; it looks like ...", with what to do about it, for the end of a message; "" for no known kind."""
    kind = kind_of(uri)
    if kind is None:
        return ""
    return f"; it looks like {kind.name}" + (f": {kind.advice}" if kind.advice else "")
