import gzip
import io
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from samples import chunks, linked, read_error, rows, save
from synthetic_pubmed import made_up_texts, write_baseline

from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.formats.pubmed_xml import PUBMED_XML
from raybel.corpus.opening import file_format
from raybel.errors import InputError

REAL = Path(__file__).parents[4] / "shared" / "data" / "formats" / "pubmed"
DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2019//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_190101.dtd">'
)
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
MATHML = (
    "<mml:math xmlns:mml='http://www.w3.org/1998/Math/MathML'><mml:mrow><mml:msup><mml:mi>x</mml:mi><mml:mn>2</mml:mn>"
    "</mml:msup> <mml:mo>&lt;</mml:mo></mml:mrow></mml:math>"
)


def article(
    pmid="1", title="A title.", abstract="", more="", version="1", in_article="", in_data="", journal="", after=""
):
    """An article; its parts are XML."""
    number = f'<PMID Version="{version}">{pmid}</PMID>' if pmid is not None else ""
    return (
        f"<PubmedArticle><MedlineCitation>{number}<Article>{journal}<ArticleTitle>{title}</ArticleTitle>"
        f"{f'<Abstract>{abstract}</Abstract>' if abstract else ''}{in_article}</Article>{more}"
        "<CommentsCorrectionsList><CommentsCorrections><PMID Version='1'>999</PMID></CommentsCorrections>"
        f"</CommentsCorrectionsList></MedlineCitation><PubmedData>{in_data}</PubmedData></PubmedArticle>{after}"
    )


def text(content, **attributes):
    pairs = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<AbstractText{pairs}>{content}</AbstractText>"


def articles(*pieces, root="PubmedArticleSet", doctype=DOCTYPE):
    return f"{HEAD}{doctype}<{root}>{''.join(pieces)}</{root}>"


def read(content, limit=1 << 28):
    """Header, documents with their serialisations, and footer."""
    data = content.encode() if isinstance(content, str) else content
    header, *documents, footer = PUBMED_XML.read(io.BytesIO(data), limit)
    return header, documents, footer


def one(content):
    ((document, source),) = read(content)[1]
    return document, source


def passages(document):
    return [(p.infons["type"], p.offset, p.text) for p in document.passages]


def expected_texts(element):
    """What the passages of an article hold, read by another parser."""
    content = element.find(".//Article")
    found = [content.find("ArticleTitle"), *content.iterfind("Abstract/AbstractText")]
    found += [*element.iterfind(".//OtherAbstract/AbstractText"), *content.iterfind("VernacularTitle")]
    return ["".join(each.itertext()) for each in found]


@pytest.mark.parametrize("name", ["pubmed-29768149.xml", "pubmed26n1334.xml.gz", "pubmed26n1335.xml.gz"])
def test_the_texts_of_real_files_are_the_sources(name):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} isn't there")
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    root = ElementTree.fromstring(data)
    header, documents, footer = read(data)
    there = [(document, source) for document, source in documents if not document.deleted]
    elements = root.findall("PubmedArticle")
    assert [document.id for document, _ in there] == [each.findtext("MedlineCitation/PMID") for each in elements]
    gone = [document.id for document, _ in documents if document.deleted]
    assert gone == [each.text for each in root.iterfind("DeleteCitation/PMID")]
    shard = etree.fromstring(header + b"".join(source for _, source in documents) + footer)
    for (document, _), element, written in zip(there, elements, shard.iterfind("document"), strict=True):
        assert [passage.text for passage in document.passages] == expected_texts(element)
        assert [each.text or "" for each in written.iterfind("passage/text")] == expected_texts(element)
        joined = " ".join(passage.text for passage in document.passages)
        for passage in document.passages:
            assert joined[passage.offset :].startswith(passage.text)
    assert len(there) == (30 if name.endswith(".gz") else 1)


