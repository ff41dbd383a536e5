import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raybel.corpus.coordination import MAX_LENGTH, MAX_PARTS, matching, readings

WORDS = [
    "breast",
    "ovarian",
    "cancer",
    "of",
    "the",
    "type",
    "ii",
    "in",
    "and",
    "or",
    "/",
    ",",
    "and/or",
    "(DMD)",
    "&",
    "c6",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("breast and ovarian cancer", ["breast cancer", "ovarian cancer"]),
        ("Duchenne/Becker muscular dystrophy", ["Duchenne muscular dystrophy", "Becker muscular dystrophy"]),
        ("bone and soft tissue tumors", ["bone tumors", "soft tissue tumors"]),
        ("ear, nose and throat infections", ["ear infections", "nose infections", "throat infections"]),
        (
            "colonic, breast, and cervical carcinomas",
            ["colonic carcinomas", "breast carcinomas", "cervical carcinomas"],
        ),
        ("type I and II diabetes", ["type I diabetes", "type II diabetes"]),
        ("cleft lip and/or palate", ["cleft lip", "cleft palate"]),
        ("cleft lip/palate", ["cleft lip", "cleft palate"]),
        ("T-cell leukaemia or lymphoma", ["T-cell leukaemia", "T-cell lymphoma"]),
        ("cancer of the breast and the ovaries", ["cancer of the breast", "cancer of the ovaries"]),
        ("deficiency of C6 & C7", ["deficiency of C6", "deficiency of C7"]),
        ("pain and burning in the eye", ["pain in the eye", "burning in the eye"]),
        ("septal (VSD) and midline (MD) defects", ["septal defects", "midline defects"]),
        ("Duchenne and the milder Becker dystrophy", ["Duchenne dystrophy", "milder Becker dystrophy"]),
    ],
)
def test_names_are_taken_apart(text, parts):
    assert parts in [[part.text for part in reading] for reading in readings(text)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "and",
        "and cancer",
        "cancer or",
        "breast cancer",
        "nausea and vomiting",  # they share nothing
        "carbidopa/levodopa",
        "w/o",
        "GM2 gangliosidosis, type 1",
        "aplasia or hypoplasia of the thymus and glands",  # two lists
        "deficiency (of C6 and C7",
        "pre- and postoperative bleeding",
        "infection with HBV and HIV",
        "breast and ovarian " + "x" * MAX_LENGTH,
        ", ".join("abcdefghi") + " and k cancer",
    ],
)
def test_others_stay_whole(text):
    assert readings(text) == []


@given(st.text(max_size=60))
def test_a_text_without_a_coordinator_is_never_split(text):
    if not re.search(r"(?i)(?<![^\s,/()\[\]])(?:and|or|&)(?![^\s,/()\[\]])|/", text):
        assert readings(text) == []


@example("breast and ovarian of ,")
@given(TEXT)
def test_parts_are_words_of_the_text_in_its_order_and_use_all_that_are_not_between(text):
    for reading in readings(text):
        assert 2 <= len(reading) <= MAX_PARTS
        assert len({part.text.lower() for part in reading}) == len(reading)
        for part in reading:
            rest = iter(re.findall(r"[^\s,/]+", text))
            assert all(word in rest for word in part.text.split())  # in order
            if part.span is not None:
                start, end = part.span
                assert " ".join(text[start:end].split()) == part.text
        left_out = {"and", "or", "&", "the", "(DMD)"}
        used = {word for part in reading for word in part.text.split()}
        assert set(re.findall(r"[^\s,/]+", text)) - left_out <= used


@given(TEXT)
def test_case_and_space_change_nothing(text):
    wide = readings("  ".join(text.upper().split(" ")))
    assert [[part.text.lower() for part in each] for each in wide] == [
        [part.text.lower() for part in each] for each in readings(text)
    ]


def test_places_in_a_text_that_is_written_otherwise():
    (parts, *_) = readings("breast and ovarian cancer")
    assert list(matching(parts, "Breast  and ovarian  Cancer")) == [None, (12, 27)]
    assert list(matching(parts, "HBOC")) == [None, None]
