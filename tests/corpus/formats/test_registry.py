import io
import re

import pytest

from raybel.corpus.formats.base import Format, ShardFormat
from raybel.corpus.formats.bioc_json import BIOC_JSON, BIOC_JSON_LINES
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.content import HEAD_BYTES, read_head
from raybel.corpus.formats.pubmed_xml import PUBMED_XML
from raybel.corpus.formats.pubtator import PUBTATOR
from raybel.corpus.formats.registry import (
    CORPUS_SUFFIXES,
    FORMATS,
    format_in,
    format_of,
    formats_named,
    is_corpus_name,
    shard_name,
)
from raybel.errors import InputError


class ReadOnly(Format):
    """A format that can't hold links."""

    name, suffixes, shard_format = "read-only", (".txt",), BIOC_XML

    def read(self, file, max_document_bytes):
        yield b""


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.xml", BIOC_XML), ("a.bioc.xml.gz", BIOC_XML), ("a.json", BIOC_JSON), ("a.json.gz", BIOC_JSON),
        ("a.json.xml", BIOC_XML), ("A.BioC.XML", BIOC_XML), ("a.Json.GZ", BIOC_JSON), ("a.ndjson", BIOC_JSON_LINES),
        ("a", BIOC_XML), ("a.gz", BIOC_XML), ("s3://bucket/a.json?region=x", BIOC_JSON),
    ],
)  # fmt: skip
def test_a_files_name_says_its_format(name, known):
    assert format_of(name) is known


@pytest.mark.parametrize(
    ("name", "source", "shard"),
    [
        ("a.xml", BIOC_XML, "a.xml.gz"), ("b/a.xml.gz", BIOC_XML, "b/a.xml.gz"), ("a.json", BIOC_JSON, "a.json.gz"),
        ("a", BIOC_XML, "a.xml.gz"), ("A.BioC.XML", BIOC_XML, "A.BioC.XML.gz"), ("A.XML.GZ", BIOC_XML, "A.XML.GZ"),
        ("a.JsonL", BIOC_JSON_LINES, "a.JsonL.gz"), ("a.txt.GZ", BIOC_JSON, "a.txt.json.gz"),
        ("a.json.gz", ReadOnly(), "a.json.xml.gz"),
        ("a", BIOC_JSON, "a.json.gz"), ("a.xml.gz", PUBMED_XML, "a.xml.gz"), ("a", PUBMED_XML, "a.xml.gz"),
        ("a.PubTator", PUBTATOR, "a.PubTator.xml.gz"), ("a.pubtator.txt.gz", PUBTATOR, "a.pubtator.txt.xml.gz"),
    ],
)  # fmt: skip
def test_a_shards_name_says_its_format(name, source, shard):
    assert shard_name(name, source) == shard
    assert format_of(shard) is source.shard_format
    assert is_corpus_name(shard)