def test_the_infons_of_a_real_article():
    path = REAL / "pubmed26n1335.xml.gz"
    if not path.exists():
        pytest.skip(f"{path} isn't there")
    document = read(gzip.decompress(path.read_bytes()))[1][0][0]
    assert (document.id, document.version) == ("26228458", 1)
    mesh = document.infons.pop("mesh").split("|")
    assert (len(mesh), mesh[0], mesh[-1]) == (21, "D015992", "D014507")
    assert document.infons == {
        "version": "1",
        "journal": "Int J Obes (Lond)",
        "issn": "0307-0565",
        "nlm_id": "101256108",
        "year": "2016",
        "doi": "10.1038/ijo.2015.140",
        "pmcid": "PMC4677453",
        "publication_types": "Journal Article|Research Support, N.I.H., Extramural|Research Support, Non-U.S. Gov't",
        "languages": "eng",
    }


@pytest.mark.parametrize(
    ("content", "plain"),
    [
        ("the<i>TERT</i>gene", "theTERTgene"),
        ("H<sub>2</sub>O, Ca<sup>2+</sup>", "H2O, Ca2+"),
        ("<b>a <i>b<sup>c</sup></i></b> d", "a bc d"),
        (f"if {MATHML} then", "if x2 < then"),
        ("a &amp; b &lt; c &#946;&#x2009;m", "a & b < c β\u2009m"),
        ("<![CDATA[<i>a</i> & ]]>b", "<i>a</i> & b"),
        ("a<!-- not this -->b<?nor this?>c<i>d<!--no-->e</i>", "abcde"),
        ("<!-- first -->a", "a"),
        ("[Über die <i>Gicht</i>].", "[Über die Gicht]."),
        (" two  spaces,\n\ta line \u2028 and\u00a0more ", " two  spaces,\n\ta line \u2028 and\u00a0more "),
        ("", ""),
    ],
)
def test_a_text_is_its_characters(content, plain):
    document, source = one(articles(article(title=content, abstract=text(content) + text("end"))))
    start = len(plain) + 1
    assert passages(document) == [
        ("title", 0, plain), ("abstract", start, plain), ("abstract", 2 * start, "end")
    ]  # fmt: skip
    assert [each.text or "" for each in etree.fromstring(source).iterfind("passage/text")] == [plain, plain, "end"]


#: (XML, its characters).
CHARACTERS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))
LEAVES = st.one_of(
    CHARACTERS.map(lambda plain: (escape(plain), plain)),
    CHARACTERS.map(lambda plain: (f"<![CDATA[{plain.replace(']', '')}]]>", plain.replace("]", ""))),
    st.sampled_from([("<!-- c -->", ""), ("<?p i?>", ""), ("&#x3B2;", "β"), ("<sub/>", "")]),
)
CONTENT = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from(("i", "sup", "mml:math")), st.lists(inner, max_size=4)).map(
        lambda pair: (
            f"<{pair[0]}>{''.join(xml for xml, _ in pair[1])}</{pair[0]}>",
            "".join(plain for _, plain in pair[1]),
        )
    ),
    max_leaves=12,
)


@given(st.lists(CONTENT, min_size=1, max_size=5))
def test_any_content_is_its_characters_and_its_shard_has_them_at_their_offsets(contents):
    title, *parts = contents
    document, source = one(
        articles(article(title=title[0], abstract="".join(text(part[0]) for part in parts))).replace(
            "<PubmedArticleSet>", "<PubmedArticleSet xmlns:mml='urn:m'>"
        )
    )
    assert [passage.text for passage in document.passages] == [plain for _, plain in contents]
    joined = " ".join(plain for _, plain in contents)
    assert all(joined[p.offset : p.offset + len(p.text)] == p.text for p in document.passages)
    again = BIOC_XML.read(io.BytesIO(b"<collection>" + source + b"</collection>"), 1 << 20)
    ((other, _),) = [piece for piece in again if not isinstance(piece, bytes)]
    assert passages(other) == passages(document)
    assert (other.id, other.infons) == (document.id, document.infons)


