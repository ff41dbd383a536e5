import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import annotation, collection, document, linked, passage, read_error, rows, save

from raybel.corpus.documents import NIL_IDS, format_gold, parse_gold, quote_id

TEXT = "Anemia, 😀 naïve β-thalassemia."
THALASSEMIA = TEXT.index("β-thalassemia")


def read(tmp_path, *passages, **options):
    (row,) = rows(save(tmp_path / "a.xml", collection(document("1", *passages))), **options)
    return row


def units(encoding: str, unit: int) -> tuple[int, int]:
    """Place of the mention as a tool counts it that doesn't count code points."""
    before, mention = TEXT[:THALASSEMIA], TEXT[THALASSEMIA:-1]
    return len(before.encode(encoding)) // unit, len(mention.encode(encoding)) // unit


@pytest.mark.parametrize(
    ("stated", "place", "base", "repairs", "text"),
    [
        ("β-thalassemia", (THALASSEMIA, 13), 0, 0, "β-thalassemia"),
        ("ANEMIA", (0, 6), 0, 1, "Anemia"),
        ("Anemia,  😀", (0, 9), 0, 1, "Anemia, 😀"),
        ("", (0, 6), 0, 1, "Anemia"),
        ("β-thalassemia", units("utf-16-le", 2), 0, 1, "β-thalassemia"),
        ("β-thalassemia", units("utf-8", 1), 0, 1, "β-thalassemia"),
        ("β-thalassemia", (THALASSEMIA, 13), 1000, 1, "β-thalassemia"),
        ("β-thalassemia", (THALASSEMIA + 5, 13), 0, 1, "β-thalassemia"),
        ("β-thalassemia", (THALASSEMIA - 5, 13), 0, 1, "β-thalassemia"),
        ("β-thalassemia", (THALASSEMIA, 2), 0, 1, "β-thalassemia"),
    ],
)
def test_a_documented_repair_is_made_and_counted(tmp_path, stated, place, base, repairs, text):
    row = read(tmp_path, passage(TEXT, annotation(stated, place), offset=base))
    assert row["error"] is None
    (mention,) = row["mentions"]
    assert (mention["text"], row["repairs"]) == (text, repairs)
    assert TEXT[mention["start"] - base : mention["end"] - base] == text


@pytest.mark.parametrize(
    ("stated", "place", "reason"),
    [
        ("Anemia", (500, 6), "outside its passage"),
        ("Anemia", (28, 600), "outside its passage"),
        ("", (25, 20), "outside its passage"),
        ("asthma", (0, 6), "says 'asthma', the text there is 'Anemia'"),
        ("naïve", (0, 5), "the text there is"),
        ("Anemia", (999999999, 6), "outside its passage"),
        ("Anemia", (99999999999, 6), 'the location offset="99999999999" is larger than 2,147,483,647'),
    ],
)
def test_a_mention_that_is_nowhere_is_set_aside_by_itself(tmp_path, stated, place, reason):
    row = read(tmp_path, passage(TEXT, annotation("Anemia", (0, 6)), annotation(stated, place)))
    (problem,) = row["set_aside"]
    assert reason in problem
    assert "document 1" in problem
    assert (row["error"], row["repairs"]) == (None, 0)
    assert [(m["ordinal"], m["text"]) for m in row["mentions"]] == [(0, "Anemia")]


def test_a_discontinuous_mention_spans_its_pieces(tmp_path):
    text = "breast and ovarian cancer"
    places = ((19, 6), (0, 6))
    row = read(tmp_path, passage(text, annotation("breast cancer", *places), annotation("", *places)))
    spans = [(m["start"], m["end"], m["text"]) for m in row["mentions"]]
    assert spans == [(0, 25, "breast cancer")] * 2
    assert row["repairs"] == 1
    assert "outside" in read(tmp_path, passage(text, annotation("x", (0, 3), (24, 9))))["set_aside"][0]


def test_a_zero_length_mention_is_kept_and_never_linked(tmp_path):
    path = save(tmp_path / "a.xml", collection(document("1", passage("Anemia", annotation("", (3, 0))))))
    (row,) = rows(path)
    assert row["error"] is None
    assert [(m["start"], m["end"], m["surface"]) for m in row["mentions"]] == [(3, 3, "")]
    assert b"link_id" not in linked(path)


def test_no_passages_no_text_no_id_no_location(tmp_path):
    assert read(tmp_path) == {
        "doc_id": "1", "file": "a.xml", "version": None, "deleted": False,
        "passages": [], "mentions": [], "source": b"<document><id>1</id></document>", "repairs": 0,
        "set_aside": [], "error": None,
    }  # fmt: skip
    assert read(tmp_path, "<passage/>")["passages"] == [{"offset": 0, "text": "", "sentences": []}]
    nameless = annotation("Anemia", (0, 6), name="")
    row = read(tmp_path, passage("Anemia", annotation("Anemia", (0, 6)), nameless))
    assert [m["mention_id"] for m in row["mentions"]] == ["T1", "#1"]
    assert [(m["type"], m["gold"]) for m in row["mentions"]] == [("", None)] * 2
    assert "annotation T1 has no location" in read(tmp_path, passage("Anemia", annotation("Anemia")))["set_aside"][0]


