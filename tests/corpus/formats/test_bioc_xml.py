import contextlib
import gzip
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from samples import (
    COLLECTION_HEAD,
    annotation,
    chunks,
    collection,
    document,
    linked,
    passage,
    read_error,
    rows,
    save,
    simple_document,
)

from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions, to_row
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.xml_stream import CleanedFile, replace_forbidden
from raybel.corpus.sources import Source
from raybel.errors import InputError
from raybel.linking.rankings import LINK_INFONS

GOOD = simple_document("good")
SECRET = "the-secret-content"


def with_dtd(text: str, subset: str) -> str:
    body = f"<document><id>bad</id><passage><offset>0</offset><text>{text}</text></passage></document>"
    return f"<!DOCTYPE collection [{subset}]><collection>{GOOD}{body}</collection>"


def billion_laughs() -> str:
    levels = [f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    return with_dtd("&j;", '<!ENTITY a "haha">' + "".join(levels))


def gzipped_collection() -> bytes:
    return gzip.compress(collection(*(simple_document(str(i)) for i in range(3000))).encode())


def flipped() -> bytes:
    data = bytearray(gzipped_collection())
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


LATIN = collection(GOOD, document("é")).encode("latin-1")
#: Name, content of the file, a part of the error, and whether the document before the damage comes through.
BAD = [
    ("bomb.xml", billion_laughs(), "its entities expand to far more text", True),
    ("undefined.xml", with_dtd("&nbsp;", ""), "nbsp", None),
    ("unclosed.xml", collection(GOOD).removesuffix("</collection>"), "isn't well-formed XML", True),
    ("cut.xml", collection(GOOD, GOOD)[:-60], "isn't well-formed XML", True),
    ("cut.xml.gz", gzipped_collection()[:-3000], "cut off or damaged", None),
    ("short.xml.gz", gzipped_collection()[:8], "cut off or damaged", False),
    ("flipped.xml.gz", flipped(), "", None),
    ("notgz.xml.gz", b"\x1f\x8bnonsense", "cut off or damaged", False),
    ("latin.xml", LATIN, "encoding", True),
    ("encoding.xml", collection(GOOD).replace("UTF-8", "foo-9"), "encoding", False),
    ("journal.xml", "<article><front/></article>", "or PubMed XML: its root element is <article>", False),
    ("bare.xml", GOOD, "put it into a <collection>", False),
    ("empty.xml", b"", "is empty", False),
    ("empty.xml.gz", b"", "is empty", False),
    ("text.xml", "not xml at all", "is neither XML", False),
    ("json.xml", '{"documents": []}', "is JSON under the name of another format", False),
    ("deep.xml", collection(GOOD, document("bad", "<x>" * 3000 + "</x>" * 3000)), "nested more than", True),
    ("space.xml", f"<collection xmlns='urn:x'>{GOOD}</collection>", "in the XML namespace urn:x", False),
    ("prefix.xml", "<collection><b:document xmlns:b='urn:x'/></collection>", "in the XML namespace urn:x", False),
    ("set.xml", f"<collection><set>{GOOD}</set></collection>", "a <document> stands in <set>", False),
    ("later.xml", f"<collection>{GOOD}<set>{GOOD}</set></collection>", "a <document> stands in <set>", True),
    ("behind.xml", collection(GOOD) + "<x/>", "something follows its end", True),
    ("half.xml", "<collection", "is it cut off?", False),
]


@pytest.mark.parametrize(("name", "content", "reason", "good"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_ends_with_an_error_and_keeps_what_came_before(tmp_path, name, content, reason, good):
    path = save(tmp_path / name, content)
    error, ids = read_error(path, chunk_documents=1)
    assert error is not None
    assert error.startswith(path)
    assert reason in error
    if good is not None:
        assert ids == (["good"] if good else [])


@pytest.mark.parametrize(
    ("text", "subset"),
    [
        ("&x;", '<!ENTITY x SYSTEM "file://{}">'),
        ("&x;", '<!ENTITY % p SYSTEM "file://{}"> %p;'),
        ("&x;", "<!ENTITY % p \"<!ENTITY x SYSTEM 'file://{}'>\"> %p;"),
        ("text", '<!ENTITY % p SYSTEM "file://{}"> %p;'),
    ],
)
def test_an_external_entity_is_never_opened(tmp_path, text, subset):
    secret = save(tmp_path / "secret", SECRET)
    path = save(tmp_path / "a.xml", with_dtd(text, subset.format(secret)))
    for chunk in read_chunks(Source(path, "a.xml"), "a.xml", ReadOptions()):
        assert SECRET not in str(chunk.to_pylist())


def test_the_dtd_is_not_opened_and_the_doctype_survives(tmp_path):
    doctype = '<!DOCTYPE collection SYSTEM "file:///etc/passwd">'
    path = save(tmp_path / "a.xml", doctype + collection(GOOD).split("?>")[1])
    assert read_error(path) == (None, ["good"])
    assert doctype.encode() in linked(path)


def test_an_entity_of_the_file_is_expanded(tmp_path):
    path = save(tmp_path / "a.xml", with_dtd("TNF-&alpha;", '<!ENTITY alpha "α">'))
    assert rows(path)[1]["passages"][0]["text"] == "TNF-α"


@pytest.mark.parametrize("declared", [True, False])
def test_utf_16_is_read(tmp_path, declared):
    text = collection(simple_document("é😀", "Anemia 😀 é")).replace("UTF-8", "UTF-16")
    path = save(tmp_path / "a.xml", (text if declared else text.split("?>")[1]).encode("utf-16"))
    (row,) = rows(path)
    assert (row["doc_id"], row["passages"][0]["text"]) == ("é😀", "Anemia 😀 é")


def test_control_characters_behind_the_end_are_blanks(tmp_path):
    assert read_error(save(tmp_path / "a.xml", collection(GOOD) + "\0\x1a")) == (None, ["good"])


def test_a_document_above_the_limit_ends_its_file(tmp_path):
    path = save(tmp_path / "a.xml", collection(*[GOOD] * 5, document("bad", passage("long " * 60_000))))
    error, ids = read_error(path, max_document_bytes=200_000)
    assert "--max-document-mb" in str(error)
    assert set(ids) <= {"good"}


def test_many_small_documents_are_not_taken_for_a_large_one(tmp_path):
    path = save(tmp_path / "a.xml", collection(*[GOOD] * 3000))
    assert read_error(path, max_document_bytes=200_000) == (None, ["good"] * 3000)


HALVES = b"&#xD83D;&#xde00;&#57343;&#55296;&#xFFFF;&#65534;"
DIRTY = b"<d>a\x1ab&#x1;" + HALVES + b"c&#x01F;&#31;&amp;&#10;&#x9;&#233;&lt;&unknown &#x41;&#0;\x00z</d>"


@pytest.mark.parametrize("size", [*range(1, 41), 1000])
def test_control_characters_are_replaced_however_the_reads_fall(size):
    cleaned = CleanedFile(io.BytesIO(DIRTY), 1000)
    got = b"".join(iter(lambda: cleaned.read(size), b""))
    whole = CleanedFile(io.BytesIO(DIRTY), 1000).read()
    assert got == whole
    assert b"\x1a" not in got
    assert b"&#x1;" not in got
    assert b"&#233;" in got
    assert got.count(b"&#xFFFD;") == 10


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_reference_that_never_ends_is_not_kept_back_without_end(size):
    data = b"<a>&#" + b"0" * 200 + b"</a>&"
    cleaned = CleanedFile(io.BytesIO(data), 1000)
    assert b"".join(iter(lambda: cleaned.read(size), b"")) == data


def test_control_characters_keep_offsets_true(tmp_path):
    text = "a\x1ab anemia"
    body = f"<passage><offset>0</offset><text>{text}&#x1;.</text>{annotation('anemia', (4, 6))}</passage>"
    (row,) = rows(save(tmp_path / "a.xml", collection(document("1", body))))
    assert row["error"] is None
    assert row["repairs"] == 0
    assert row["passages"][0]["text"] == "a b anemia\ufffd."
    assert row["mentions"][0]["text"] == "anemia"


RICH = document(
    "1",
    "<infon key='a'>1</infon><!-- a comment --><?target data?>",
    passage(
        "Anemia and asthma.",
        "<annotation id='1'><infon key='k'>x</infon><infon key='k'>y</infon><infon key='link_id'>old</infon>"
        "<infon key='concept_id'>D1</infon><location offset='0' length='6'/><text>Anemia</text><note>n</note>"
        "<infon key='all_links'>old=1</infon></annotation>",
        "<relation id='R'><infon key='type'>t</infon><node refid='1' role='r'/></relation>",
        "<unknown attribute='x'>tail <b>bold</b> text</unknown>",
        "<sentence><offset>11</offset><text>asthma.</text><annotation><location offset='11' length='6'/>"
        "<text>asthma</text></annotation></sentence>",
    ),
    "<annotation id='D'><location offset='11' length='6'/><text>asthma</text></annotation>",
    "<relation id='R2'/>",
)


def canonical(data: bytes) -> bytes:
    """A collection as canonical XML without link infons and without white space between documents."""
    root = etree.fromstring(data)
    for infon in root.findall(".//infon"):
        if infon.get("key") in LINK_INFONS:
            infon.getparent().remove(infon)
    root.text = None
    for child in root:
        child.tail = None
    return etree.tostring(root, method="c14n")


def test_all_but_the_links_survives_linking(tmp_path):
    source = collection(RICH, GOOD, head=COLLECTION_HEAD + "<infon key='i'>of the collection</infon>")
    path = save(tmp_path / "a.xml", source)
    out = linked(path)
    assert canonical(out) == canonical(source.encode())
    annotations = etree.fromstring(out).findall(".//annotation")
    first = [(infon.get("key"), infon.text) for infon in annotations[0].findall("infon")]
    assert first[:3] == [("k", "x"), ("k", "y"), ("concept_id", "D1")]
    assert first[3:] == [
        ("link_id", "a|b=c"),
        ("link_name", "Asthma & co <x>"),
        ("link_score", "0.7500"),
        ("all_links", "a%7Cb%3Dc=0.7500|D1=0.5000"),
    ]
    assert all(mention.find("infon[@key='link_id']") is not None for mention in annotations)


def test_links_of_an_earlier_run_are_replaced(tmp_path):
    first = linked(save(tmp_path / "a.xml", collection(RICH)))
    assert linked(save(tmp_path / "b.xml", first)) == first
    without = etree.fromstring(linked(save(tmp_path / "b.xml", first), threshold=0.9))
    assert without.find(".//infon[@key='link_id']") is None


def test_an_annotation_without_infons_gets_links_first(tmp_path):
    place = "<location offset='0' length='6'/><text>Anemia</text>"
    body = f"<passage><offset>0</offset><text>Anemia</text><annotation>{place}</annotation></passage>"
    mention = etree.fromstring(linked(save(tmp_path / "a.xml", collection(document("1", body))))).find(".//annotation")
    assert [child.tag for child in mention] == ["infon"] * 4 + ["location", "text"]
    assert mention.get("id") is None


def test_every_character_that_xml_forbids_becomes_a_space_and_no_other_one_changes():
    allowed = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)}
    replaced = {code for code in range(0x110000) if replace_forbidden(chr(code)) != chr(code)}
    assert replaced == set(range(0x110000)) - allowed
    assert {replace_forbidden(f"a{chr(code)}b") for code in replaced} == {"a b"}


def test_forbidden_characters_in_a_link_become_spaces():
    source = document("1", passage("a", annotation("a", (0, 1)))).encode()
    out = BIOC_XML.link(source, {0: {"link_name": "a\x01b\ufffe"}})
    assert etree.fromstring(out).find(".//infon").text == "a b "


def test_a_collection_in_a_namespace_or_without_documents(tmp_path):
    path = save(tmp_path / "a.xml", "<collection xmlns:x='urn:x' x:a='1'><source>s</source></collection>")
    (chunk,) = chunks(path)
    assert chunk["docs"][0].as_py() == []
    out = etree.fromstring(linked(path))
    assert out.get("{urn:x}a") == "1"
    assert out.findtext("source") == "s"


def test_read_raises_input_errors_only():
    with pytest.raises(InputError, match="isn't a BioC collection"):
        list(BIOC_XML.read(io.BytesIO(b"<html/>"), 1000))


def test_a_text_of_more_than_ten_megabytes_is_read_within_the_limit(tmp_path):
    long = collection(GOOD, document("long", passage("a " * (6 << 20))))
    path = save(tmp_path / "a.xml", long)
    if etree.LIBXML_VERSION < (2, 14):
        pytest.skip("before libxml2 2.14, lifting the limit on texts would lift that on entities too")
    assert read_error(path) == (None, ["good", "long"])
    error, ids = read_error(path, max_document_bytes=11 << 20)
    assert "a document is larger than 11 MiB (--max-document-mb sets the limit)" in error
    assert set(ids) <= {"good"}
    assert len(linked(path)) > 12 << 20


@pytest.mark.parametrize("levels", [2, 3, 4, 9])
def test_entities_expand_to_little_more_than_the_file_has(tmp_path, levels):
    """Quadratic and exponential bombs: within the parser's factor, or refused."""
    names = "abcdefghij"[: levels + 1]
    defined = "".join(f'<!ENTITY {b} "{f"&{a};" * 60}">' for a, b in itertools.pairwise(names))
    path = save(tmp_path / "a.xml", with_dtd(f"&{names[-1]};", f'<!ENTITY a "{"ha" * 2000}">' + defined))
    error, ids = read_error(path)
    assert error is not None
    assert "its entities expand to far more text than the file has" in error
    assert "bad" not in ids


#: What may stand around documents, as it is in the input.
MARKED = (
    "<!-- before the root --><?before root?><collection><!-- before the source --><source>s</source><?target one?>"
    f"<!-- first -->{GOOD}<!-- between & <x> --><?target two?>{GOOD}{GOOD}<infon key='late'>1</infon>"
    "<!-- last --></collection><!-- behind --><?behind root?>"
)


def nodes(data: bytes) -> list[str]:
    """What a collection and the place around it hold, in order, with documents by their tag."""
    root = etree.fromstring(data)
    around = [*reversed(list(root.itersiblings(preceding=True))), *root, *root.itersiblings()]
    return ["document" if node.tag == "document" else etree.tostring(node, with_tail=False).decode() for node in around]


@pytest.mark.parametrize("chunk_documents", [1, 2, 500])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_stands_around_documents_stays_in_its_place(tmp_path, chunk_documents, encoding):
    path = save(tmp_path / "a.xml", MARKED.encode(encoding))
    assert read_error(path, chunk_documents=chunk_documents) == (None, ["good"] * 3)
    out = linked(path, chunk_documents=chunk_documents)
    assert nodes(out) == nodes(MARKED.encode())
    assert out.count(b"link_id") == 3
    assert linked(save(tmp_path / "b.xml", out)) == out


def test_comments_inside_of_a_text_are_no_part_of_it(tmp_path):
    body = (
        "<passage><offset>0</offset><text>An<!-- x -->em<?y z?>ia</text>" + annotation("Anemia", (0, 6)) + "</passage>"
    )
    path = save(tmp_path / "a.xml", collection(document("1", body)))
    (row,) = rows(path)
    assert (row["mentions"][0]["text"], row["repairs"]) == ("Anemia", 0)
    assert b"An<!-- x -->em<?y z?>ia" in linked(path)


def test_a_cdata_section_stays_one(tmp_path):
    body = "<passage><offset>0</offset><text><![CDATA[p<0.05 &amp; Anemia]]></text>" + annotation("Anemia", (12, 6))
    path = save(tmp_path / "a.xml", collection(document("1", body + "</passage>")))
    assert rows(path)[0]["passages"][0]["text"] == "p<0.05 &amp; Anemia"
    assert b"<![CDATA[p<0.05 &amp; Anemia]]>" in linked(path)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("offset='5.0' length='6'", 'the location offset="5.0" is no whole number'),
        ("offset='5' length='six'", 'the location length="six" is no whole number'),
        ("offset='-5' length='6'", 'the location offset="-5" is negative'),
        ("offset='' length='6'", 'the location offset="" is no whole number'),
        ("length='6'", "the location has no offset"),
        (f"offset='{2**70}' length='6'", "is larger than 2,147,483,647"),
    ],
)
def test_a_location_that_is_no_whole_number_is_named(tmp_path, location, reason):
    damaged = f"<annotation id='T'><location {location}/><text>Anemia</text></annotation>"
    body = passage("Anemia", annotation("Anemia", (0, 6))).replace("</passage>", damaged + "</passage>")
    (row,) = rows(save(tmp_path / "a.xml", collection(document("1", body))))
    assert (row["error"], row["repairs"], [m["ordinal"] for m in row["mentions"]]) == (None, 0, [0])
    assert reason in row["set_aside"][0]
    assert "annotation T" in row["set_aside"][0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<passage><offset>2.5</offset><text>a</text></passage>", 'passage 1: offset="2.5" is no whole number'),
        ("<passage><text>a</text></passage><passage><text>b</text></passage>", "passage 2 has no offset"),
        (
            "<passage>" + "<sentence><text>a</text></sentence>" * 2 + "</passage>",
            "a sentence of passage 1 has no offset",
        ),
    ],
)
def test_a_document_that_would_be_a_guess_is_set_aside(tmp_path, body, reason):
    bad, good = rows(save(tmp_path / "a.xml", collection(document("1", body), GOOD)))
    assert reason in bad["error"]
    assert good["error"] is None