def test_passages_of_all_kinds_say_what_they_are():
    content = article(
        abstract=text("One.", Label="AIMS &amp; SCOPE", NlmCategory="OBJECTIVE") + text("Two.") + text(""),
        in_article="<VernacularTitle>Ein Titel.</VernacularTitle>",
        more=f'<OtherAbstract Type="Publisher" Language="spa">{text("Uno.", Label="OBJETIVO")}{text("Dos.")}'
        f'</OtherAbstract><OtherAbstract Type="plain-language-summary" Language="eng">{text("Easy.")}</OtherAbstract>',
    )
    document, _ = one(articles(content))
    spanish = {"language": "spa", "abstract_type": "Publisher"}
    assert [(p.offset, p.text, p.infons) for p in document.passages] == [
        (0, "A title.", {"type": "title"}),
        (9, "One.", {"type": "abstract", "label": "AIMS & SCOPE", "section_type": "OBJECTIVE"}),
        (14, "Two.", {"type": "abstract"}),
        (19, "", {"type": "abstract"}),
        (20, "Uno.", {"type": "other_abstract", "label": "OBJETIVO", **spanish}),
        (25, "Dos.", {"type": "other_abstract", **spanish}),
        (30, "Easy.", {"type": "other_abstract", "language": "eng", "abstract_type": "plain-language-summary"}),
        (36, "Ein Titel.", {"type": "vernacular_title"}),
    ]


def test_an_article_without_an_abstract_or_a_title_stays():
    _, documents, _ = read(articles(article("1"), article("2", title=""), article("3").replace("ArticleTitle", "X")))
    assert [passages(document) for document, _ in documents] == [
        [("title", 0, "A title.")], [("title", 0, "")], [("title", 0, "")]
    ]  # fmt: skip


BOOK = (
    "<PubmedBookArticle><BookDocument><PMID Version='2'>20301295</PMID><ArticleIdList><ArticleId "
    "IdType='bookaccession'>NBK1</ArticleId></ArticleIdList><Book><BookTitle>Gene<i>Reviews</i></BookTitle><PubDate><Year>1993</Year>"
    "</PubDate></Book>{title}<Language>eng</Language><PublicationType>Review</PublicationType><Abstract><AbstractText>Short."
    "</AbstractText></Abstract><Sections><Section><SectionTitle>Diagnosis</SectionTitle><Section><SectionTitle>Testing"
    "</SectionTitle></Section></Section></Sections></BookDocument><PubmedBookData/></PubmedBookArticle>"
)


def test_a_chapter_and_a_whole_book():
    chapter = BOOK.format(title="<ArticleTitle>Huntington Disease</ArticleTitle>")
    _, documents, _ = read(articles(chapter, BOOK.format(title=""), root="PubmedBookArticleSet"))
    sections = [("section_title", 26, "Diagnosis"), ("section_title", 36, "Testing")]
    assert passages(documents[0][0]) == [("title", 0, "Huntington Disease"), ("abstract", 19, "Short."), *sections]
    assert passages(documents[1][0])[:2] == [("title", 0, "GeneReviews"), ("abstract", 12, "Short.")]
    infons = {"version": "2", "year": "1993", "publication_types": "Review", "languages": "eng"}
    assert documents[0][0].infons == infons | {"book": "GeneReviews"}
    assert documents[1][0].infons == infons
    assert (documents[0][0].id, documents[0][0].version) == ("20301295", 2)


def test_infons_are_taken_from_where_they_are():
    journal = (
        "<Journal><ISSN>1</ISSN><JournalIssue><PubDate><MedlineDate>1998 Dec-1999 Jan</MedlineDate></PubDate>"
        "</JournalIssue><Title>The\n\tjournal</Title></Journal>"
    )
    reference = "<Reference><ArticleIdList><ArticleId IdType='pmc'>PMC8</ArticleId></ArticleIdList></Reference>"
    document, _ = one(
        articles(
            article(
                journal=journal,
                in_article="<ELocationID EIdType='doi' ValidYN='N'>10/wrong</ELocationID><Language>eng</Language>"
                "<Language>fre</Language>",
                in_data="<ArticleIdList><ArticleId IdType='doi'>10/right</ArticleId></ArticleIdList><ReferenceList>"
                f"{reference}</ReferenceList>",
            )
        )
    )
    assert document.infons == {
        "version": "1", "journal": "The journal", "issn": "1", "year": "1998", "doi": "10/right", "languages": "eng|fre"
    }  # fmt: skip


