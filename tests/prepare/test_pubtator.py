"""The PubTator reader: what it tolerates, what it refuses, and that nothing is lost."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raybel.errors import InputError
from raybel.prepare import pubtator
from raybel.prepare.common import SourceDocument, SourceMention

TITLE, ABSTRACT = "Bog fever in eels", "Eels get bog fever. It passes."
GOOD = f"1|t|{TITLE}\n1|a|{ABSTRACT}\n1\t0\t9\tBog fever\tDisease\tD1\n"


def read(tmp_path: Path, content: str | bytes, name: str = "corpus.txt") -> list[SourceDocument]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(pubtator.read(str(path)))


def complaint(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "corpus.txt") in str(caught.value)
    return str(caught.value)


def test_reads_a_document(tmp_path: Path) -> None:
    (document,) = read(tmp_path, GOOD)
    assert document.doc_id == "1"
    assert document.passages == (("title", 0, TITLE), ("abstract", len(TITLE) + 1, ABSTRACT))
    assert document.mentions == (SourceMention(((0, 9),), "Bog fever", "Disease", "D1", "anywhere"),)
    assert document.mentions[0].where == "line 3"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: "\n\n" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n\n",
        lambda text: text.replace("1|a|", "\n1|a|").replace("1\t0", "\n1\t0"),
    ],
    ids=["as it is", "BOM", "leading blanks", "no end of line", "CRLF", "trailing blanks", "blanks within"],
)
def test_framing_makes_no_difference(tmp_path: Path, change) -> None:
    assert read(tmp_path, change(GOOD)) == read(tmp_path, GOOD)


def test_gzipped_whatever_the_name(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(GOOD.encode())) == read(tmp_path, GOOD)


def test_no_blank_line_between_documents(tmp_path: Path) -> None:
    documents = read(tmp_path, GOOD + GOOD.replace("1|", "2|").replace("1\t", "2\t"))
    assert [(document.doc_id, len(document.mentions)) for document in documents] == [("1", 1), ("2", 1)]


def test_marks_of_the_format_inside_texts(tmp_path: Path) -> None:
    abstract = "We call it x|t|y and 1|a|z.\u2028New \x85 line \x0c here."
    (document,) = read(tmp_path, f"1|t|A |t| B|a|C\n1|a|{abstract}\n1\t2\t5\t|t|\tDisease\tD1\n")
    assert [text for _, _, text in document.passages] == ["A |t| B|a|C", abstract]
    assert document.mentions[0].text == "|t|"


def test_trailing_spaces_count(tmp_path: Path) -> None:
    (document,) = read(tmp_path, "1|t|A title. \n1|a| abstract \n")
    assert document.passages == (("title", 0, "A title. "), ("abstract", 10, " abstract "))


def test_offsets_count_code_points(tmp_path: Path) -> None:
    (document,) = read(tmp_path, "1|t|🐟 ill\n1|a|x\n")
    assert document.passages[1][1] == 6


@pytest.mark.parametrize("line", ["1\t0\t3\tBog\tDisease\t", "1\t0\t3\tBog\tDisease"])
def test_empty_id_column(tmp_path: Path, line: str) -> None:
    (document,) = read(tmp_path, f"1|t|{TITLE}\n1|a|{ABSTRACT}\n{line}\n")
    assert document.mentions[0].ids == ""


def test_seventh_column_and_relations(tmp_path: Path) -> None:
    extra = "1\t0\t9\tBog fever\tDisease\tD1|D2\tbog|fever\n1\tCID\tD1\tD2\n1\tCID\tD1\tD3\n"
    (document,) = read(tmp_path, GOOD + extra)
    assert (len(document.mentions), document.mentions[1].ids, document.relations) == (2, "D1|D2", 2)


def test_empty_texts(tmp_path: Path) -> None:
    (document,) = read(tmp_path, "1|t|\n1|a|\n")
    assert document.passages == (("title", 0, ""), ("abstract", 1, ""))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["holds no documents"]),
        ("\n \n", ["holds no documents"]),
        ("hello\n", ["line 1", "expected a title line", "hello"]),
        ("1|a|x\n", ["line 1", "expected a title line"]),
        ("1|t|x\n\n2|t|y\n2|a|z\n", ["document 1", "line 1", "no abstract"]),
        ("1|t|x\n", ["document 1", "line 1", "no abstract"]),
        ("1|t|x\n1|a|y\n1|t|x\n1|a|y\n", ["document 1", "line 3", "second title", "line 1"]),
        ("1|t|x\n1|a|y\n1|a|z\n", ["document 1", "line 3", "second abstract"]),
        ("1|t|x\n2|a|y\n", ["document 1", "line 2", "abstract of document 2"]),
        ("1|t|x\n1\t0\t1\tx\tD\tD1\n1|a|y\n", ["line 2", "abstract is missing"]),
        (GOOD + "2\t0\t1\tB\tD\tD1\n", ["line 4", "annotation of document '2'"]),
        (GOOD + "and so on\n", ["line 4", "document 1", "and so on"]),
        (GOOD + "1\t0\t1\n", ["line 4", "3 columns", "pmid, start, end, text, type, id"]),
        (GOOD + "1\t0\t1\tB\tD\tD1\tb\tc\n", ["line 4", "8 columns"]),
        (GOOD + "1\tx\t1\tB\tD\tD1\n", ["line 4", "whole numbers", "'x'"]),
        (GOOD + "1\t-1\t1\tB\tD\tD1\n", ["line 4", "whole numbers"]),
        (GOOD + "1\t٣\t4\tB\tD\tD1\n", ["line 4", "whole numbers"]),
        (b"1|t|x\n1|a|caf\xe9 \n", ["line 2", "UTF-8"]),
        (gzip.compress(GOOD.encode() * 50, mtime=0)[:-10], ["cut off"]),
    ],
)
def test_complaints_say_where(tmp_path: Path, content: str | bytes, parts: list[str]) -> None:
    message = complaint(tmp_path, content)
    assert [part for part in parts if part not in message] == [], message


def test_every_damage_to_a_gzip_file_is_an_input_error(tmp_path: Path) -> None:
    whole = gzip.compress(GOOD.encode() * 3, mtime=0)
    for place in range(10, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        with pytest.raises(InputError):
            read(tmp_path, bytes(damaged))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.txt"):
        list(pubtator.read(str(tmp_path / "nothing.txt")))


# No line ends and no surrogates; a final \r would be taken for a part of the line's end.
_texts = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=60)
_cells = st.text(st.characters(exclude_characters="\n\r\t", exclude_categories=["Cs"]), max_size=12)


@st.composite
def _documents(draw) -> list[SourceDocument]:
    documents = []
    for doc_id in draw(st.lists(st.integers(1, 10**8).map(str), min_size=1, max_size=4, unique=True)):
        title, abstract = draw(_texts), draw(_texts)
        mentions = draw(
            st.lists(
                st.builds(
                    SourceMention,
                    locations=st.tuples(st.tuples(st.integers(0, 200), st.integers(0, 20))),
                    text=_cells,
                    type=_cells.map(str.strip),
                    ids=_cells,
                    where=st.just(""),
                ),
                max_size=4,
            )
        )
        passages = (("title", 0, title), ("abstract", len(title) + 1, abstract))
        documents.append(SourceDocument(doc_id, passages, tuple(mentions), draw(st.integers(0, 3)), ""))
    return documents


def _write(documents: list[SourceDocument], blank: str, end: str) -> bytes:
    lines = []
    for document in documents:
        lines += [f"{document.doc_id}|{kind[0]}|{text}" for kind, _, text in document.passages]
        for mention in document.mentions:
            ((start, length),) = mention.locations
            columns = (document.doc_id, start, start + length, mention.text, mention.type, mention.ids)
            lines.append("\t".join(map(str, columns)))
        lines += [f"{document.doc_id}\tCID\tD1\tD2"] * document.relations
        lines += [blank] * bool(blank is not None)
    return end.join(lines).encode()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=_documents(), blank=st.sampled_from(["", None]), end=st.sampled_from(["\n", "\r\n"]))
def test_round_trip(tmp_path: Path, documents: list[SourceDocument], blank: str | None, end: str) -> None:
    # (A file that begins with U+FEFF can't be: it begins with the id.)
    assert read(tmp_path, _write(documents, blank, end)) == documents
