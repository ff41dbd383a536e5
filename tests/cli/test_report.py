from click.testing import CliRunner
from linked_runs import make_run, small_corpus

from raybel.cli import main


def report(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_it_says_where_the_page_is(tmp_path):
    corpus = small_corpus(tmp_path / "corpus")
    run = make_run(tmp_path / "run", corpus)
    done = report(run.uri, "--gold-corpus", corpus, "--bootstrap", "10", "--out", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"written: {tmp_path}/page.html\n"
    assert "Acc@1 is 66.7 %" in (tmp_path / "page.html").read_text()
    assert report(run.uri).exit_code == 0
    assert (tmp_path / "run/report.html").exists()


def test_what_cant_be_done_is_said_without_a_traceback(tmp_path):
    for arguments, said in (
        ((tmp_path / "none",), "holds no run"),
        ((tmp_path, "--out", "x.txt"), "must end in .html"),
        ((tmp_path, "--train-corpus", "t.xml"), "--train-corpus goes with --gold"),
    ):
        done = report(*arguments)
        assert done.exit_code == 1
        assert said in " ".join(done.stderr.split())
        assert "Traceback" not in done.output
