import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.expansion import document_abbreviations, expand
from raybel.corpus.typography import fold


def placed(passages: list[str]) -> list[tuple[int, str]]:
    """Passages with their offsets, one code point apart."""
    offsets = [sum(len(text) + 1 for text in passages[:number]) for number in range(len(passages))]
    return list(zip(offsets, passages, strict=True))


def defined(*passages: str, end: int = 10_000):
    return document_abbreviations(placed(list(passages))).before(end)


def test_a_short_form_means_its_nearest_definition_before_the_mention():
    passages = ["Angelman syndrome (AS)", "", "AS, ankylosing spondylitis (AS), Hex  A, hexosaminidase A (Hex\nA)"]
    place = len(passages[0]) + 2
    second = place + passages[2].index("(AS)") + 1
    assert defined(*passages, end=0)["AS"] == "Angelman syndrome"  # nothing stands before it
    assert defined(*passages, end=place + 2)["AS"] == "Angelman syndrome"
    assert defined(*passages, end=second + 2)["AS"] == "ankylosing spondylitis"  # in the definition itself
    assert defined(*passages) == {"AS": "ankylosing spondylitis", "Hex A": "hexosaminidase A"}
    assert defined() == {}
    assert not document_abbreviations([])


def test_a_definition_in_another_spelling_is_the_same_one():
    again = ["hypoxanthine-guanine transferase (HGT)", "hypoxanthine guanine transferase (HGT)"]
    assert defined(*again) == {"HGT": "hypoxanthine-guanine transferase"}


def test_plural_gives_singular_too_unless_defined():
    assert defined("electroretinograms (ERGs)") == {"ERGs": "electroretinograms", "ERG": "electroretinogram"}
    assert defined("cardiomyopathies (CMs)")["CM"] == "cardiomyopathy"
    assert defined("odds ratios (ORs)", "operating room (OR)") == {"ORs": "odds ratios", "OR": "operating room"}


def test_short_and_long_forms_are_folded():
    known = defined("interferon‑γ (IFN‑γ)")
    assert known == {"IFN gamma": "interferon gamma"}
    abbreviations = document_abbreviations([(0, "interferon‑γ (IFN‑γ)")])
    assert abbreviations.expand("IFN γ receptor", 100) == "interferon gamma receptor"


DOCUMENT = {
    "G6PD": "glucose-6-phosphate dehydrogenase",
    "AT": "ataxia telangiectasia",
    "DMD": "Duchenne muscular dystrophy",
    "HD": "Huntington disease",
    "FAP": "familial adenomatous polyposis",
    "AFAP": "attenuated FAP",
    "Hex A": "hexosaminidase A",
    "mAb": "monoclonal antibody",
}


@pytest.mark.parametrize(
    ("mention", "expected"),
    [
        ("G6PD deficiency", "glucose-6-phosphate dehydrogenase deficiency"),
        ("AT", "ataxia telangiectasia"),
        ("ATs", "ataxia telangiectasia"),
        ("DMDs and mAbs", "Duchenne muscular dystrophy and monoclonal antibody"),
        ("non-HD", "non-Huntington disease"),
        ("HD-like", "Huntington disease-like"),
        ("HD's", "Huntington disease's"),
        ("HD/DMD", "Huntington disease/Duchenne muscular dystrophy"),
        ("(HD)", "(Huntington disease)"),
        ("Hex  A", "hexosaminidase A"),
        # one pass
        ("AFAP", "attenuated FAP"),
        ("AFAP or FAP", "attenuated FAP or familial adenomatous polyposis"),
        # not doubled
        ("ataxia telangiectasia (AT)", "ataxia telangiectasia"),
        ("Ataxia-Telangiectasia [ AT ] carriers", "Ataxia-Telangiectasia carriers"),
        ("ataxia telangiectasia (AT", "ataxia telangiectasia"),
        ("Duchenne muscular dystrophy, DMD", "Duchenne muscular dystrophy"),
        ("Duchenne muscular dystrophy or DMD", "Duchenne muscular dystrophy"),
        ("AT (ataxia telangiectasia) cells", "ataxia telangiectasia cells"),
        ("HD, Huntington disease", "Huntington disease"),
        ("HD disease", "Huntington disease"),
        ("HD diseased", "Huntington disease diseased"),
        # unchanged
        ("", ""),
        ("CAT", "CAT"),
        ("AT2", "AT2"),
        ("AT_", "AT_"),
        ("at", "at"),
        ("ataxia telangiectasia", "ataxia telangiectasia"),
        ("βHD", "βHD"),
    ],
)
def test_expand(mention, expected):
    assert expand(mention, DOCUMENT) == expected


