from raybel.tuning.page import sweep_page

from raybel.tuning.space import Choice, Space

SPACE = Space({"x": Choice((1, 2))}, {})


def test_a_page_without_trials_says_why():
    html = sweep_page("Sweep <s>", [], SPACE, "Acc@1", None, {"trials": "none"}, "The time was over & no trial ended.")
    assert "<h1>Sweep &lt;s&gt;</h1>" in html
    assert "<p><strong>The time was over &amp; no trial ended.</strong></p>" in html
    assert "<dt>trials</dt><dd>none</dd>" in html
    assert "<strong>" not in sweep_page("s", [], SPACE, "Acc@1", None, {})
