"""The formats of corpora, and which one a file has: by its content, and by its name in any case."""

from __future__ import annotations

from raybel.corpus.formats.base import Format
from raybel.corpus.formats.bioc_json import BIOC_JSON, BIOC_JSON_LINES
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.content import Family, family_of
from raybel.corpus.formats.pubmed_xml import PUBMED_XML
from raybel.corpus.formats.pubtator import PUBTATOR
from raybel.errors import InputError
from raybel.files import storage

#: All formats; a file is taken for the first one of its content's family that its name doesn't contradict. Of those
#: that share a suffix, the first one is the format of shards of that name.
FORMATS: tuple[Format, ...] = (BIOC_XML, BIOC_JSON, BIOC_JSON_LINES, PUBMED_XML, PUBTATOR)
#: The suffixes of the files that make up a corpus given as a directory, in lower case.
CORPUS_SUFFIXES = tuple(
    dict.fromkeys(suffix + gz for known in FORMATS for suffix in known.suffixes for gz in ("", ".gz"))
)
_FAMILIES: dict[Family, tuple[Format, ...]] = {
    "xml": (BIOC_XML,),
    "pubmed": (PUBMED_XML,),
    "json": (BIOC_JSON, BIOC_JSON_LINES),
    "pubtator": (PUBTATOR,),
}
#: The families' names for people.
_NAMES: dict[Family, str] = {"xml": "XML", "pubmed": "PubMed XML", "json": "JSON", "pubtator": "PubTator text"}


def is_corpus_name(name: str) -> bool:
    """True if a name, in any case, ends in one of `CORPUS_SUFFIXES`."""
    return name.lower().endswith(CORPUS_SUFFIXES)


def formats_named(uri: str) -> tuple[Format, ...]:
    """Return the formats that a file's name may mean, in any case; none where it doesn't say."""
    name = storage.name_of(uri).lower().removesuffix(".gz")
    return tuple(known for known in FORMATS if name.endswith(known.suffixes))


def format_named(uri: str) -> Format | None:
    """Return the format that a file's name says, in any case; None where it doesn't say.

    Of several with one suffix, it is the one that they all have for their shards.
    """
    return next(iter(formats_named(uri)), None)


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
    family, named = family_of(head), formats_named(uri)
    fitting = [known for known in _FAMILIES[family] if known in named or not named]
    if not fitting:
        suffix = _FAMILIES[family][0].suffixes[0]
        raise InputError(f"is {_NAMES[family]} under the name of another format: give it a name that ends in {suffix}")
    return fitting[0]


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