def test_versions_and_deletions():
    gone = '<DeleteCitation><PMID Version="2">7</PMID><PMID>8</PMID><PMID Version="1"/></DeleteCitation>'
    _, documents, _ = read(articles(article("1"), article("1", version="3"), article("2", version="x"), gone))
    assert [(d.id, d.version, d.deleted, len(d.passages)) for d, _ in documents] == [
        ("1", 1, False, 1), ("1", 3, False, 1), ("2", None, False, 1), ("7", 2, True, 0), ("8", None, True, 0)
    ]  # fmt: skip
    assert [source for _, source in documents[3:]] == [b"", b""]
    assert "version" not in documents[2][0].infons


def test_a_deletion_is_no_bad_document_and_writes_nothing(tmp_path):
    gone = "<DeleteCitation><PMID Version='1'>7</PMID></DeleteCitation>"
    path = save(tmp_path / "a.xml", articles(article("1"), gone))
    shard = etree.fromstring(linked(path))
    assert [each.findtext("id") for each in shard.iterfind("document")] == ["1"]
    assert not any(row["error"] for row in rows(path))


def test_a_missing_pmid_costs_its_article_only(tmp_path):
    path = save(tmp_path / "a.xml", articles(article("1"), article(None, title="Lost?"), article(" "), article("1")))
    read_rows = rows(path)
    assert [(row["doc_id"], row["error"] is None) for row in read_rows] == [
        ("1", True), ("", False), ("", False), ("1", True)
    ]  # fmt: skip
    assert "an article has no PMID" in read_rows[1]["error"]
    assert "an article has no PMID" in read_rows[2]["error"]
    assert b"<text>Lost?</text>" in linked(path)


@pytest.mark.parametrize("root", ["PubmedArticle", "PubmedBookArticle"])
def test_an_article_by_itself(tmp_path, root):
    content = article("5", title="Alone.") if root == "PubmedArticle" else BOOK.format(title="")
    path = save(tmp_path / "a.xml", HEAD + "<!-- one -->" + content)
    assert len(rows(path)) == 1


@pytest.mark.parametrize("declared", [True, False])
def test_utf_16_with_a_doctype_and_comments_in_front(tmp_path, declared):
    content = articles(article(title="β😀"), doctype="<!-- é --><?x y?>" + DOCTYPE + "<!-- <collection> -->")
    content = content.replace("utf-8", "utf-16") if declared else content.split("?>", 1)[1]
    path = save(tmp_path / "a.xml", content.encode("utf-16"))
    assert rows(path)[0]["passages"][0]["text"] == "β😀"


def test_a_set_without_articles(tmp_path):
    (chunk,) = chunks(save(tmp_path / "a.xml", articles()))
    assert chunk["docs"][0].as_py() == []
    assert chunk["error"][0].as_py() is None


