"""The pages as people meet them: in a browser, by keyboard, on a phone, in the dark, on paper, without scripts."""

from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, browser, needs_browser
from linked_runs import make_run, small_corpus
from small_sweep import SPACE, sweep

from raybel.report import write
from raybel.report.config import ReportConfig
from raybel.report.sweep import sweep_page

needs_browser()


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The page of a run with gold, hostile names and right-to-left text."""
    home = tmp_path_factory.mktemp("run")
    corpus = small_corpus(home / "corpus")
    made = make_run(home / "run", corpus)
    return Path(write.write_report(ReportConfig(made.uri, gold=corpus, bootstrap=100)))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The page of a sweep."""
    trials = sweep()
    path = tmp_path_factory.mktemp("sweep") / "report.html"
    path.write_text(sweep_page("Sweep", trials, SPACE, "Acc@1", trials[7], {"search": "random"}).html())
    return path


@pytest.fixture(params=["run", "tuned"])
def page(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("page", "size", "scheme"),
    [("run", DESKTOP, "light"), ("run", PHONE, "dark"), ("tuned", DESKTOP, "dark")],
    indirect=["page"],
)
def test_charts_are_drawn_and_nothing_is_wrong(chromium, page, size, scheme):
    chromium.open(page, size, scheme)
    assert chromium.errors() == []
    empty = "return [...document.querySelectorAll('.plot')].filter((each) => !each.querySelector('svg')).length"
    assert chromium.run(empty) == 0
    assert chromium.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert chromium.violations() == []


def test_the_keyboard_reaches_every_control(chromium, page):
    from selenium.webdriver.common.keys import Keys

    chromium.open(page)
    controls = "a[href], button, input, select, summary, [tabindex='0']"
    everything = (
        f'return [...document.querySelectorAll("{controls}")].filter((each) => each.checkVisibility()).map((each) => '
        "{ each.dataset.seen = 'no'; return each.outerHTML.slice(0, 100); })"
    )
    controls = len(chromium.run(everything))
    assert controls > 5
    for _ in range(controls + 1):
        chromium.press(Keys.TAB)
        chromium.run("document.activeElement.dataset.seen = 'yes'")
    missed = "return [...document.querySelectorAll(\"[data-seen='no']\")].map((each) => each.outerHTML.slice(0, 100))"
    assert chromium.run(missed) == []


def test_a_mention_shows_its_candidates_by_keyboard_and_pointer(chromium, run):
    from selenium.webdriver.common.keys import Keys

    chromium.open(run)
    panel = "return document.getElementById('mention-panel').checkVisibility()"
    words = "return document.getElementById('mention-panel').innerText"
    assert not chromium.run(panel)
    chromium.run("document.querySelector('mark.mention.wrong').focus()")
    assert chromium.run(panel)
    said = chromium.run(words)
    for part in ("Asthma attack", "linked to", "Anemia", "✗ wrong", "definition", "candidate"):
        assert part in said
    assert "Too few red blood cells. <b>Not</b> bold." in said
    chromium.press(Keys.ESCAPE)
    assert not chromium.run(panel)
    hover = "document.querySelector('mark.mention.right').dispatchEvent(new MouseEvent('mouseenter'))"
    chromium.run(hover)
    assert "✓ right" in chromium.run(words)


def shown(chromium):
    """The texts of the mentions that the filters leave."""
    return chromium.run(
        "return [...document.querySelectorAll('article mark.mention:not(.dim)')].map((m) => m.textContent)"
    )


FILTERS = [
    ({"state": "wrong"}, ["Asthma", " attack", "unknown"]),
    ({"state": "not linked"}, ["unknown"]),
    ({"concept": "asthma", "state": "right"}, ["asthma", "Asthma"]),
    ({"concept": "d4"}, ["ربو"]),
    ({"type": "Part"}, ["Asthma"]),
    ({"most": "0.5"}, ["Asthma", " attack"]),
    ({"least": "0.5", "type": "Disease"}, ["Anemia", "asthma"]),
]


def test_filters(chromium, run):
    chromium.open(run)
    everything = shown(chromium)
    for filters, expected in FILTERS:
        for name, value in filters.items():
            chromium.run(
                "const field = document.forms['text-filters'].elements[arguments[0]]; field.value = arguments[1];"
                "field.dispatchEvent(new Event('input', {bubbles: true}))",
                name,
                value,
            )
        assert set(shown(chromium)) == set(expected), filters
        assert " of 6 mentions, in " in chromium.run("return document.forms['text-filters'].elements.found.value")
        chromium.run("document.forms['text-filters'].reset()")
        chromium.wait("return document.querySelectorAll('article mark.dim').length === 0", 30)
    assert shown(chromium) == everything


def test_it_can_be_printed(chromium, run):
    chromium.open(run, scheme="dark")
    assert chromium.printed()[:5] == b"%PDF-"
    chromium.colours("dark", media="print")
    assert chromium.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not chromium.run("return document.querySelector('nav.contents').checkVisibility()")
    assert chromium.errors() == []


def test_without_scripts_there_are_tables(chromium, run):
    chromium.open(run, scripts=False)
    open_tables = "return [...document.querySelectorAll('details.of-chart')].filter((each) => !each.open).length"
    assert chromium.run(open_tables) == 0
    assert (
        chromium.run("return [...document.querySelectorAll('.plot')].filter((each) => each.checkVisibility()).length")
        == 0
    )
