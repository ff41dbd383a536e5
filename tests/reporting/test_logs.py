"""Lines of JSON: what is in them, and that nothing else is on standard error."""

import json
import logging
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.cli import main
from raybel.reporting import logs


@pytest.fixture(autouse=True)
def _about_nothing(monkeypatch):
    """A process that has run no job; other tests in this one may have."""
    monkeypatch.setattr(logs, "_of_process", {})
    token = logs._of_block.set({})
    yield
    logs._of_block.reset(token)


@pytest.fixture
def _json():
    logs.use("json")
    yield
    logs.use("text")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@given(st.text(), st.text(max_size=9))
def test_a_record_is_one_line_of_ascii(message, shard):
    record = logging.LogRecord("raybel.x", logging.WARNING, "", 0, message.replace("%", "%%"), (), None)
    with logs.about(shard=shard, chunk=3):
        line = logs.JsonLines().format(record)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    value = json.loads(line)
    assert list(value) == ["time", "level", "logger", "message", "shard", "chunk"]
    assert value["level"] == "warning"
    assert (value["logger"], value["shard"], value["chunk"]) == ("raybel.x", shard, 3)
    assert datetime.fromisoformat(value["time"]) - datetime.fromtimestamp(record.created, UTC) < timedelta(seconds=1)


@pytest.mark.usefixtures("_json")
def test_what_lines_are_about_ends_with_the_block(capsys):
    log = logging.getLogger("raybel.x")
    logs.process_is_about("runs/1")
    with logs.about(shard="a"):
        with logs.about(chunk=1):
            log.info("inner")
        log.info("outer")
    log.debug("not wanted")
    log.info("after")
    found = [{name: each[name] for name in each if name not in ("time", "level", "logger")} for each in
             lines(capsys.readouterr().err)]  # fmt: skip
    assert found == [
        {"message": "inner", "run": "runs/1", "shard": "a", "chunk": 1},
        {"message": "outer", "run": "runs/1", "shard": "a"},
        {"message": "after", "run": "runs/1"},
    ]


@pytest.mark.usefixtures("_json")
def test_warnings_and_other_packages_are_lines_too(capsys):
    logs.use("json")  # a second time, as a worker's next chunk does
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    logging.getLogger("other").error("broken")
    logging.getLogger("other").info("chatter")
    found = lines(capsys.readouterr().err)
    assert [(each["logger"], each["level"]) for each in found] == [("py.warnings", "warning"), ("other", "error")]


def test_text_is_as_it_was(capsys):
    before = logging.getLogger().handlers[:]
    logs.use("json")
    logs.use("text")
    assert logging.getLogger().handlers == before
    assert (sys.excepthook, logs.current_format()) == (sys.__excepthook__, "text")
    logging.getLogger("raybel.x").info("news")
    assert capsys.readouterr().err == ""


def run(*arguments, **environment):
    code = "from raybel.cli import run; import sys; run(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("given_by", ["option", "variable"])
def test_errors_of_a_command_are_lines(tmp_path, given_by):
    option = ["--log-format", "json"] if given_by == "option" else []
    environment = {} if option else {logs.VARIABLE: "json"}
    missing = run(*option, "ontology", "check", str(tmp_path / "none.arrow"), **environment)
    (line,) = lines(missing.stderr)
    assert (missing.returncode, line["level"], line["logger"]) == (1, "error", "raybel.cli.tables")
    assert line["message"].startswith("raybel: ")
    wrong = run(*option, "link", "--in-korpus", "x", **environment)
    (line,) = lines(wrong.stderr)
    assert wrong.returncode == 2
    assert "--in-korpus" in line["message"]


def test_an_error_that_nobody_catches_is_a_line(tmp_path):
    ended = run("--debug", "--log-format", "json", "ontology", "check", str(tmp_path / "none.arrow"))
    (line,) = lines(ended.stderr)
    assert (ended.returncode, line["level"]) == (1, "critical")
    assert "Traceback" in line["traceback"]
    assert "AccessError" in line["traceback"] or "InputError" in line["traceback"]


def test_the_next_command_of_a_process_logs_text_again(capsys, tmp_path):
    try:
        for option, is_line in (["--log-format", "json"], True), ([], False):
            with pytest.raises(SystemExit):
                main([*option, "ontology", "check", str(tmp_path / "none.arrow")], prog_name="raybel")
            said = capsys.readouterr().err
            assert said.startswith("{") == is_line, said
    finally:
        logs.use("text")