def test_longest_short_form_first_and_single_letters_alone():
    assert expand("A-T", {"A": "adenine", "T": "thymine"}) == "A-T"
    assert expand("A and T", {"A": "adenine", "T": "thymine"}) == "adenine and thymine"
    assert expand("As", {"A": "adenine"}) == "As"
    assert expand("A-T", {"A": "adenine", "A-T": "ataxia telangiectasia"}) == "ataxia telangiectasia"
    assert expand("HD-L", {"HD": "Huntington disease", "HD-L": "HD-like"}) == "HD-like"


def test_plural_defined_itself_wins():
    assert expand("ERGs", {"ERG": "electroretinogram", "ERGs": "electroretinograms"}) == "electroretinograms"


def test_useless_pairs_are_passed_over():
    abbreviations = {"": "nothing", " ": "blank", "HD": "", "AT": "  ", "PD": "-", "(x": "bracketed"}
    assert expand("HD AT PD", abbreviations) == "HD AT PD"
    assert expand("a (x", abbreviations) == "a bracketed"


def test_long_forms_are_put_in_literally():
    assert expand("HD", {"HD": r"\1 \g<0> a+b"}) == r"\1 \g<0> a+b"


PIECES = ["ataxia", "telangiectasia", "Duchenne", "AT", "DMD", "ERGs", "β", "İstanbul", "(", ")", " ", "; ", "ß", "ﬁ"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
defining = st.builds(
    "{}{} ({}){}".format,
    texts,
    st.sampled_from(["ataxia telangiectasia", "atrial tachycardia", "muscular dystrophy"]),
    st.sampled_from(["AT", "MD", "ATs"]),
    texts,
)


@given(
    st.lists(st.one_of(texts, defining), max_size=4),
    st.one_of(texts, st.sampled_from(["AT", "MDs", "AT and MD"])),
    st.integers(0, 300),
)
def test_expand_with_what_documents_define(passages, mention, end):
    abbreviations = document_abbreviations(placed(passages))
    known = abbreviations.before(end)
    assert all(known.values())
    assert bool(known) == bool(abbreviations)
    expanded = abbreviations.expand(mention, end)
    assert bool(expanded.strip()) == bool(fold(mention).strip())
    if not any(short.split()[0] in fold(mention) for short in known):
        assert expanded == fold(mention)


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=6), st.text(max_size=20), max_size=5))
def test_expand_never_raises_and_never_empties(mention, abbreviations):
    expanded = expand(mention, abbreviations)
    assert bool(expanded) == bool(mention)
    if expanded == mention:
        assert expand(expanded, abbreviations) == mention


@given(st.text(alphabet="abcdefgh -,()", max_size=60))
def test_mention_without_short_form_is_unchanged(mention):
    assert expand(mention, DOCUMENT) is mention


def test_hostile_mention_ends():
    assert expand("AT" + " " * 200_000 + "x", DOCUMENT).endswith("x")


@pytest.mark.timeout(20)
def test_a_mention_of_any_length_takes_no_time():
    pairs = {f"AB{number}": f"alpha beta {number}" for number in range(50)}
    mention = "AB1 " * 50_000
    assert expand(mention, pairs) == mention
    assert expand("AB1 gene", pairs) == "alpha beta 1 gene"
