import re
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.abbreviations import Abbreviation, find_abbreviations


def pairs(text: str) -> list[tuple[str, str]]:
    return [(definition.short, definition.long) for definition in find_abbreviations(text)]


def folded(text: str) -> str:
    return " ".join(text.split())


# --- find_abbreviations: definitions that are found -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mice with ataxia telangiectasia (AT) were bred.", [("AT", "ataxia telangiectasia")]),
        ("Mice with ataxia-telangiectasia [A-T] were bred.", [("A-T", "ataxia-telangiectasia")]),
        ("Low glucose-6-phosphate dehydrogenase (G6PD) activity", [("G6PD", "glucose-6-phosphate dehydrogenase")]),
        ("sera of phenylketonuria (PKU) families", [("PKU", "phenylketonuria")]),
        ("Parkinson's disease (PD) was excluded", [("PD", "Parkinson's disease")]),
        ("doses of target-of-rapamycin kinase (TORK)", [("TORK", "target-of-rapamycin kinase")]),
        ("non-insulin-dependent diabetes mellitus (NIDDM)", [("NIDDM", "non-insulin-dependent diabetes mellitus")]),
        ("given isoproterenol i.p. or intravenous (i.v.) saline", [("i.v.", "intravenous")]),
        ("hexosaminidase A (Hex A) was low", [("Hex A", "hexosaminidase A")]),
        ("transforming growth factor beta (TGFβ)", [("TGFβ", "transforming growth factor beta")]),
        ("lesions by 6-hydroxydopamine (6-OHDA)", [("6-OHDA", "6-hydroxydopamine")]),
        # More in the bracket, or the bracket in a bracket.
        ("either myelodysplastic syndrome (MDS; n = 17) or not", [("MDS", "myelodysplastic syndrome")]),
        ("Huntington disease (HD, 12 families)", [("HD", "Huntington disease")]),
        ("Huntington disease (HD or chorea)", [("HD", "Huntington disease")]),
        ("Huntington disease (also known as HD)", [("HD", "Huntington disease")]),
        ("colorectal cancer (hereditary nonpolyposis colorectal cancer (HNPCC) only) was",
         [("HNPCC", "hereditary nonpolyposis colorectal cancer")]),
        ("hereditary nonpolyposis colorectal cancer (HNPCC) (ten kindreds)",
         [("HNPCC", "hereditary nonpolyposis colorectal cancer")]),
        ("cases (relative risk [RR] 2.1)", [("RR", "relative risk")]),
        # The other way round, and both in the bracket.
        ("Tumours in FAP (familial adenomatous polyposis) are", [("FAP", "familial adenomatous polyposis")]),
        ("All WAGR (Wilms tumor, aniridia, genitourinary anomalies, retardation) loci",
         [("WAGR", "Wilms tumor, aniridia, genitourinary anomalies, retardation")]),
        ("a muscle kinase (myotonic dystrophy protein kinase; DMPK)", [("DMPK", "myotonic dystrophy protein kinase")]),
        # Corrections of the paper's algorithm.
        ("of the attenuated adenomatous polyposis coli (AAPC)", [("AAPC", "attenuated adenomatous polyposis coli")]),
        ("Congenital myotonic dystrophy (DM) is severe", [("DM", "myotonic dystrophy")]),
        ("members with familial APC (FAP)", [("FAP", "familial APC")]),
        ("serum phosphatidylserine (PS) rose", [("PS", "phosphatidylserine")]),
        ("the adenomatous polyposis coli gene (APC)", [("APC", "adenomatous polyposis coli")]),
        ("the Wiskott-Aldrich syndrome protein (WASP)", [("WASP", "Wiskott-Aldrich syndrome protein")]),
        ("divalent metal transporter (DMT1)", [("DMT1", "divalent metal transporter")]),
        ("the passive avoidance test (PA)", [("PA", "passive avoidance test")]),
        ("electromyographic activity (EMG)", [("EMG", "electromyographic activity")]),
        ("anti-nuclear factor (NF)", [("NF", "nuclear factor")]),
        ("Duchenne or Becker muscular dystrophy (DMD, BMD)", [("BMD", "Becker muscular dystrophy")]),
        ("sodium nitroprusside (5 mg) (SNP)", [("SNP", "sodium nitroprusside")]),
        ("highly active antiretroviral (ARV) therapy (HAART)",
         [("ARV", "antiretroviral"), ("HAART", "highly active antiretroviral (ARV) therapy")]),
    ],
)  # fmt: skip
def test_found(text, expected):
    assert pairs(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no bracket at all, AT",
        "ataxia telangiectasia (AT",
        "ataxia telangiectasia AT)",
        "ataxia telangiectasia (AT]",
        "patients differed (p < 0.05)",
        "patients with neuropathy (n = 12)",
        "the figure in genes (Fig. 1)",
        "sera examined every evening (see below)",
        "they (i) improved in infancy, and (ii) in isolation (iii) did not",
        "in the year two thousand (2000)",
        "a third (33%) of two thirds (66.7%)",
        "change of cysteine at two eight two to tyrosine (C282Y)",
        "a region of two kilobases (kb)",
        "thyroid enlargement (goiter)",
        "it was noradrenaline (norepinephrine)",
        "lesions of the cortex (core and rim)",
        "Ataxia was seen. Telangiectasia (AT) too",  # another sentence
        "Ataxia: telangiectasia (A-T-X)",
        "given dihydro-2(5H)-furanone",
        "lowering normal [Na]o",
        "incorporation of three hundred [3H]thymidine",
        "increased levels of duodenal DMT1 (IRE)",
        "A (A) and B (B)",
        "the AT syndrome, ataxia with AT (AT)",  # the long form has the short form in it
        "()[]([)]",
    ],
)
def test_not_found(text):
    assert pairs(text) == []


