import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raybel.corpus.text import surface
from raybel.corpus.typography import FOLDING, check_folding, fold
from raybel.errors import MismatchError


@pytest.mark.parametrize(
    "spellings",
    [
        ["IFN-γ", "IFN-gamma", "IFNγ", "IFN gamma", "ifn‐γ", "IFN‑γ", "IFN–γ", "IFN−Γ", "IFNgamma", "ＩＦＮ－γ"],
        [
            "17β-estradiol",
            "17 beta-estradiol",
            "17beta-Estradiol",
            "17-Beta Estradiol",
            "17Β-estradiol",
        ],
        ["β thalassemia", "beta-thalassemia", "Beta thalassemia", "ϐ-thalassemia"],
        ["NF-κB", "NF-kappaB", "NF-kappa B", "NF-kappa-B"],
        ["αβ T cell", "alpha beta T cell", "alpha-beta T cell", "αβ-T cell"],
        ["PI3K", "PI-3K", "PI 3K", "π3K"],
        ["Sjögren’s syndrome", "Sjo\u0308gren's syndrome", "Sjogren`s syndrome", "Sjogren‘s  syndrome"],
        ["Ca²⁺ channel", "Ca2+ channel", "Ca\u00ad2+ chan\u200bnel"],
        ["Ménière disease", "Meniere disease", "Me\u0301nie\u0300re\u00a0disease"],
        ["Løken–Æble", "Loken-AEble"],
        ["ﬁbrosis", "fibrosis"],
        ["CO₂", "CO2"],
        ["5″-x", "5''-x", '5"-x'],
        ["½ dose", "1/2 dose"],
        ["Tylenol®", "Tylenol™", "tylenol"],
        ["Mentha × piperita", "mentha x piperita"],
        ["λ phage", "lamda phage", "lambda-phage"],
        ["Biota", "biota"],
        ["Bβ chain", "Bbeta chain", "B-beta chain"],
    ],
)
def test_spellings_of_one_name_have_one_surface(spellings):
    assert len({surface(spelling) for spelling in spellings}) == 1, [surface(spelling) for spelling in spellings]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("IFN-γ", "IFN-α"),
        ("Alphavirus", "alpha virus"),  # a Greek letter's name only where it is a word
        ("beta cell", "betac ell"),
        ("Na+", "Na-"),
        ("C. difficile", "C difficile"),
        ("vitamin B2", "vitamin B 2"),
        ("Chilblains", "chi-lblains"),
        ("Retinitis", "r-eta-initis"),
        ("a ≠ b", "a = b"),
        ("ガン", "カン"),
    ],
)
def test_different_names_stay_different(first, second):
    assert surface(first) != surface(second)


def test_case_and_white_space_stay_when_only_typography_is_folded():
    assert fold("The  Δ9-THC–TNFα\n“Ratio”") == "The  Delta 9-THC-TNF alpha\n'Ratio'"
    assert fold("plain ASCII text, with -dashes- and 'quotes'") == "plain ASCII text, with -dashes- and 'quotes'"
    assert fold("") == surface("\u200b\ufeff \u00ad") == ""


def test_other_scripts_are_left_alone():
    names = ["糖尿病", "диабет", "당뇨병", "胃ガン", "мозговой", "≠", "∉"]
    assert [surface(name) for name in names] == names


UNICODE = st.text(st.one_of(st.characters(), st.sampled_from("αβγΔ‐–−’“ö\u0308ﬁ²⁺ −-'\"alphbetgmkTNFκB")), max_size=30)


@given(UNICODE)
@example("alphaΒ")
@example("TNF\x01alpha\x02-B")
@example("beta BETA-kappaB γ- δ")
@example("ǰ\u0345ΐİ")
def test_folding_again_changes_nothing(text):
    assert fold(fold(text)) == fold(text)
    assert surface(surface(text)) == surface(text)


@given(UNICODE)
def test_a_surface_has_no_typography_of_print(text):
    folded = surface(text)
    assert not set(folded) & set("‐‑–—−’‘“”\u200b\u00ad²⁺αβγκ")
    assert folded == " ".join(folded.split())


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_ascii_and_the_same_text_beside_other_characters_are_folded_alike(text):
    assert fold("漢 " + text) == "漢 " + fold(text)


def test_the_version_is_checked():
    check_folding("model", FOLDING)
    for version in (None, FOLDING - 1, FOLDING + 1):
        with pytest.raises(MismatchError, match="model was made with version"):
            check_folding("model", version)
