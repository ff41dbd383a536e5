import re
from pathlib import Path

import pytest
from samples import collection, json_annotation, json_document, save, simple_document

from raybel.evaluation.anchors import ANCHORS, CORPORA, anchors_beside, corpus_of
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import POLICIES
from raybel.prepare import bc5cdr, ncbi_disease
from raybel.prepare.outputs import Outputs

PAGE = Path(__file__).parents[2] / "docs/scoring.md"


def head(name):
    return f"<source>{name}</source><date></date><key>raybel</key>"


def config(gold, **options):
    return EvaluateConfig((gold,), (gold,), **{"policy": ("belb",), **options})


def beside(gold, kinds, **options):
    return anchors_beside(config(gold, **options), kinds, [["D1"]] * len(kinds))


@pytest.fixture
def ncbi(tmp_path):
    return save(tmp_path / "ncbi.xml.gz", collection(simple_document("1"), head=head("NCBI Disease")))


@pytest.fixture
def other(tmp_path):
    return save(tmp_path / "other.xml", collection(simple_document("1")))


def test_a_corpus_is_known_by_its_source(tmp_path, ncbi, other):
    json = {"source": "BC5CDR", "documents": [json_document("1", "Gout.", json_annotation("Gout", (0, 4)))]}
    assert corpus_of([ncbi, ncbi]) == "ncbi-disease"
    assert corpus_of([save(tmp_path / "cdr.json", json)]) == "bc5cdr"
    assert corpus_of([other]) is None
    assert corpus_of([ncbi, other]) is None
    assert corpus_of([save(tmp_path / "1.pubtator", "1|t|Gout\n1|a|\n\n")]) is None


def test_figures_are_of_the_policies_that_were_asked_for(ncbi):
    assert [anchor.system for anchor in beside(ncbi, ["Modifier"]).figures] == ["BELHD", "GenBioEL", "BioSyn"]
    both = beside(ncbi, ["Modifier"], policy=("belb", "biosyn", "linkable"))
    assert [(anchor.policy, anchor.value) for anchor in both.figures] == [
        ("belb", 0.876),
        ("belb", 0.839),
        ("belb", 0.808),
        ("biosyn", 0.924),
        ("biosyn", 0.928),
    ]
    assert beside(ncbi, ["Modifier"], policy=("linkable", "all")).figures == ()


def test_figures_are_of_the_types_that_are_there(other):
    figures = beside(other, ["Chemical"], anchors="bc5cdr").figures
    assert [(anchor.system, anchor.value) for anchor in figures] == [("GenBioEL", 0.946)]
    assert len(beside(other, ["Chemical", "Disease"], anchors="bc5cdr").figures) == 2


def test_no_figures_beside_another_corpus_or_where_none_are_wanted(ncbi, other):
    assert beside(other, ["Disease"]).sentences == ()
    assert beside(ncbi, ["Disease"], anchors="none").figures == ()
    without = beside(other, ["Gene"], anchors="bc5cdr")
    assert without.figures == ()
    assert without.sentences == ("--anchors bc5cdr: no gold mention has the type Disease or Chemical.",)


@pytest.mark.parametrize(("mentions", "is_split"), [(960, True), (955, True), (787, False), (5134, False)])
def test_the_size_says_whether_the_gold_corpus_is_the_split_of_the_figures(ncbi, mentions, is_split):
    published, size = beside(ncbi, ["Modifier"] * mentions).sentences
    assert "on the test split of NCBI Disease" in published
    assert "not measured here" in published
    assert f"{mentions:,} (test split: 960)" in size
    assert ("By its size it is that split." in size) is is_split


def test_mentions_without_annotation_do_not_count_for_the_size(ncbi):
    found = anchors_beside(config(ncbi), ["Modifier"] * 1000, [["D1"]] * 960 + [None] * 40)
    assert "By its size it is that split." in found.sentences[1]


def test_each_figure_is_of_a_known_corpus_group_and_policy():
    for anchor in ANCHORS:
        assert anchor.group in CORPORA[anchor.corpus].test_mentions
        assert anchor.policy in POLICIES
        assert 0.5 < anchor.value < 1
        assert anchor.source


def test_the_page_has_each_figure():
    names = {("all", "all"): "", ("type", "Disease"): ", diseases", ("type", "Chemical"): ", chemicals"}
    rows = [
        f"| {CORPORA[anchor.corpus].name}{names[anchor.group]} | {anchor.system} | {100 * anchor.value:.1f} | "
        f"`{anchor.policy}` |"
        for anchor in ANCHORS
    ]
    page = PAGE.read_text(encoding="utf-8")
    assert [row for row in rows if row not in page] == []
    assert len(re.findall(r"\| \d\d\.\d \| `\w+` \|", page)) == len(rows)


def test_corpora_have_the_names_that_prepare_writes(tmp_path):
    medic = "# Fields:\nGout\tMESH:D1\t\t\t\t\t\t\t\n"
    mesh = (
        "<DescriptorRecordSet><DescriptorRecord><DescriptorUI>D1</DescriptorUI><DescriptorName><String>Gout</String>"
        "</DescriptorName></DescriptorRecord></DescriptorRecordSet>"
    )
    text = "1|t|Gout\n1|a|\n1\t0\t4\tGout\tDisease\tD1\n\n"
    save(tmp_path / "NCBItestset_corpus.txt", text)
    save(tmp_path / "CDR_TestSet.PubTator.txt", text)
    save(tmp_path / "desc2015.xml", mesh)
    save(
        tmp_path / "supp2015.xml",
        "<SupplementalRecordSet><SupplementalRecord><SupplementalRecordUI>C1</SupplementalRecordUI>"
        "<SupplementalRecordName><String>Gouty</String></SupplementalRecordName></SupplementalRecord>"
        "</SupplementalRecordSet>",
    )
    table = save(tmp_path / "medic.tsv", medic)
    written = [str(tmp_path / name) for name in ("ncbi.xml", "cdr.xml")]
    ncbi = ncbi_disease.NcbiDiseaseConfig(str(tmp_path), table, Outputs(out_test=written[0]))
    ncbi_disease.prepare_ncbi_disease(ncbi)
    bc5cdr.prepare_bc5cdr(bc5cdr.Bc5cdrConfig(str(tmp_path), str(tmp_path), Outputs(out_test=written[1])))
    assert [corpus_of([path]) for path in written] == ["ncbi-disease", "bc5cdr"]
