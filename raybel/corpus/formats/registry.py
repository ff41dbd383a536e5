"""The formats of corpora, and which one a file has: by its content, and by its name in any case."""

from __future__ import annotations

from raybel.corpus.formats.base import Format
from raybel.corpus.formats.bioc_json import BIOC_JSON, BIOC_JSON_LINES
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.content import Family, family_of
from raybel.errors import InputError
from raybel.files import storage

#: All formats; a file is taken for the first one of its content's family that its name doesn't contradict.
FORMATS: tuple[Format, ...] = (BIOC_XML, BIOC_JSON, BIOC_JSON_LINES)
#: The suffixes of the files that make up a corpus given as a directory, in lower case.
CORPUS_SUFFIXES = tuple(suffix + gz for known in FORMATS for suffix in known.suffixes for gz in ("", ".gz"))
_FAMILIES: dict[Family, tuple[Format, ...]] = {"xml": (BIOC_XML,), "json": (BIOC_JSON, BIOC_JSON_LINES)}


def is_corpus_name(name: str) -> bool:
    """True if a name, in any case, ends in one of `CORPUS_SUFFIXES`."""
    return name.lower().endswith(CORPUS_SUFFIXES)


def format_named(uri: str) -> Format | None:
    """Return the format that a file's name says, in any case; None where it doesn't say."""
    name = storage.name_of(uri).lower().removesuffix(".gz")
    return next((known for known in FORMATS if name.endswith(known.suffixes)), None)


def format_of(uri: str) -> Format:
    """Return the format of a shard by its name, which always says."""
    return format_named(uri) or FORMATS[0]


def format_in(uri: str, head: bytes) -> Format:
    """Return the format of a file.

    Args:
        uri: Its path or URI.
        head: Its first bytes, decompressed.

    Raises:
        InputError: It is none of `FORMATS`, or its name says another one.
    """
    family, named = family_of(head), format_named(uri)
    if named is None:
        return _FAMILIES[family][0]
    if named not in _FAMILIES[family]:
        suffix = _FAMILIES[family][0].suffixes[0]
        raise InputError(f"is {family.upper()} under the name of another format: give it a name that ends in {suffix}")
    return named


def shard_name(name: str, source: Format) -> str:
    """Return the name of an input file's shard: the file's own where that says the shard's format, and always `.gz`.

    Args:
        name: The input file's name, relative to the directory that was given.
        source: The input file's format.
    """
    written = source.shard_format
    if format_named(name) is not written:
        name = (name[:-3] if name.lower().endswith(".gz") else name) + written.suffixes[0]
    return name if name.lower().endswith(".gz") else name + ".gz"
