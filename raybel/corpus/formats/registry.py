"""The formats that corpora come in, and which one a file has."""

from __future__ import annotations

from raybel.corpus.formats.base import Format
from raybel.corpus.formats.bioc_json import BIOC_JSON
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.files import storage

#: The first is that of a file whose name tells none.
FORMATS: tuple[Format, ...] = (BIOC_XML, BIOC_JSON)
#: Ends of the names of files that a directory given as a corpus is searched for.
SUFFIXES = tuple(suffix + packed for each in FORMATS for suffix in each.suffixes for packed in ("", ".gz"))


def format_of(uri: str) -> Format:
    """Return the format of a file, as its name tells it."""
    name = storage.name_of(uri).removesuffix(".gz")
    return next((each for each in FORMATS if name.endswith(each.suffixes)), FORMATS[0])


def shard_name(name: str, source: Format) -> str:
    """Return the name of an input file's shard: the file's own where that tells what the shard is written in.

    Args:
        name: Of the input file, relative to what was given.
        source: Its format.
    """
    written = source.shard_format
    if format_of(name) is not written:
        name = name.removesuffix(".gz") + written.suffixes[0]
    return name if name.endswith(".gz") else name + ".gz"
