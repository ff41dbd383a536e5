import pytest
from browser import DESKTOP, PHONE, browser, needs_browser
from compared_runs import make_run, save_corpus, save_ontology, text_document

from raybel.evaluation.compare import compare
from raybel.evaluation.config import CompareConfig, ShowConfig
from raybel.evaluation.selection import select
from raybel.report.compare import comparison_page
from raybel.report.documents import documents_page

needs_browser()

ARABIC = "نقرس"
TEXT = f"Gout and influenza, or {ARABIC} <script>document.title = 'run'</script>, with asthma."
FIRST = {"gout": ["C2"], "influenza": ["C4", "C3"], ARABIC: ["C2"], "asthma": ["C4", "C1"]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of scores, one of agreement and one of documents, as files."""
    home = tmp_path_factory.mktemp("pages")
    marks = ["Gout=C2", "influenza=C3", f"{ARABIC}=C2", "asthma=C4"]
    corpus = save_corpus(home / "in.xml", *(text_document(str(n), TEXT, *marks) for n in range(5)))
    ontology = save_ontology(home / "o.arrow")
    links = {"a": FIRST, "b<i>": {**FIRST, "influenza": ["C3"], ARABIC: ["C|5"]}}
    runs = tuple(make_run(home / name, [corpus], each, ontology) for name, each in links.items())
    made = {
        "scores": comparison_page(compare(CompareConfig(runs, (corpus,), policy=("linkable", "all")))),
        "agreement": comparison_page(compare(CompareConfig(runs))),
        "documents": documents_page(select(ShowConfig(runs[0], wrong=True))),
    }
    for name, page in made.items():
        (home / f"{name}.html").write_text(page.html())
    return {name: home / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.mark.parametrize("name", ["scores", "agreement", "documents"])
def test_pages_can_be_read_by_everyone_anywhere(pages, chromium, name):
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        chromium.open(pages[name], size, scheme)
        assert chromium.errors() == []
        assert chromium.violations() == []
        assert chromium.run("return document.documentElement.scrollWidth") <= size[0]
        assert chromium.driver.title != "run"


def test_a_wrong_mention_shows_its_gold_by_keyboard(pages, chromium):
    chromium.open(pages["documents"])
    chromium.run("document.querySelector('mark.mention').focus()")
    assert not chromium.run("return document.getElementById('mention-panel').hidden")
    shown = chromium.run("return document.getElementById('mention-panel').textContent")
    assert "influenza C3 ✗ wrong" in " ".join(shown.split())