def test_a_name_that_two_formats_share_names_both_and_the_format_of_their_shards():
    assert formats_named("a.XML.gz") == (BIOC_XML, PUBMED_XML)
    assert formats_named("a.txt") == ()
    for known in FORMATS:
        for suffix in known.suffixes:
            named = formats_named("a" + suffix)
            assert known in named
            assert len({each.shard_format.name for each in named}) == 1
            assert is_corpus_name("a" + suffix.upper() + ".GZ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("length", [0, 100, HEAD_BYTES, 20 * HEAD_BYTES])
def test_a_root_element_is_found_behind_a_long_comment(length, encoding):
    file = io.BytesIO(f"<!-- {'long ' * (length // 5)} --><PubmedArticleSet>{' ' * HEAD_BYTES}".encode(encoding))
    assert format_in("a.xml", read_head(file)) is PUBMED_XML


def test_names_and_suffixes_are_distinct():
    assert len({known.name for known in FORMATS}) == len(FORMATS)
    assert len(set(CORPUS_SUFFIXES)) == len(CORPUS_SUFFIXES)
    assert all(isinstance(known.shard_format, ShardFormat) for known in FORMATS)


@pytest.mark.parametrize(
    ("uri", "head", "known"),
    [
        ("a", b"<collection>", BIOC_XML), ("a.txt", b'{"documents"', BIOC_JSON), ("a.dat", b"[{", BIOC_JSON),
        ("a.XML", b"\xef\xbb\xbf \n<", BIOC_XML), ("a", "<a".encode("utf-16"), BIOC_XML),
        ("a.jsonl", b"{", BIOC_JSON_LINES),
        ("a.xml", b"<PubmedArticleSet", BIOC_XML), ("a.xml", b"<PubmedArticleSet>", PUBMED_XML),
        ("a.xml", b"<?xml version='1.0'?><!DOCTYPE PubmedArticleSet PUBLIC 'a' 'b'><PubmedArticleSet><", PUBMED_XML),
        ("a.XML.gz", b"\xef\xbb\xbf<!-- <collection> --><PubmedArticleSet>", PUBMED_XML),
        ("a", b"<!DOCTYPE a [<!ENTITY b '<c>'>]><PubmedBookArticleSet>", PUBMED_XML),
        ("a.xml", "<?x y?><PubmedArticle>".encode("utf-16"), PUBMED_XML), ("a", b"<PubmedBookArticle/>", PUBMED_XML),
        ("a.xml", b"<p:PubmedArticleSet xmlns:p='u'>", PUBMED_XML), ("a", b"<!-- \x01 --><PubmedArticle/>", PUBMED_XML),
        ("a.xml", b"<!-- <PubmedArticleSet> --><collection>", BIOC_XML), ("a.xml", b"<a><PubmedArticleSet>", BIOC_XML),
        ("a.xml", b"<PubmedArticle><a b=></a>", PUBMED_XML), ("a.xml", b"< PubmedArticle>", BIOC_XML),
        ("a.PubTator", b"1|t|Title", PUBTATOR), ("corpus.txt", b"\xef\xbb\xbf\n10|a|Abstract", PUBTATOR),
        ("A.PUBTATOR.TXT.gz", b"1|t|", PUBTATOR), ("a", "1|t|Title".encode("utf-16"), PUBTATOR),
        ("a", '{"a"'.encode("utf-16-be"), BIOC_JSON), ("s3://bucket/a.JSON?region=x", b"\n [", BIOC_JSON),
    ],
)  # fmt: skip
def test_a_files_first_bytes_say_its_format(uri, head, known):
    assert format_in(uri, head) is known


@pytest.mark.parametrize(
    ("uri", "head", "reason"),
    [
        ("a.xml", b'{"documents": []}', "is JSON under the name of another format: give it a name that ends in .json"),
        ("a.json", b"<collection>", "is XML under the name of another format: give it a name that ends in .xml"),
        ("a.xml", b"<!DOCTYPE html><html>", "is an HTML page"),
        ("a.json", b"<HTML><body>404", "is an HTML page"),
        (
            "a.xml",
            b"12|t|A title\n12|a|",
            "is PubTator text under the name of another format: give it a name that ends in .p",
        ),
        (
            "a.pubtator",
            b"<PubmedArticleSet>",
            "is PubMed XML under the name of another format: give it a name that ends in .x",
        ),
        ("a.pubtator", b"<collection>", "is XML under the name of another format"),
        ("a.pubtator", b"PMID\tstart", "nor PubTator text, which begins with `PMID|t|`: it begins with 'PMID"),
        ("a.obo", b"format-version: 1.2\n", "is an OBO ontology"),
        ("a.obo", b"[Term]\nid: X", "is an OBO ontology"),
        ("a.xml", b"PK\x03\x04....", "is a zip archive: give it a name that ends in .zip"),
        ("a.xml", b"a.xml".ljust(257, b"\0") + b"ustar\x0000", "is a tar archive: give it a name that ends in .tar"),
        ("a.bz2", b"BZh91AY", "is packed with bzip2"),
        ("a.gz", b"\x1f\x8b\x08", "is gzipped twice"),
        ("a.arrow", b"ARROW1", "is an Arrow table"),
        ("a.xml", b"", "is empty"),
        ("a.xml", b"\xef\xbb\xbf\n", "is empty"),
        ("a.csv", b"id,text\n1,a", "is neither XML, which begins with `<`, nor JSON"),
    ],
)
def test_a_file_of_no_known_format_is_told_what_it_is(uri, head, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        format_in(uri, head)
