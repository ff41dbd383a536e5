import pytest
from rich.console import Console

from raybel.cli import tables

WIDE = (
    ["epoch", "loss", "val loss", "val F1", "Acc@1", "recall@5", "recall@10", "stays first", "Acc@1 shuffled", "time"],
    [["1*", "0.3312", "0.211", "88.1", "90.2", "91.0", "92.1", "87.0", "88.1", "1 min 02 s"]],
)
LINKS = (
    ["mention", "looked up as", "concept", "score", "times"],
    [["hereditary nonpolyposis colorectal cancer", "hnpcc", "D003123  Colorectal Neoplasms, Hereditary", 0.93, 1234]],
)


def printed(monkeypatch, capsys, width, columns, rows):
    monkeypatch.setattr(tables, "out", Console(highlight=False, width=width))
    tables.table("title", columns, rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 110, 200])
@pytest.mark.parametrize(("columns", "rows"), [WIDE, LINKS])
def test_no_word_of_a_table_is_lost(monkeypatch, capsys, width, columns, rows):
    text = printed(monkeypatch, capsys, width, columns, rows)
    assert max(map(len, text.splitlines())) <= width
    for cell in (*columns, *rows[0]):
        for word in tables.cell(cell).split():
            assert word in text


def test_numbers_stand_right_and_texts_left(monkeypatch, capsys):
    lines = printed(monkeypatch, capsys, 80, ["", "count", "name"], [["a", 5, "x"], ["b", 12_345, "yz"]]).splitlines()
    assert lines[-2].split() == ["a", "5", "x"]
    assert lines[-2].index("5") == lines[-1].index("12,345") + len("12,345") - 1
    assert lines[-2].index("x") == lines[-1].index("yz")


def test_control_characters_are_replaced_and_other_text_isnt():
    assert tables.plain("a\x1b[31m\x00\x7f\x9b\r") == "a\ufffd[31m" + "\ufffd" * 4
    assert tables.plain("two\nlines\tnaïve نقرس \u200f") == "two\nlines\tnaïve نقرس \u200f"
    assert tables.cell("x\x07") == "x\ufffd"
