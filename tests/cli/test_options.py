import subprocess
import sys
from dataclasses import field
from typing import Annotated, Literal

import click
import pytest
from click.testing import CliRunner

from raybel.cli import COMMANDS, main
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.options import options
from raybel.config import Count, FilePath, FilePaths, Option, Share, Words, configuration, configured


@configuration
class Group:
    workers: Annotated[Count, Option("Workers.")] = 2


@configuration
class Sample:
    out: Annotated[FilePath, Option("Where to.", "DIR")]
    model: Annotated[FilePath | None, Option("A model.", "DIR", made_by="raybel train ngrams")] = None
    paths: Annotated[FilePaths, Option("Files.", "PATH", names=("--path", "--file"))] = ()
    kind: Annotated[Literal["red", "blue"] | None, Option("Colour.", default="whichever it has")] = None
    top_k: Annotated[Count, Option("How many.")] = 10
    share: Annotated[Share, Option("How much.")] = 0.5
    words: Annotated[Words, Option("Words.")] = ("a",)
    fast: Annotated[bool, Option("Fast.")] = False
    safe: Annotated[bool, Option("Safe.")] = True
    hidden: int = 7
    group: Group = field(default_factory=Group)


@click.group(cls=Commands, context_settings=CONTEXT)
def group():
    pass


@group.command(context_settings=CONTEXT)
@options(Sample, defaults={"top_k": 4})
def sample(values):
    """Take a sample."""
    click.echo(configured(Sample, values))


def run(*arguments):
    return CliRunner().invoke(group, ["sample", *map(str, arguments)])


def test_help_is_made_of_the_fields():
    text = " ".join(run("--help").output.split())
    for words in (
        "--out DIR Where to. [required]",
        "--path, --file PATH Files.",
        "--kind [red|blue] Colour. [default: whichever it has]",
        "--top-k INTEGER How many. [default: 4; x>=1]",
        "--share NUMBER How much. [default: 0.5; 0<=x<=1]",
        "--words TEXT Words. [default: a]",
        "--fast Fast.",
        "--safe / --no-safe Safe. [default: safe]",
        "--workers INTEGER Workers. [default: 2; x>=1]",
        "--config FILE",
    ):
        assert words in text
    assert "hidden" not in text


def test_values_reach_the_configuration_and_its_groups(tmp_path):
    model = tmp_path / "m"
    model.mkdir()
    made = run(
        *("--out", "/o", "--model", model, "--path", "/a", "--file", "/b", "--kind", "red", "--no-safe"),
        *("--words", "b,c", "--workers", 5, "--fast"),
    ).output
    expected = Sample("/o", str(model), ("/a", "/b"), "red", 4, words=("b", "c"), fast=True, safe=False, group=Group(5))
    assert made.strip() == str(expected)


def test_a_file_gives_options_and_the_command_line_comes_first(tmp_path):
    (tmp_path / "o.yaml").write_text("out: /o\nfile: /a\ntop-k: 3\nworkers: 9\nsafe: false\nkind: null\nshare: 1e-1\n")
    made = run("--config", tmp_path / "o.yaml", "--top-k", 8).output
    assert made.strip() == str(Sample("/o", paths=("/a",), top_k=8, share=0.1, safe=False, group=Group(9)))


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        ("out: /o\ntopk: 3\n", 1, "has no option topk; did you mean top_k?"),
        ("out: /o\ntop_k: 2.5\n", 1, "top_k must be a whole number, not 2.5"),
        ("out: /o\ntop_k: true\n", 1, "top_k must be a whole number, not True"),
        ("out: /o\ntop_k: [1]\n", 1, "top_k must be a whole number, not [1]"),
        ("out: /o\nsafe: 0\n", 1, "safe must be true or false, not 0"),
        ("out: /o\npaths: /a\n", 1, "has no option paths"),
        ("out: /o\nkind: green\n", 1, "kind must be 'red' or 'blue', not 'green'"),
        ("out: /o\nshare: 2\n", 1, "share must be at most 1, not 2"),
        ("top_k: 2\n", 2, "Missing option '--out'"),
        ("- out\n", 1, "must hold a mapping of names to values"),
    ],
)
def test_what_a_file_cannot_say(tmp_path, content, status, reason):
    (tmp_path / "o.yaml").write_text(content)
    ended = run("--config", tmp_path / "o.yaml")
    assert ended.exit_code == status
    assert reason in ended.stderr


def test_a_path_that_is_not_there_is_said_with_the_command_that_makes_it(tmp_path):
    ended = run("--out", "/o", "--model", tmp_path / "none")
    assert ended.exit_code == 1
    assert "no such file or directory; `raybel train ngrams` makes one" in ended.stderr


def test_a_mistyped_command_gets_a_suggestion():
    for arguments, near in ((["lnik"], "link"), (["train", "ngram"], "ngrams")):
        ended = CliRunner().invoke(main, arguments)
        assert ended.exit_code == 2
        assert f"Did you mean '{near}'?" in ended.stderr


def test_the_list_of_commands_says_what_the_commands_say():
    context = click.Context(main)
    for name, (_, line) in COMMANDS.items():
        described = " ".join(main.get_command(context, name).help.split("\n\n")[0].split())
        assert line == described, name
        assert name in main.get_help(context)


def test_help_imports_neither_ray_nor_torch_nor_transformers():
    code = (
        "import sys\nfrom raybel.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([name for name in ('ray', 'torch', 'transformers', 'pyarrow') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_actors_between_bounds(tmp_path):
    runner = CliRunner(env={"COLUMNS": "200"})
    said = " ".join(runner.invoke(main, ["link", "--help"]).stdout.split())
    assert "--actors N|LEAST:MOST Actors that hold the models: so many (4), or between bounds" in said
    assert "(2:64)" in said
    (tmp_path / "o.arrow").touch()
    (tmp_path / "m").mkdir()
    given = ["--in-corpus", tmp_path, "--out-corpus", tmp_path / "r", "--ontology", tmp_path / "o.arrow"]
    given = ["link", *map(str, given), "--ngrams-model", str(tmp_path / "m")]
    done = runner.invoke(main, [*given, "--actors", "5:2"])
    assert done.exit_code == 1
    assert "actors must have the least before the most, not '5:2'" in done.stderr
    (tmp_path / "job.yaml").write_text("actors: 0:3\n")
    done = runner.invoke(main, [*given, "--config", str(tmp_path / "job.yaml")])
    assert "actors must be at least 1, not '0:3'" in done.stderr
    done = runner.invoke(main, [*given, "--config", str(tmp_path / "job.yaml"), "--actors", " :4"])
    assert "actors must be a whole number, or the least and the most, such as 2:64, not ' :4'" in done.stderr
