import io
import string
from pathlib import Path

import pytest
from bioc import pubtator as bioc_pubtator
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.documents import ReadOptions, parse_gold, to_row
from raybel.corpus.formats.pubtator import PUBTATOR
from raybel.corpus.reading import read_documents
from raybel.exports.documents import Document, Link, Mention, Part, Passage, Tally
from raybel.exports.pubtator import PUBTATOR_TEXT, column_id, one_line

HEBREW = "סוכרת"
#: What a reader may stumble over: separators, line ends of every kind, markup, text from right to left.
NASTY = "\t\n\r\x0b\x0c\x1c\x85\u2028\u2029\x00\x1f|%+;,=- <>&\"'\u202e\u200f\ufeff" + HEBREW + "aé\U0001f600"
texts = st.text(st.sampled_from(NASTY + string.ascii_letters), max_size=20)
#: An id that stands for no concept can't be told from one.
ids = texts.filter(lambda text: text not in ("", "-1", "-", "NIL", "none"))


passages = st.lists(texts, max_size=4)


@st.composite
def documents(draw, passages=passages, names=texts, ids=ids):
    """A document whose passages lie one character apart, with mentions, some of them nested or empty."""
    found, place = [], 0
    for text in draw(passages):
        found.append(Passage(place, text, "title" if not found else "abstract"))
        place += len(text) + 1
    mentions = []
    for number in range(draw(st.integers(0, 3)) if found else 0):
        index = draw(st.integers(0, len(found) - 1))
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(found[index].text))] * 2)))
        base, text = found[index].offset, found[index].text[start:end]
        span = (base + start, base + end)
        links = [Link(each, "name", 0.5) for each in draw(st.lists(ids, max_size=3, unique=True))]
        parts = tuple(Part(draw(names), None, None, link) for link in links) if len(links) > 1 else ()
        kind = draw(names)
        mentions.append(Mention(f"T{number}", index, *span, text, kind, (span,), None, tuple(links), (), parts))
    return Document(draw(names), "a.xml.gz", 7, found, mentions)


def written(*exported: Document) -> tuple[str, Tally]:
    tally = Tally()
    return b"".join(PUBTATOR_TEXT.content(exported, tally)).decode(), tally


def read(text: str, limit: int = 1 << 20) -> list:
    """The documents that our own reader finds, as rows."""
    pieces = PUBTATOR.read(io.BytesIO(text.encode()), limit)
    return [to_row(*piece, ReadOptions()) for piece in pieces if not isinstance(piece, bytes)]


@given(st.lists(documents(), min_size=1, max_size=3))
def test_our_reader_finds_the_same_spans_and_links(exported):
    text, tally = written(*exported)
    rows = read(text)
    assert [row.doc_id for row in rows] == [
        column_id(each.doc_id, "|%") or f"#{place}" for place, each in enumerate(exported)
    ]
    for row, document in zip(rows, exported, strict=True):
        assert row.error is None
        assert row.set_aside == []
        assert row.repairs == 0
        expected = sorted(
            (
                (each.start, each.end, one_line(each.text), [link.concept_id for link in each.links])
                for each in document.mentions
            ),
            key=lambda item: item[:2],
        )
        assert [(each["start"], each["end"], each["text"], each["gold"]) for each in row.mentions] == expected
        given_texts = [passage.text for passage in document.passages] or [""]
        shown = [one_line(given_texts[0]), one_line(" ".join(given_texts[1:]))]
        assert [passage["text"] for passage in row.passages] == shown
    assert not tally.moved


#: What bioc's reader, which is less strict, reads as it is meant.
words = st.text(string.ascii_letters + "éα", min_size=2)


@given(st.lists(documents(st.lists(words, min_size=1, max_size=4), words, words), min_size=1, max_size=2))
def test_bioc_reads_the_same_of_plain_texts(exported):
    text, _ = written(*exported)
    found = bioc_pubtator.loads(text)
    assert [document.pmid for document in found] == [document.doc_id for document in exported]
    for document, original in zip(found, exported, strict=True):
        assert document.text.replace("\n", " ") == " ".join(passage.text for passage in original.passages)
        spans = [(annotation.start, annotation.end) for annotation in document.annotations]
        assert spans == sorted((mention.start, mention.end) for mention in original.mentions)
        assert all(document.text[each.start : each.end] == each.text for each in document.annotations)


