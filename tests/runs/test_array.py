"""What `status` says of an array of runs, whose list of files and logs are made by hand."""

import pytest
from samples import save

from raybel.errors import InputError
from raybel.files import locks
from raybel.jobs.status import status
from raybel.runs.array import FILES, shares_to_do
from raybel.runs.logs import write_progress
from raybel.runs.run_directory import RunDirectory

STOPPED = "stopped; run the same command to go on"


@pytest.fixture
def array(tmp_path):
    save(tmp_path / FILES, "".join(f"{number}.xml\n" for number in range(3)))
    return tmp_path


def begin(array, name, finished=None, failed=0, documents=5):
    run = RunDirectory(str(array / name))
    run.open({"top_k": 10}, {}, False)
    if finished is not None:
        counts = {"documents": documents, "quarantined": 0}
        own = {"counts": counts, "own": counts, "seconds": 1.0, "share": 1.0, "finished": finished}
        write_progress(run, {**own, "files_failed": failed, "failed": ["why"] * failed})
    return run


def said(array):
    found = status(str(array))
    return found.state, dict(found.figures), found.notes


def test_an_array_is_finished_when_each_share_that_has_files_is(array):
    begin(array, "0000-of-0007", finished=True)
    begin(array, "0001-of-0007", finished=True)
    assert said(array) == (STOPPED, {"runs": "2 of 3", "documents": 10}, ())
    begin(array, "0002-of-0007", finished=True, documents=1)
    assert said(array) == ("finished", {"runs": "3 of 3", "documents": 11}, ())


def test_an_array_where_files_could_not_be_read(array):
    for number in range(2):
        begin(array, f"000{number}-of-0002", finished=True, failed=number)
    figures = {"runs": "2 of 2", "input files that couldn't be read": 1, "documents": 10}
    assert said(array) == ("finished, but 1 input file couldn't be read", figures, ())


def test_runs_that_stopped_are_named(array):
    save(array / FILES, "x\n" * 20)
    begin(array, "0000-of-0010", finished=True)
    for number in range(1, 8):
        begin(array, f"000{number}-of-0010", finished=False if number % 2 else None)
    state, figures, notes = said(array)
    assert state == STOPPED
    assert figures == {"runs": "1 of 10", "  stopped": 7, "documents": 25}
    assert notes == (*(f"stopped: 000{number}-of-0010" for number in range(1, 6)), "2 more")


def test_an_array_runs_while_one_of_its_runs_does(array):
    begin(array, "0000-of-0003", finished=True)
    run = begin(array, "0001-of-0003", finished=False)
    with locks.lock(run.uri):
        state, figures, notes = said(array)
    assert state == "running"
    assert figures == {"runs": "1 of 3", "  running": 1, "documents": 10}
    assert notes == ()
    assert said(array)[0] == STOPPED


def test_a_directory_of_other_runs_is_none(array, tmp_path):
    begin(array, "first", finished=True)
    with pytest.raises(InputError, match="holds no run"):
        status(str(array))
    begin(array, "0000-of-0002", finished=True)
    (array / FILES).unlink()
    with pytest.raises(InputError, match="holds no run"):
        status(str(array))


@pytest.mark.parametrize(
    ("names", "files", "runs"),
    [([], 5, 0), (["0001-of-0003"], 5, 3), (["0001-of-0009"], 5, 5), (["0-of-2", "1-of-2", "0-of-4"], 3, 5)],
)
def test_how_many_runs_there_will_be(names, files, runs):
    assert shares_to_do(names, files) == runs