def test_offsets_are_code_points_and_order_is_that_of_the_text():
    text = "🧬 Huntington\n  disease ( HD ) and familial adenomatous polyposis (FAP) or MCR (mutation cluster region)"
    definitions = find_abbreviations(text)
    assert definitions[0] == Abbreviation("HD", "Huntington disease", 25, 27)
    assert [item.short for item in definitions] == ["HD", "FAP", "MCR"]
    assert [text[item.start : item.end] for item in definitions] == ["HD", "FAP", "MCR"]


def test_definition_is_reported_each_time():
    assert pairs("Huntington disease (HD). In Huntington's disease (HD)") == [
        ("HD", "Huntington disease"),
        ("HD", "Huntington's disease"),
    ]


# --- properties -------------------------------------------------------------------------------------------------

PIECES = ["ataxia", "telangiectasia", "Duchenne", "muscular", "dystrophy", "AT", "A-T", "DMD", "ERGs", "electro-",
          "retinograms", "β", "İstanbul", "(", ")", "[", "]", " ", "  ", "\n", "; ", ", ", ". ", " or ", "also called ",
          "the ", "gene ", "6-", "hydroxydopamine", "6-OHDA", "anti-", "i.e. ", "'", "ß", "ﬁ"]  # fmt: skip
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
long_texts = st.lists(st.sampled_from(["ataxia", "telangiectasia", "Duchenne", "muscular", "dystrophy", "of", "gene"]),
                      min_size=1, max_size=6).map(" ".join)  # fmt: skip
defining = st.builds(
    "{}{} ({}){}".format, texts, long_texts, st.sampled_from(["AT", "DMD", "MD", "D.M.", "ATs"]), texts
)


@given(st.one_of(texts, defining))
def test_found_pairs_are_in_the_text(text):
    definitions = find_abbreviations(text)
    assert [item.start for item in definitions] == sorted(item.start for item in definitions)
    for item in definitions:
        assert text[item.start : item.end] == item.short
        assert item.long in folded(text)
        assert 2 <= len(item.short) <= 10
        assert len(item.short) < len(item.long)
        assert any(map(str.isalpha, item.short))
        assert not re.search(rf"(?<!\w){re.escape(item.short)}(?!\w)", item.long)


@given(
    st.lists(st.sampled_from(["ataxia", "telangiectasia", "Duchenne", "muscular"]), min_size=2, unique=True).map(
        " ".join
    )
)
def test_initialism_of_plain_words_is_found(long):
    short = "".join(word[0] for word in long.split()).upper()
    assert pairs(f"We met {long} ({short}).") == [(short, long)]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000_000,
        ")" * 1_000_000,
        "(" * 50_000 + ")" * 50_000,
        "[(" * 20_000 + ")]" * 20_000,
        "(AB" + " " * 1_000_000 + ")",
        " " * 1_000_000 + "(AB)",
        "a" * 1_000_000 + " (AB)",
        "(AB" + "b" * 1_000_000 + ")",
        "(" + "a, " * 300_000 + "AB)",
        "(AB, " * 20_000 + ")" * 20_000,
        "amino beta (" * 20_000,
        "x. " * 300_000 + "(XX)",
        "a" + "-" * 500_000 + "b (AB)",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_ends(text):
    # Seconds at most: work per bracket is bounded by a window. A quadratic search would run into the test's time limit.
    for definition in find_abbreviations(text):
        assert text[definition.start : definition.end] == definition.short


# --- verdicts by eye ---------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]


def test_verdict_rows_are_well_formed():
    rows = (ROOT / "tests/fixtures/abbreviation_verdicts.tsv").read_text(encoding="utf-8").splitlines()
    for row in rows[1:]:
        corpus, pmid, short, verdict, *digest = row.split("\t")
        assert corpus in ("ncbi", "bc5cdr")
        assert pmid.isdigit()
        assert len(short) <= 10
        assert (verdict == "missed" and not digest) or (verdict in ("right", "wrong") and len(digest[0]) == 8)


def test_every_found_pair_of_the_judged_abstracts_has_a_verdict(monkeypatch, capsys):
    data = ROOT.parent / "shared/data"
    if not (data / "ncbi-disease").is_dir():
        pytest.skip("needs the corpora beside the repository")
    script = ROOT / "tests/benchmarks/abbreviation_precision.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(data)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    output = capsys.readouterr().out
    assert ended.value.code == 0, output
    assert "both" in output
