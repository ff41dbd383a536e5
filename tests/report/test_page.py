import base64
import gzip
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as parser
from markupsafe import Markup

from raybel.report import charts, page
from raybel.report.related import directory_name

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def parsed(content):
    return parser.document_fromstring(content)


def shown_chart(name=HOSTILE):
    return charts.bars(f"Mentions of {name}", "concept", "mentions", {name: 3, "2020-01-01": 2})


def test_a_page_has_its_parts_and_loads_nothing():
    sections = [page.Section("What was run", [page.facts({"documents": 1234, "none": None})]), page.Section("B", [])]
    tree = parsed(page.Page("Run a", sections, "All of it.", ["It isn't finished."], [("../b.html", "Run b")]).html())
    assert [each.text for each in tree.iter("h1", "h2")] == ["Run a", "What was run", "B"]
    assert [each.get("href") for each in tree.xpath("//nav[@class='contents']//a")] == ["#section-1", "#section-2"]
    assert tree.xpath("//nav[@class='related']//a/@href") == ["../b.html"]
    assert tree.xpath("string(//dl)") == "documents1,234"
    assert tree.xpath("//p[@role='note']/text()") == ["It isn't finished."]
    assert not tree.xpath("//link | //img | //iframe | //script[@src]")
    assert not tree.xpath("//script[@id='data-plotly']")  # no charts, no plotly


def test_the_policy_lets_only_the_pages_own_scripts_run():
    content = page.Page("a", [page.Section("s", [shown_chart()])]).html()
    tree = parsed(content)
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    own = re.findall(r"<script>(.*?)</script>", content, re.S)
    assert own
    for script in own:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_plotly_is_in_it_gzipped_and_the_same_each_time():
    from plotly.offline import get_plotlyjs

    made = page.Page("a", [page.Section("s", [shown_chart()])])
    packed = parsed(made.html()).xpath("string(//script[@id='data-plotly'])")
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    assert made.html() == made.html()
    assert len(packed) < 2_100_000


def test_hostile_text_stays_text():
    table = page.table(HOSTILE, ["name"], [[HOSTILE]])
    made = page.Page(HOSTILE, [page.Section(HOSTILE, [table, shown_chart()])], data={"d": {HOSTILE: HOSTILE}})
    tree = parsed(made.html())
    assert not tree.xpath("//img")
    assert len(tree.xpath("//script[not(@type)]")) == 1
    assert tree.xpath("string(//h1)") == HOSTILE
    assert json.loads(tree.xpath("string(//script[@id='data-d'])")) == {HOSTILE: HOSTILE}


@given(st.text())
def test_data_comes_back_as_it_was(words):
    block = page._data_block("x", [words])
    assert json.loads(block.partition(">")[2].removesuffix("</script>")) == [words]
    assert block.count("<") == 2


@pytest.mark.parametrize(
    ("href", "safe"),
    [("javascript:alert(1)", "#"), (" JavaScript:x", "#"), ("data:text/html,x", "#"), ("../a/b.html", "../a/b.html")],
)
def test_links_cant_run_scripts(href, safe):
    assert page.safe_link(href) == safe


def test_numbers_stand_right_and_foreign_text_is_isolated():
    tree = parsed(page.table("t", ["name", "n", "s"], [["אבג", 1000, "x1"], ["b", None, "2"]]))
    assert tree.xpath("//th/@class | //td/@class") == ["number"] * 3
    assert tree.xpath("//td//text()") == ["אבג", "1,000", "x1", "b", "2"]
    assert tree.xpath("//bdi/text()") == ["אבג"]
    assert page.shown(Markup("<b>x</b>")) == "<b>x</b>"
    assert [page.shown(value) for value in (True, 0.5, "")] == ["yes", "0.50", ""]


def test_a_chart_has_its_table_and_no_template():
    chart = charts.lines("c", "minutes", "documents/s", [0, 1], {"all": [0.5, None]}, percent=True)
    assert list(chart.rows) == [[0, 50.0], [1, None]]
    assert chart.header == ["minutes", "all"]
    assert "template" not in chart.json()["layout"]
    assert chart.json()["data"][0]["y"] == [50.0, None]


def test_names_on_axes_are_no_markup_no_dates_and_not_long():
    layout = shown_chart("<a href='http://x.org'>x</a>").json()["layout"]
    assert layout["yaxis"]["ticktext"][0].startswith("&lt;a href=")
    assert layout["yaxis"]["tickvals"] == [0, 1]
    assert charts.plain("x" * 100, 10) == "x" * 9 + "…"


def test_intervals_are_drawn_from_their_points():
    chart = charts.intervals("c", "type", "Acc@1 (%)", {"Acc@1": {"all": (0.8, 0.7, 0.85), "b": (None, None, None)}})
    trace = chart.json()["data"][0]
    assert trace["x"] == [80.0]
    assert trace["error_x"]["array"] == [pytest.approx(5)]
    assert trace["error_x"]["arrayminus"] == [pytest.approx(10)]
    assert chart.rows == [["all", "80.0 [70.0–85.0]"], ["b", ""]]


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", charts.COLOURS)
@pytest.mark.parametrize("background", ["#ffffff", "#14171b"])
def test_colours_are_seen_in_both_schemes(colour, background):
    dark, light = sorted([luminance(colour), luminance(background)])
    assert (light + 0.05) / (dark + 0.05) >= 3


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://AKIA:sEcret@bucket", "bucket"),
        ("s3://AKIA:sEcret@bucket/runs/a/?endpoint_override=localhost", "a"),
        ("/runs/a?b/", "a?b"),
        ("run", "run"),
    ],
)
def test_a_directorys_name_holds_no_key(uri, name):
    assert directory_name(uri) == name


def test_an_interval_below_zero_has_no_dash_before_a_minus():
    assert charts.interval_text(0.5, 0.25, 0.75) == "50.0 [25.0–75.0]"
    assert charts.interval_text(-0.02, -0.045, -0.01) == "-2.0 [-4.5 to -1.0]"
    assert charts.interval_text(0.5, None, None) == "50.0"