def example(doc_id: str = "12", *mentions: Mention, passages: tuple[Passage, ...] = ()) -> Document:
    given = passages or (Passage(0, "Anemia.", "title"), Passage(8, "Low iron.", "abstract"))
    return Document(doc_id, "a.xml.gz", 3, given, mentions)


def mention(text: str, start: int, *links: str, passage: int = 0, parts: tuple[Part, ...] = (), **of: str) -> Mention:
    span = (start, start + len(text))
    found = tuple(Link(each, each, 0.5) for each in links)
    return Mention("T1", passage, *span, text, of.get("type", "Disease"), (span,), None, found, found, parts)


def test_a_document():
    exported = example("12", mention("iron", 12, passage=1), mention("Anemia", 0, "D1"))
    text, tally = written(exported)
    assert text == "12|t|Anemia.\n12|a|Low iron.\n12\t0\t6\tAnemia\tDisease\tD1\n12\t12\t16\tiron\tDisease\t-1\n\n"
    assert tally == Tally()


def test_composites_have_their_parts_in_words():
    links = (Link("D1", "", 0.5), Link("a|b", "", 0.5))
    parts = tuple(Part(words, None, None, link) for words, link in zip(("low|iron", "x\ty"), links, strict=True))
    text, _ = written(example("12", mention("Low iron", 8, "D1", "a|b", passage=1, parts=parts)))
    assert "\tD1|a%7Cb\tlow iron|x y\n" in text
    (annotation,) = bioc_pubtator.loads(text)[0].annotations
    assert annotation.id == "D1|a%7Cb"
    unlinked = (*parts[:1], Part("y", None, None, None))  # as many words as ids, or bioc's reader refuses the line
    text, _ = written(example("12", mention("Low iron", 8, "D1", passage=1, parts=unlinked)))
    assert text.endswith("\tD1\n\n")


def test_what_only_our_reader_reads_as_it_is_meant():
    passages = (Passage(0, "A|t|B. ", "title"), Passage(8, "Low iron.", "abstract"))
    text, _ = written(example("12", mention("A|t|B", 0, "D1"), passages=passages))
    (row,) = read(text)
    assert [passage["text"] for passage in row.passages] == ["A|t|B. ", "Low iron."]
    assert [(each["text"], each["gold"]) for each in row.mentions] == [("A|t|B", ["D1"])]
    (document,) = bioc_pubtator.loads(text)
    assert (document.pmid, document.annotations) == ("12\t0\t5\tA", [])


def test_all_passages_but_the_first_are_the_abstract():
    passages = (Passage(0, "Title", "title"), Passage(900, "One\ttab.", "p"), Passage(905, "Two.", "p"))
    text, tally = written(example("1", mention("Two", 905, "D1", passage=2), passages=passages))
    assert text == "1|t|Title\n1|a|One tab. Two.\n1\t15\t18\tTwo\tDisease\tD1\n\n"
    assert (tally.moved, tally.replaced) == (1, 1)


@pytest.mark.parametrize(
    ("doc_id", "column"),
    [
        ("", "#0"),
        ("a\tb\n", "a%09b%0A"),
        (" 1|t|2% ", "%201%7Ct%7C2%25%20"),
        ("<script>", "<script>"),
        (HEBREW, HEBREW),
    ],
)
def test_ids_stand_in_one_column(doc_id, column):
    text, _ = written(example(doc_id, mention("Anemia", 0, "D 1\t\u2028", type="a\tb")))
    assert text.splitlines()[0] == f"{column}|t|Anemia."
    assert text.splitlines()[2] == f"{column}\t0\t6\tAnemia\ta b\tD 1%09%E2%80%A8"
    (row,) = read(text)
    assert (row.doc_id, row.mentions[0]["gold"]) == (column, ["D 1\t\u2028"])
    assert parse_gold("D 1%09%E2%80%A8") == ["D 1\t\u2028"]


def test_a_file_is_taken_for_pubtator_text(tmp_path: Path):
    path = tmp_path / "a.pubtator"
    path.write_text(written(example(), example("", passages=(Passage(0, "", ""),)))[0])
    found = [piece[0].id for piece in read_documents(str(path), ReadOptions()) if not isinstance(piece, bytes)]
    assert found == ["12", "#1"]