class Dribble(io.BytesIO):
    """A file that gives a few bytes at a time."""

    sizes, turn = (1,), 0

    def read(self, size=-1):
        most, self.turn = self.sizes[self.turn % len(self.sizes)], self.turn + 1
        return super().read(most if size < 0 else min(size, most))


def pieces(file) -> list:
    return [piece if isinstance(piece, bytes) else piece[1] for piece in BIOC_XML.read(file, 1 << 20)]


WHOLE = (MARKED.replace("first", "f&#1;é😀"), collection(RICH, GOOD), with_dtd("TNF-&alpha;", '<!ENTITY alpha "α">'))


@given(
    st.sampled_from(WHOLE),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_however_the_reads_fall(text, encoding, sizes):
    content = text.replace('encoding="UTF-8"', "").encode(encoding)
    file = Dribble(content)
    file.sizes = sizes
    assert pieces(file) == pieces(io.BytesIO(content))


@given(st.sampled_from(WHOLE), st.data())
def test_damaged_bytes_give_documents_or_an_input_error(text, data):
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(InputError):
        for piece in BIOC_XML.read(io.BytesIO(bytes(content)), 1 << 20):
            if not isinstance(piece, bytes):
                to_row(*piece, ReadOptions())
                BIOC_XML.link(piece[1], {0: {"link_id": "D1"}}, LINK_INFONS)


@given(st.binary(max_size=60) | st.text("<>/!-?'\"= &;#document[]collection\n", max_size=60).map(str.encode))
def test_junk_is_an_input_error(junk):
    with contextlib.suppress(InputError):
        list(BIOC_XML.read(io.BytesIO(junk), 1000))
