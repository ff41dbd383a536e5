import pytest

from raybel.display import counted, duration, percent, rate


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 aliases"), (1, "1 alias"), (2, "2 aliases"), (1200, "1,200 aliases")]
)
def test_a_noun_agrees_with_its_count(count, text):
    assert counted(count, "alias", "aliases") == text
    assert counted(count, "file") == text.replace("aliases", "files").replace("alias", "file")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_a_duration_has_two_units_at_most(seconds, text):
    assert duration(seconds) == text


def test_a_rate_and_a_share():
    assert (rate(10, 0), rate(5, 2), rate(30000, 2)) == ("0.0", "2.5", "15,000")
    assert (percent(0.9764), percent(None)) == ("97.6", None)
