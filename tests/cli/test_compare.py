import json

import pytest
from click.testing import CliRunner
from compared_runs import make_run, save_corpus, save_ontology, text_document
from rich.console import Console

from raybel.cli import main, tables

TEXT = "Gout and influenza with \x85 asthma."
FIRST = {"gout": ["C2"], "influenza": ["C4"], "asthma": ["C4"]}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command, 80 columns wide, in a directory with three runs and gold: its result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tables, "out", Console(highlight=False, width=80))
    monkeypatch.setattr(tables, "err", Console(highlight=False, width=80, stderr=True))
    ontology = save_ontology(tmp_path / "o.arrow")
    marks = ("Gout=C2", "influenza=C3", "asthma=C4")
    corpus = save_corpus(tmp_path / "in.xml", *(text_document(str(n), TEXT, *marks) for n in range(4)))
    for name, links in (("a", FIRST), ("b", {**FIRST, "influenza": ["C3"]}), ("c", {"gout": ["C2"], "asthma": ["C4"]})):
        make_run(tmp_path / name, [corpus], links, ontology, finished=name != "c")

    def run(*arguments, status=0):
        done = CliRunner().invoke(main, ["compare", *arguments])
        assert done.exit_code == status, done.output
        assert max(map(len, done.stdout.splitlines()), default=0) <= 80
        return done

    return run


def lines(text):
    return [line.split() for line in text.splitlines()]


def test_two_runs_with_gold(run):
    done = run("a", "b", "--gold", "in.xml", "--bootstrap", "20")
    found = lines(done.stdout)
    assert ["A", "a", *["66.7"] * 5] in found
    assert ["B", "b", *["100.0"] * 5] in found
    assert ["all", "66.7", "100.0", "+33.3", "4", "0", "0.125", "0.125"] in found
    assert ["12", "mentions"] in found
    assert ["4", "documents"] in found
    said = " ".join(done.stdout.split())
    assert "of groups with fewer than 20 documents there is none" in said
    assert "Neither is adjusted for the number of groups and runs" in said
    assert "Gained: right in B, wrong in A (4 mentions)" in done.stdout
    assert "4×  " in done.stdout
    assert "Gout and «influenza» with" in done.stdout
    assert ["A", "C4", "asthma"] in found
    assert ["B", "C3", "influenza"] in found
    assert "Policy linkable: 12 of 12 gold mentions count" in " ".join(done.stdout.split())


def test_two_runs_without_gold(run):
    done = run("a", "b", "--examples", "0")
    assert ["all", "12", "66.7", "4", "0", "0", "66.7"] in lines(done.stdout)
    assert "Changed links" not in done.stdout
    assert "Changed links (4 mentions)" in run("a", "b").stdout


def test_several_runs_are_a_leaderboard(run):
    done = run("a", "b", "c", "--gold-corpus", "in.xml", "--policy", "belb", "--anchors", "ncbi-disease")
    first = [line[0] for line in lines(done.stdout) if len(line) > 1 and line[0] in ("A", "B", "C", "BELHD")]
    assert first[:4] == ["B", "BELHD", "A", "C"]
    assert ["BELHD", "87.6"] in lines(done.stdout)
    assert ["(published)"] in lines(done.stdout)
    assert "each run against A" in done.stdout
    assert "shows which mentions changed; --out does for each against A." in " ".join(done.stdout.split())
    assert "Published: BELHD: Garda & Leser 2024" in done.stdout
    assert "c isn't finished: only its 1 finished shard can be read" in " ".join(done.stderr.split())
    assert ["C", "c", "12", "66.7", "0", "0", "4", "66.7"] in lines(run("a", "b", "c").stdout)


def test_files_are_written(run, tmp_path):
    done = run(
        *("a", "b", "--gold", "in.xml", "--out", "page.html", "--metric-file", "m.csv", "--metric-file", "m.json"),
        *("--summary-file", "s.json"),
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("written: ")] == [
        f"written: {name}" for name in ("m.csv", "m.json", "s.json", "page.html")
    ]
    assert (
        (tmp_path / "m.csv").read_text().splitlines()[1].startswith("a,b,linkable,gained,0,T2,9,18,Disease,influenza")
    )
    assert len(json.loads((tmp_path / "m.json").read_text())) == 4
    assert json.loads((tmp_path / "s.json").read_text())[0]["gained"] == 4
    assert "<h1>a and b compared</h1>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "give at least two runs to compare"),
        (["a", "nowhere"], "nowhere: no such file or directory"),
        (["a", "b", "--policy", "belb"], "--policy goes with --gold-corpus"),
        (["a", "b", "--out", "page.pdf"], "--out page.pdf: a page's name must end in .html"),
        (["a", "b", "--metric-file", "m.txt"], "--metric-file m.txt: the name must end in"),
    ],
)
def test_what_cant_be_done_is_said_in_a_sentence(run, arguments, message):
    assert message in " ".join(run(*arguments, status=1).stderr.split())


def test_control_characters_dont_reach_the_terminal(run, tmp_path):
    from raybel.cli.compare import show_changes
    from raybel.evaluation.agreement import AGREEMENT
    from raybel.evaluation.changes import CHANGED, Changes
    from raybel.evaluation.comparison import Comparison

    changes = Changes({"first": "a", "second": "b", "policy": None})
    changes.add(
        CHANGED, None, "C\x1b[2J", {"text": "gout\x1b]0;title\x07", "before": "\x9b", "after": "", "doc_id": "1"}
    )
    with tables.out.capture() as printed:
        show_changes(Comparison(("a", "b"), AGREEMENT.empty_table(), (changes,), ()), changes)
    assert not set(printed.get()) & set("\x1b\x07\x9b")
    assert "«gout\ufffd]0;title\ufffd»" in printed.get()
    assert "(not linked)" in printed.get()
