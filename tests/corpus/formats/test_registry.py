import pytest

from raybel.corpus.formats.base import Format, ShardFormat
from raybel.corpus.formats.bioc_json import BIOC_JSON
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.registry import CORPUS_SUFFIXES, FORMATS, format_of, shard_name


class ReadOnly(Format):
    """A format that can't hold links."""

    name, suffixes, shard_format = "read-only", (".txt",), BIOC_XML

    def read(self, file, max_document_bytes):
        yield b""


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.xml", BIOC_XML), ("a.bioc.xml.gz", BIOC_XML), ("a.json", BIOC_JSON), ("a.json.gz", BIOC_JSON),
        ("a.json.xml", BIOC_XML), ("a", BIOC_XML), ("a.gz", BIOC_XML), ("s3://bucket/a.json?region=x", BIOC_JSON),
    ],
)  # fmt: skip
def test_a_files_name_says_its_format(name, known):
    assert format_of(name) is known


@pytest.mark.parametrize(
    ("name", "source", "shard"),
    [
        ("a.xml", BIOC_XML, "a.xml.gz"), ("b/a.xml.gz", BIOC_XML, "b/a.xml.gz"), ("a.json", BIOC_JSON, "a.json.gz"),
        ("a", BIOC_XML, "a.gz"), ("a.json.gz", ReadOnly(), "a.json.xml.gz"),
        ("a", BIOC_JSON, "a.json.gz"),
    ],
)  # fmt: skip
def test_a_shards_name_says_its_format(name, source, shard):
    assert shard_name(name, source) == shard
    assert format_of(shard) is source.shard_format


def test_names_and_suffixes_are_distinct():
    assert len({known.name for known in FORMATS}) == len(FORMATS)
    assert len(set(CORPUS_SUFFIXES)) == len(CORPUS_SUFFIXES)
    assert all(isinstance(known.shard_format, ShardFormat) for known in FORMATS)
