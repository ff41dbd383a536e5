"""The formats of corpora, and which one a file has."""

from __future__ import annotations

from raybel.corpus.formats.base import Format
from raybel.corpus.formats.bioc_json import BIOC_JSON
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.files import storage

#: All formats; a file whose name doesn't say its format is taken for the first.
FORMATS: tuple[Format, ...] = (BIOC_XML, BIOC_JSON)
#: The suffixes of the files that make up a corpus given as a directory.
CORPUS_SUFFIXES = tuple(suffix + gz for known in FORMATS for suffix in known.suffixes for gz in ("", ".gz"))


def format_of(uri: str) -> Format:
    """Return the format of a file by its name; the first of `FORMATS` where the name doesn't say."""
    name = storage.name_of(uri).removesuffix(".gz")
    return next((known for known in FORMATS if name.endswith(known.suffixes)), FORMATS[0])


def shard_name(name: str, source: Format) -> str:
    """Return the name of an input file's shard: the file's own where that fits the shard's format, and always `.gz`.

    Args:
        name: The input file's name, relative to the directory that was given.
        source: The input file's format.
    """
    written = source.shard_format
    if format_of(name) is not written:
        name = name.removesuffix(".gz") + written.suffixes[0]
    return name if name.endswith(".gz") else name + ".gz"