BOMB = (
    "<!DOCTYPE PubmedArticleSet ["
    + '<!ENTITY a "haha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
SPACE = articles(article()).replace("<PubmedArticleSet>", "<PubmedArticleSet xmlns='urn:x'>")
BAD = [
    ("bomb", articles(article("1"), article("2", title="&j;"), doctype=BOMB), "its entities expand to far more", True),
    ("undefined", articles(article("1"), article("2", title="a&nbsp;b")), "nbsp", None),
    ("cut", articles(article("1"), article("2"))[:-200], "is it cut off?", True),
    ("unclosed", articles(article("1")).removesuffix("</PubmedArticleSet>"), "is it cut off?", True),
    ("space", SPACE, "is in the XML namespace urn:x", False),
    ("prefix", articles("<x:PubmedArticle xmlns:x='urn:x'/>"), "are in the XML namespace urn:x", False),
    ("nested", articles(article("1"), f"<x>{article('2')}</x>"), "stands in <x>", True),
    ("inside", article().replace("<PubmedData>", "<PubmedArticle/><PubmedData>"), "stands in <PubmedArticle>", False),
    ("foreign", articles(article("1"), "<Article/>", article("2")), "<Article> stands where <PubmedArticle>", True),
    ("last", articles(article("1"), "<Article/>"), "<Article> stands where <PubmedArticle> should be", True),
    ("only", articles("<Article/>"), "<Article> stands where <PubmedArticle> should be", False),
    ("root", "<ArticleSet><Article/></ArticleSet>", "its root element is <ArticleSet>", False),
    ("behind", articles(article("1")) + "<x/>", "something follows its end", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason", "good"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_ends_with_an_error_and_keeps_what_came_before(tmp_path, name, content, reason, good):
    path = save(tmp_path / f"{name}.xml", content)
    error, ids = read_error(path, chunk_documents=1)
    assert error is not None
    assert error.startswith(path)
    assert reason in error
    if good is not None:
        assert ids == (["1"] if good else [])


def test_a_wrong_root_is_refused_by_the_reader_itself():
    with pytest.raises(InputError, match="isn't PubMed XML: its root element is <collection>, not <PubmedArticleSet>"):
        read("<collection/>")
    with pytest.raises(InputError, match="is in the XML namespace urn:x"):
        read("<PubmedArticleSet xmlns='urn:x'/>")


def test_an_external_entity_and_the_dtd_are_never_opened(tmp_path):
    secret = save(tmp_path / "secret", "<!ENTITY p 'the-secret-content'>")
    for subset, title in (
        (f'[<!ENTITY x SYSTEM "file://{secret}">]', "&x;"),
        (f'[<!ENTITY % q SYSTEM "file://{secret}"> %q;]', "&p;"),
        (f'SYSTEM "file://{secret}"', "&p;"),
    ):
        path = save(tmp_path / "a.xml", articles(article(title=title), doctype=f"<!DOCTYPE PubmedArticleSet {subset}>"))
        for chunk in chunks(path):
            assert "the-secret-content" not in str(chunk.to_pylist())
    path = save(
        tmp_path / "a.xml", articles(article(), doctype=f'<!DOCTYPE PubmedArticleSet SYSTEM "file://{secret}x">')
    )
    assert read_error(path) == (None, ["1"])


def test_an_article_of_ten_megabytes_within_the_limit_and_above_it(tmp_path):
    path = save(tmp_path / "a.xml", articles(article("1"), article("2", abstract=text("long " * (11 << 18)))))
    long = rows(path)[1]["passages"][1]["text"]
    assert len(long) == 5 * (11 << 18)
    error, ids = read_error(path, max_document_bytes=5 << 20, chunk_documents=1)
    assert "--max-document-mb" in str(error)
    assert ids == ["1"]


def test_synthetic_files_are_read_whole_and_are_the_same_each_time(tmp_path):
    texts = list(made_up_texts(3, 40))
    size = write_baseline(tmp_path / "a.xml.gz", 100, 120, 5, texts)
    write_baseline(tmp_path / "b.xml.gz", 100, 120, 5, iter(texts))
    data = (tmp_path / "a.xml.gz").read_bytes()
    assert data == (tmp_path / "b.xml.gz").read_bytes()
    assert len(gzip.decompress(data)) == size
    assert 8_000 < size / 120 < 14_000  # real articles of January 2026 have 11,300 and 15,900 bytes
    assert file_format(str(tmp_path / "a.xml.gz")).shard_format is BIOC_XML
    read_rows = rows(str(tmp_path / "a.xml.gz"))
    assert [row["doc_id"] for row in read_rows] == [str(pmid) for pmid in range(100, 220)]
    for number, row in enumerate(read_rows):
        title, parts = texts[number % 40]
        assert [passage["text"] for passage in row["passages"]] == [title, *parts]


@pytest.mark.parametrize("limit", [200_000])
def test_many_small_articles_are_not_taken_for_a_large_one(tmp_path, limit):
    write_baseline(tmp_path / "a.xml.gz", 1, 200, 5, made_up_texts(3, 40))
    error, ids = read_error(str(tmp_path / "a.xml.gz"), max_document_bytes=limit)
    assert (error, len(ids)) == (None, 200)
