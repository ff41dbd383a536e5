import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.text import surface
from raybel.corpus.typography import fold
from raybel.detection.pieces import Tokenizer, name_tokens, singular, split, token_hash

TEXTS = st.text(st.characters(), max_size=30) | st.text("aAs'’ -γβ²\u0301\u200b\ud800😀1.(", max_size=30)


@given(TEXTS)
def test_pieces_tile_the_text(text):
    assert "".join(split(text)) == text


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_ascii_has_the_same_tokens_within_other_text(text):
    assert name_tokens(text + " γ") == (*name_tokens(text), "gamma")


@given(st.text("aAsS'` -.", max_size=30))
def test_possessives_are_the_same_within_other_text(text):
    assert name_tokens(text + " γ") == (*name_tokens(text), "gamma")


@given(st.lists(TEXTS, max_size=4), st.integers(0, 3))
def test_tokens_are_those_of_each_text_at_its_places(texts, most):
    tokenizer = Tokenizer(max_pieces=most)
    for _ in range(2):  # whether the pieces are known or not
        tokens = tokenizer.tokens(texts)
        for number, text in enumerate(texts):
            rows = np.flatnonzero(tokens.text == number)[:-1]  # less the one between texts
            expected = name_tokens(text)
            assert tokens.cased[rows].tolist() == [token_hash(token) for token in expected]
            assert tokens.lower[rows].tolist() == [token_hash(token.lower()) for token in expected]
            assert all(0 <= a < b <= len(text) for a, b in zip(tokens.start[rows], tokens.end[rows], strict=True))
            for row in rows.tolist():
                piece = text[tokens.start[row] : tokens.end[row]]
                assert piece in split(text)
                assert tokens.first[row] == (row == rows[0] or tokens.start[row - 1] != tokens.start[row])


@pytest.mark.parametrize(
    "same",
    [
        ("IFN-γ", "IFN-gamma", "IFNγ", "IFN gamma", "ifn-GAMMA"),
        ("Sjögren’s syndrome", "Sjogren's Syndrome", "Sjögren syndromes", "Sjo\u0308grens syndrome"),
        ("17β-estradiol", "17beta-estradiol", "17 beta estradiol"),
        ("Ca²⁺", "Ca2+", "CA2+"),
        ("non\u2011small cell", "non-small\u00a0cells", "non–small cell"),
        ("ﬁbrosis", "fibro\u00adsis", "FIBROSIS"),
        ("anomalies", "anomaly", "ANOMALIES"),
        ("PPARgamma", "PPAR-γ"),
    ],
)
def test_spellings_of_one_name(same):
    lower = {tuple(token.lower() for token in name_tokens(name)) for name in same}
    assert len(lower) == 1


@pytest.mark.parametrize("text", ["IFN-γ", "café au lait", "Ca²⁺ (2.5 mM)", "Crohn’s", "µ-opioid"])
def test_folding_first_changes_nothing(text):
    for other in (fold(text), unicodedata.normalize("NFD", text), surface(text)):
        assert [t.lower() for t in name_tokens(other)] == [t.lower() for t in name_tokens(text)]


def test_singulars():
    kept = ["gas", "virus", "stress", "arthritis", "AIDS", "SARS", "as", "s", ""]
    assert [singular(token) for token in kept] == kept
    assert [singular(each) for each in ("ERGs", "ADs", "diseases", "series", "TUMOURS", "ties")] == [
        *("ERG", "AD", "disease", "sery", "TUMOUR", "tie")
    ]