def test_two_documents_of_one_id_stay_two(tmp_path):
    repeated = document("1", passage("Anemia"))
    assert read_error(save(tmp_path / "a.xml", collection(repeated, repeated))) == (None, ["1", "1"])


SENTENCE = "<sentence><offset>{}</offset><text>{}</text>{}</sentence>"


def test_text_that_is_only_in_sentences_is_laid_out_by_offsets(tmp_path):
    second = SENTENCE.format(22, "Asthma.", annotation("Asthma", (22, 6)))
    first = SENTENCE.format(10, "Anemia.", annotation("Anemia", (10, 6)))
    row = read(tmp_path, f"<passage><offset>10</offset>{second}{first}</passage>")
    assert row["passages"][0]["text"] == "Anemia.     Asthma."
    assert [(m["start"], m["text"]) for m in row["mentions"]] == [(22, "Asthma"), (10, "Anemia")]
    assert row["repairs"] == 0


@pytest.mark.parametrize(
    "body",
    [
        passage("Anemia", offset=2**31 - 3),
        passage("Anemia", offset=99999999999),
        passage("Anemia", offset=-2),
        f"<passage><offset>0</offset>{SENTENCE.format(2**40, 'far', '')}</passage>",
        f"<passage><offset>0</offset>{SENTENCE.format(2**30, 'far', '')}</passage>",
        f"<passage><offset>0</offset>{''.join(SENTENCE.format(60_000 * n, 'a', '') for n in range(3))}</passage>",
    ],
)
def test_an_absurd_offset_is_an_error_of_its_document(tmp_path, body):
    path = save(tmp_path / "a.xml", collection(document("1", body), document("2")))
    assert read_error(path) == (None, ["1", "2"])
    first, second = rows(path)
    assert first["error"]
    assert second["error"] is None


def test_annotations_of_the_document_find_their_passage(tmp_path):
    own = annotation("Asthma", (100, 6))
    row = read(tmp_path, passage("Anemia"), passage("Asthma", offset=100), own)
    assert [(m["passage"], m["start"]) for m in row["mentions"]] == [(1, 100)]
    assert "lies in no passage" in read(tmp_path, passage("Anemia"), annotation("Asthma", (50, 6)))["set_aside"][0]
    assert "has no location" in read(tmp_path, passage("Anemia"), annotation("Asthma"))["set_aside"][0]
    assert "lies in no passage" in read(tmp_path, annotation("Asthma", (50, 6)))["set_aside"][0]


def test_an_annotation_under_a_neighbouring_passage_is_found_where_its_offsets_say(tmp_path):
    asthma = annotation("asthma", (100, 6))
    row = read(tmp_path, passage("Anemia here", asthma, annotation("gout", (101, 4))), passage("Asthma", offset=100))
    assert [(m["ordinal"], m["passage"], m["start"], m["text"]) for m in row["mentions"]] == [(0, 1, 100, "Asthma")]
    assert (row["repairs"], len(row["set_aside"])) == (1, 1)
    empty = annotation("", (106, 0))  # at an edge, and under the wrong passage: costs itself
    row = read(tmp_path, passage("Anemia here", empty), passage("Asthma", annotation("Asthma", (100, 6)), offset=100))
    assert [m["text"] for m in row["mentions"]] == ["Asthma"]
    assert len(row["set_aside"]) == 1


@pytest.mark.parametrize(
    ("passages", "expected"),
    [
        ((("Effects of p53", ("p53", 15)), ("p53 gene",)), (1, 15, 1)),  # not the p53 a few characters before
        ((("p53 here",), ("p53 gene", ("p53", 0))), (0, 0, 1)),  # not counted from the passage's start
    ],
)
def test_where_the_offsets_are_right_nothing_is_moved(tmp_path, passages, expected):
    offset, bodies = 0, []
    for text, *mentions in passages:
        spots = [annotation(mention, (start, len(mention))) for mention, start in mentions]
        bodies.append(passage(text, *spots, offset=offset))
        offset += len(text) + 1
    row = read(tmp_path, *bodies)
    assert row["set_aside"] == []
    assert [(m["passage"], m["start"], row["repairs"]) for m in row["mentions"]] == [expected]


def test_an_annotation_of_the_document_goes_to_the_passage_that_has_its_text(tmp_path):
    row = read(tmp_path, passage("ab TP53"), passage("TP53 gene", offset=7), annotation("TP53", (7, 4)))
    assert [(m["passage"], m["start"], row["repairs"]) for m in row["mentions"]] == [(1, 7, 0)]


