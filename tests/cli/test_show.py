import pytest
from click.testing import CliRunner
from rich.console import Console
from samples import annotation, collection, document, parts, passage, save, shards_of

from raybel.cli import main, tables
from raybel.cli.show import marked
from raybel.runs.run_directory import RunDirectory

TEXT = "Anemia (AN) and asthma."


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], TEXT),
        ([(0, 6), (16, 22)], "«Anemia» (AN) and «asthma»."),
        ([(0, 11), (8, 10)], "«Anemia («AN»)» and asthma."),
        ([(16, 23)], "Anemia (AN) and «asthma.»"),
    ],
)
def test_marked_text(spans, expected):
    assert marked(TEXT, spans).plain == expected


@pytest.fixture
def run(tmp_path):
    """A run directory of two documents."""
    path = save(
        tmp_path / "in.xml",
        collection(
            document("1", passage("Anemia and unknown.", annotation("Anemia", (0, 6)), annotation("unknown", (11, 7)))),
            document("2", passage("Asthma.", annotation("Asthma", (0, 6)))),
        ),
    )
    directory = RunDirectory(str(tmp_path / "run"))
    directory.open({}, {}, False)
    (shard,) = shards_of([path], "x")
    for part in parts(path):
        directory.write_part(shard, part)
    directory.assemble(shard, 1)
    return directory.uri


def test_piped_output_marks_mentions(run):
    done = CliRunner().invoke(main, ["show", run])
    assert done.exit_code == 0, done.output
    assert "document 1\n«Anemia» and «unknown».\n" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["mention", "concept", "name", "score", "times"] in lines  # none was looked up as another text
    assert ["Anemia", "a|b=c", "Asthma", "&", "co", "<x>", "0.75", "1"] in lines
    assert "document 2" not in done.stdout
    both = CliRunner().invoke(main, ["show", run, "--documents", "2"]).stdout
    assert "document 2\n«Asthma»." in both


def test_a_terminal_colours_mentions(run, monkeypatch, capsys):
    monkeypatch.setattr(tables, "out", Console(highlight=False, width=80, force_terminal=True))
    main(["show", run], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "«" not in printed
    assert "\x1b[1;4;36mAnemia\x1b[0m" in printed


def shown(run, *options, status=0):
    done = CliRunner().invoke(main, ["show", run, *options])
    assert done.exit_code == status, done.output
    return " ".join((done.stdout if not status else done.stderr).split())


def test_a_document_is_found_by_its_id(run):
    assert "document 2 «Asthma»." in shown(run, "--doc-id", "2")
    assert "document 1" not in shown(run, "--doc-id", "2")
    assert shown(run, "--doc-id", "3", status=1).endswith("run: no document has the id 3")


def test_mentions_of_a_kind_are_shown_in_their_passages(run):
    assert "«Anemia» and unknown." in shown(run, "--concept", "a|b=c")
    assert shown(run, "--concept", "D1").endswith("run: no mention is linked to D1.")
    assert "nothing says which mentions were settled" in shown(run, "--unsure", status=1)
    assert "no mention has gold ids that count by policy linkable" in shown(run, "--wrong", status=1)
    assert "give --wrong with it" in shown(run, "--gold", "x.xml", status=1)


def test_wrong_links_have_their_gold_beside_them(run, tmp_path):
    gold = save(
        tmp_path / "gold.xml",
        collection(document("2", passage("Asthma.", annotation("Asthma", (0, 6), concept_id="D9\u009b")))),
    )
    text = shown(run, "--wrong", "--gold-corpus", gold)
    assert "mention gold concept name score times Asthma D9\ufffd a|b=c Asthma & co <x> 0.75 1" in text
    assert "Wrong: the first link isn't gold's, by policy linkable; ids are compared as they are written" in text


def test_a_page_is_written_in_place_of_the_text(run, tmp_path):
    page = tmp_path / "page.html"
    assert shown(run, "--documents", "2", "--html", str(page)).startswith("written: ")
    assert page.read_text().count("<article") == 2
    assert "--html page.txt: a page's name must end in .html" in shown(run, "--html", "page.txt", status=1)
