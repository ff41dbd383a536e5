import pytest
from lxml import html as parser
from small_sweep import SPACE, sweep, trial

from raybel.files.work_directory import WorkDirectory
from raybel.report import write
from raybel.report.config import ReportConfig
from raybel.report.sweep import best_so_far, sweep_page


def test_a_page_without_trials_says_why():
    made = sweep_page("Sweep <s>", [], SPACE, "Acc@1", None, {"trials": "none"}, "The time was over & no trial ended.")
    html = made.html()
    assert "<h1>Sweep &lt;s&gt;</h1>" in html
    assert "The time was over &amp; no trial ended.</p>" in html
    assert "<dt>trials</dt><dd>none</dd>" in html
    assert "No trial has ended." in html
    assert "data-plotly" not in html.partition("<script>")[0]
    assert 'class="notice"' not in sweep_page("s", [], SPACE, "Acc@1", None, {}).html()


def test_the_page_shows_every_trial_and_needs_nothing_else():
    trials = [trial(0, 0.5), trial(1, None, "failed", pair=(2, 3)), trial(2, 0.7, "stopped", side="a")]
    made = sweep_page("sweep <x>", trials, SPACE, "Acc@1", trials[2], {"search": "random"}).html()
    tree = parser.document_fromstring(made)
    assert "sweep &lt;x&gt;" in made
    assert "broke &lt;b&gt;" in made
    assert not tree.xpath("//script[@src]")
    (table,) = [each for each in tree.iter("table") if each.findtext("caption").startswith("All trials")]
    assert len(table.findall("tbody/tr")) == 3
    assert table.xpath("string(.//tr[@class='best']/td[3])") == "70.0"
    assert '"type":"parcoords"' in made
    assert '"best so far"' in made
    cut = sweep_page("t", [*trials, trial(3, 0.9, "cut")], SPACE, "Acc@1", trials[2], {}).html()
    line = best_so_far([*trials[::2], trial(3, 0.9, "cut")], "Acc@1").figure.data[-1]
    assert (line.name, list(line.y)) == ("best so far", [50.0, 70.0])  # what was cut isn't the best either
    assert "cut short by the time" in cut
    failed = sweep_page("t", trials[1:2], SPACE, "Acc@1", None, {}).html()
    assert "parcoords" not in failed.partition("data-plotly")[0]


def test_importances_and_slices_are_the_search_librarys():
    trials = sweep()
    made = sweep_page("t", trials, SPACE, "Acc@1", trials[7], {})
    titles = {section.title: section.blocks for section in made.sections}
    _, importances, slices = titles["Hyper-parameters"]
    assert importances.rows[0][0] == "side"
    assert float(importances.rows[0][1]) > 90
    assert len(slices.figure.data) == 3
    (curves,) = titles["Epochs"]
    assert len(curves.figure.data) == 5
    assert made.html() == sweep_page("t", trials, SPACE, "Acc@1", trials[7], {}).html()


def test_a_directory_has_its_page_again(tmp_path):
    for each in sweep():
        each.save(str(tmp_path / "sweep"))
    identity = {"target": "ngrams", "space": SPACE.to_dict(), "search": "random", "metric": "Acc@1", "seed": 3}
    work = WorkDirectory(str(tmp_path / "sweep"), "sweep", "a sweep")
    work.write_description(identity, finished=True, samples=10)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/report.html").write_text("x")
    page = write.write_report(ReportConfig(str(tmp_path / "sweep")))
    tree = parser.parse(page).getroot()
    assert tree.xpath("string(//h1)") == "Sweep over ngrams: sweep"
    assert "9 finished, 1 failed" in tree.text_content()
    assert tree.xpath("//nav[@class='related']//a/@href") == ["../model/report.html"]
    work.write_description(identity, finished=False, samples=10, about={"search": "as it was said"})
    tree = parser.document_fromstring(write.make_page(ReportConfig(str(tmp_path / "sweep"))).html())
    assert "This sweep isn't finished" in tree.xpath("string(//p[@role='note'])")
    assert "as it was said" in tree.text_content()


def test_gold_is_refused_for_a_sweep(tmp_path):
    WorkDirectory(str(tmp_path), "sweep", "a sweep").write_description({"space": {}}, finished=True)
    with pytest.raises(Exception, match="--gold goes with a run"):
        write.make_page(ReportConfig(str(tmp_path), gold="g.xml"))