@pytest.mark.parametrize(
    ("text", "stated", "repaired"),
    [
        ("α‐thalassemia", "a-thalassemia", True),  # as PubTator writes it
        ("ïnfarctus du myocarde", "infarctus du myocarde", True),
        ("IFN‑γ", "IFN-gamma", True),
        ("αβγ", "abg", False),  # nothing of it is the same
        ("α-thalassemia", "a-thalassaemi", False),
    ],
)
def test_a_text_in_other_typography_is_what_the_offsets_say(tmp_path, text, stated, repaired):
    row = read(tmp_path, passage(f"x {text} y", annotation(stated, (2, len(text)))))
    assert [m["text"] for m in row["mentions"]] == [text] * repaired
    assert (row["repairs"], len(row["set_aside"])) == (int(repaired), int(not repaired))


def test_other_infons_and_only_some_types(tmp_path):
    disease = annotation("Anemia", (0, 6), name="D", identifier="MESH:D000740;OMIM:1", kind="Disease")
    gene = annotation("BRCA1", (7, 5), name="G", identifier="672", kind="Gene")
    body = passage("Anemia BRCA1", annotation("Anemia BRCA1", (0, 12)), gene, disease)
    row = read(tmp_path, body, gold_infon="identifier", type_infon="kind", mention_types=("Disease",))
    (mention,) = row["mentions"]
    assert (mention["ordinal"], mention["mention_id"], mention["type"]) == (2, "D", "Disease")
    assert mention["gold"] == ["MESH:D000740", "OMIM:1"]
    assert [m["gold"] for m in read(tmp_path, body)["mentions"]] == [None] * 3


def test_an_abbreviation_that_is_defined_twice_means_the_nearest_definition_before_it(tmp_path):
    text = "MS first. Multiple sclerosis (MS) is here. MS. Now mitral stenosis (MS). MS again."
    places = [match.start() for match in re.finditer("MS", text)]
    (whole,) = [text.index("mitral")]
    body = passage(
        text, *(annotation("MS", (place, 2)) for place in places), annotation("mitral stenosis (MS)", (whole, 20))
    )
    surfaces = [m["surface"] for m in read(tmp_path, body)["mentions"]]
    assert surfaces == ["multiple sclerosis"] * 3 + ["mitral stenosis"] * 3


def test_abbreviations_are_the_same_in_other_typography(tmp_path):
    text = "Interferon‑γ (IFN‑γ). IFN-γ or IFN gamma."
    body = passage(text, annotation("IFN-γ", (22, 5)), annotation("IFN gamma", (31, 9)))
    assert [m["surface"] for m in read(tmp_path, body)["mentions"]] == ["interferon gamma"] * 2


def test_sentences_are_split_on_request(tmp_path):
    text = "Anemia is common. Asthma is too."
    body = passage(text, annotation("Anemia", (7, 6)), annotation("Asthma", (25, 6)), offset=7)
    row = read(tmp_path, body, sentences=True)
    assert [text[s["start"] - 7 : s["end"] - 7] for s in row["passages"][0]["sentences"]] == [text[:17], text[18:]]
    assert [m["sentence"] for m in row["mentions"]] == [0, 1]
    assert [m["sentence"] for m in read(tmp_path, body)["mentions"]] == [-1, -1]


def test_abbreviations_are_expanded_on_request(tmp_path):
    text = "Tuberous sclerosis complex (TSC). TSC is rare."
    body = passage(text, annotation("TSC", (34, 3)))
    assert read(tmp_path, body)["mentions"][0]["surface"] == "tuberous sclerosis complex"
    assert read(tmp_path, body, expand_abbreviations=False)["mentions"][0]["surface"] == "tsc"


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        (None, None), ("", []), ("-1", []), ("NIL", []), ("-", []), ("none", []), ("D1", ["D1"]),
        ("D1|D2", ["D1", "D2"]), ("D1 + D2", ["D1", "D2"]), ("D1|-1", ["D1"]), ("a%7Cb", ["a|b"]),
        ("D1||D2", ["D1", "D2"]), ("MESH:D1;D2", ["MESH:D1", "D2"]), ("D1,D2", ["D1", "D2"]),
    ],
)  # fmt: skip
def test_gold(value, gold):
    assert parse_gold(value) == gold


IDS = st.text(st.sampled_from("ab1|=&+;,%-: é"), min_size=1).filter(
    lambda text: text == text.strip() and text not in NIL_IDS
)


@given(st.lists(IDS, max_size=4))
@example(["a|b=c&d+e%f", "%7C", "D1"])
def test_gold_round_trip(ids):
    assert parse_gold(format_gold(ids)) == ids


@given(IDS)
def test_a_quoted_id_holds_no_separator(concept_id):
    assert not set(quote_id(concept_id)) & set("|=+;,")
