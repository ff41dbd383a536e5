import pytest
from compared_runs import make_run, save_corpus, save_ontology, text_document
from lxml import html as parser
from samples import annotation, document, passage

from raybel.evaluation.compare import compare
from raybel.evaluation.config import CompareConfig, ShowConfig
from raybel.evaluation.selection import select
from raybel.report.compare import comparison_page
from raybel.report.documents import documents_page

HOSTILE = "</script><script>alert(1)</script><img src>"
ARABIC = "نقرس"
TEXT = f"Here {HOSTILE} or gout, and {ARABIC} \u202emixed, with asthma."
FIRST = {"gout": ["C2"], HOSTILE: ["C|5"], ARABIC: ["C2"], "asthma": ["C4", "C1"]}
SECOND = {"gout": ["C2"], HOSTILE: ["C1", "C|5"], ARABIC: ["C3"], "asthma": ["C4", "C1"]}


def parsed(page):
    return parser.document_fromstring(page.html())


def words(element):
    return " ".join(element.text_content().split())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def runs(home):
    """Two runs over documents whose ids, texts, types and links are as hostile as can be."""
    marks = [f"{HOSTILE}=C1", "gout=C2", f"{ARABIC}=C2", "asthma=C3"]
    documents = [text_document(name, TEXT, *marks, type=kind) for name, kind in ((HOSTILE, HOSTILE), (ARABIC, "D"))]
    corpus = save_corpus(home / "in.xml", *documents)
    ontology = save_ontology(home / "o.arrow")
    return [
        make_run(home / name, [corpus], links, ontology, unsure=["gout"])
        for name, links in (("a<script>alert(3)<", FIRST), ("b", SECOND))
    ]


def safe(tree, scripts=1):
    """Nothing of the corpus became an element, and no script but the page's own is in it."""
    return not tree.xpath("//img") and len(tree.xpath("//script[not(@type)]")) == scripts


def test_a_page_of_scores_differences_and_changes(runs, home):
    gold = (str(home / "in.xml"),)
    result = compare(
        CompareConfig(tuple(runs), gold, bootstrap=50, policy=("linkable", "belb"), anchors="ncbi-disease")
    )
    tree = parsed(comparison_page(result))
    assert safe(tree)
    titles = [words(each) for each in tree.iter("h2")]
    assert titles[1:] == ["Scores by policy linkable", "Scores by policy belb", "What B changed", "How it was compared"]
    headings = [words(each) for each in tree.iter("h3")]
    assert "Gained: right in B, wrong in A" in headings
    assert "Lost: right in A, wrong in B" in headings
    (gained,) = tree.xpath("//table[caption='B, gained: 2 mentions']//tbody/tr")
    assert [words(cell) for cell in gained][1:] == [
        "2",
        "common cold <script>alert(1)</script> C|5",
        "cystic fibrosis C1",
    ]
    assert "Here" in words(gained[0])
    differences = "Acc@1 of B less that of A by policy linkable"
    assert any(differences in words(each) for each in tree.iter("figcaption"))
    assert not tree.xpath(f"//table[contains(caption, '{differences}')]")
    assert "MRR: the mean of 1/rank" in words(tree)
    assert any("BELHD (published)" in words(row) for row in tree.iter("tr"))
    assert "Acc@1 is 50.0 % in A and 50.0 % in B: 0.0 points, p = 1.000 by randomisation" in words(tree)
    assert comparison_page(result).html() == comparison_page(result).html()


def test_a_page_of_agreement(runs):
    result = compare(CompareConfig(tuple(runs)))
    tree = parsed(comparison_page(result))
    assert safe(tree)
    assert [words(each) for each in tree.iter("h2")] == ["Runs", "Agreement", "What B changed", "How it was compared"]
    assert "B has the same links as A for 50.0 % of 8 mentions." in words(tree)
    assert not tree.xpath("//script[@id='data-plotly']")
    assert ARABIC in [words(each) for each in tree.xpath("//div[@class='context'][@dir='auto']/b")]
    assert (
        words(parsed(comparison_page(compare(CompareConfig((runs[0], runs[0])))))).count("same link in both runs") == 1
    )


def test_a_page_of_several_runs_has_each_against_the_first(runs, home):
    result = compare(CompareConfig((*runs, runs[0]), (str(home / "in.xml"),), bootstrap=0))
    tree = parsed(comparison_page(result))
    assert words(tree.find(".//header/p")).endswith("has the highest Acc@1 of the runs, 50.0 %, by policy linkable.")
    titles = [words(each) for each in tree.iter("h2")]
    assert [title for title in titles if title.startswith("What")] == ["What B changed", "What C changed"]
    assert words(tree.find(".//h1")) == "3 runs compared"


def test_a_page_cuts_its_types(home):
    marks = [annotation("gout", (0, 4), name=f"T{n}", type=f"type {n:02}", concept_id="C2") for n in range(30)]
    corpus = save_corpus(home / "types.xml", document("1", passage("gout", *marks)))
    ontology = str(home / "o.arrow")
    typed = [make_run(home / f"typed{n}", [corpus], {"gout": [link]}, ontology) for n, link in enumerate(("C1", "C2"))]
    text = words(parsed(comparison_page(compare(CompareConfig(tuple(typed), (corpus,), bootstrap=0)))))
    assert "type 23" in text
    assert "type 24" not in text
    assert "Not shown: 6 types with fewer mentions; --summary-file has them." in text


def test_a_page_of_documents(runs):
    tree = parsed(documents_page(select(ShowConfig(runs[0], documents=2))))
    assert safe(tree, scripts=2)
    assert [words(each) for each in tree.xpath("//article/h3")] == [f"Document {HOSTILE}", f"Document {ARABIC}"]
    marked = [words(each) for each in tree.xpath("//article[1]//mark")]
    assert marked == [HOSTILE, "gout", ARABIC, "asthma"]
    assert tree.xpath("string(//article[1]/p)") == TEXT
    assert tree.xpath("//article/p/@dir") == ["auto", "auto"]
    assert not tree.xpath("//p[@role='note']")


def test_a_page_of_wrong_links_marks_these_alone(runs):
    tree = parsed(documents_page(select(ShowConfig(runs[1], wrong=True, documents=1))))
    assert safe(tree, scripts=2)
    assert [words(each) for each in tree.xpath("//article//mark")] == [ARABIC, "asthma"]
    assert all("wrong" in each for each in tree.xpath("//article//mark/@class"))
    assert [words(each) for each in tree.xpath("//p[@role='note']")] == [
        "Stopped after 1 document; there may be more: raise --documents."
    ]
    assert "mentions that are wrong" in words(tree.find(".//h1"))


def test_a_page_of_nothing_says_so(runs):
    tree = parsed(documents_page(select(ShowConfig(runs[0], concept=(HOSTILE,)))))
    assert safe(tree)
    assert "There is nothing to show." in words(tree)
    assert f"no mention is linked to {HOSTILE}" in words(tree)
