from raybel.tuning.page import page
from raybel.tuning.space import Choice, Space

SPACE = Space({"x": Choice((1, 2))}, {})


def test_a_page_without_trials_says_why():
    told = page("Sweep <s>", [], SPACE, "Acc@1", None, {"trials": "none"}, "The time was over & no trial ended.")
    assert "<h1>Sweep &lt;s&gt;</h1>" in told
    assert "<p><strong>The time was over &amp; no trial ended.</strong></p>" in told
    assert "<dt>trials</dt><dd>none</dd>" in told
    assert "<strong>" not in page("s", [], SPACE, "Acc@1", None, {})
