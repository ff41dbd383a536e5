"""The formats that runs can be exported to, and which files a `--out` means."""

from __future__ import annotations

from raybel.corpus.formats.registry import CORPUS_SUFFIXES
from raybel.errors import ConfigError
from raybel.exports.base import ExportFormat
from raybel.exports.belb import BELB
from raybel.exports.config import FormatName
from raybel.exports.docbin import DOC_BIN
from raybel.exports.json_lines import JSON_LINES
from raybel.exports.pubtator import PUBTATOR_TEXT
from raybel.files import storage, tables

FORMATS: dict[FormatName, ExportFormat] = {
    "pubtator": PUBTATOR_TEXT,
    "belb": BELB,
    "jsonl": JSON_LINES,
    "spacy": DOC_BIN,
}
#: Endings of files: a directory of such a name is hardly meant.
_FILES = (*CORPUS_SUFFIXES, *tables.SUFFIXES, ".jsonl", ".spacy", ".txt", ".tsv", ".gz", ".zip", ".zst")


def file_suffixes(format_name: FormatName) -> tuple[str, ...]:
    """Return what the names of a format's files may end with."""
    known = FORMATS[format_name]
    return tuple(suffix + gz for suffix in known.suffixes for gz in (("", ".gz") if known.gzipped else ("",)))


def is_file_name(uri: str, format_name: FormatName) -> bool:
    """True if `--out` is one file, false if it is a directory.

    Raises:
        ConfigError: Its name is that of a file of another format.
    """
    name = storage.name_of(uri).lower()
    if name.endswith(file_suffixes(format_name)):
        return True
    if name.endswith(_FILES):
        raise ConfigError(
            f"--out {uri}: the name of a file of --format {format_name} ends in "
            f"{' or '.join(file_suffixes(format_name))}; the name of a directory has no such ending"
        )
    return False


def file_of_shard(shard: str, format_name: FormatName) -> str:
    """Return the name of a shard's file in a directory: the shard's, with the format's ending in place of `.gz`."""
    known = FORMATS[format_name]
    return shard.removesuffix(".gz") + known.suffixes[0] + (".gz" if known.gzipped else "")
