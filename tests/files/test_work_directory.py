import os
from pathlib import Path

import pytest
from samples import save

from raybel.errors import ConfigError, InputError, LockedError
from raybel.files import storage
from raybel.files.work_directory import WorkDirectory

STOPPED = "stopped; run the same command to go on"


@pytest.fixture
def work(tmp_path):
    return WorkDirectory(str(tmp_path / "w"), "sweep", "a sweep")


def names(work):
    return sorted(str(path.relative_to(work.uri)) for path in Path(work.uri).rglob("*") if path.is_file())


def test_a_new_directory_and_the_same_configuration_again(work, tmp_path):
    assert work.check({"seed": 1}, False) is None
    assert not (tmp_path / "w").exists()
    held = work.open({"seed": 1}, False, samples=3)
    assert held == work.read() == {"kind": "sweep", "identity": {"seed": 1}, "samples": 3}
    save(tmp_path / "w/trials/1.json", "{}")
    save(tmp_path / "w/trials/.2.json.abc.tmp", "{")
    work.write_description({"seed": 1}, samples=3, finished=True)
    again = work.open({"seed": 1}, True, samples=4)
    assert (again["samples"], again["finished"]) == (3, True)
    assert names(work) == ["raybel.json", "trials/1.json"]


def test_another_configuration_is_refused_or_deleted(work, tmp_path):
    work.open({"seed": 1}, False)
    save(tmp_path / "w/trials/1.json", "{}")
    (tmp_path / "w/empty").mkdir()
    save(tmp_path / "w/logs/mine.txt", "x")
    with pytest.raises(ConfigError) as refused:
        work.open({"seed": 2}, False)
    assert str(refused.value) == (
        f"{work.uri} holds a sweep of another configuration (seed: 1 there, 2 now): choose another --output-dir, or "
        "--overwrite to delete what it holds"
    )
    assert work.check({"seed": 2}, True) is None
    assert (tmp_path / "w/trials/1.json").exists()
    assert work.open({"seed": 2}, True)["identity"] == {"seed": 2}
    assert names(work) == ["logs/mine.txt", "raybel.json"]
    assert not (tmp_path / "w/empty").exists()


def test_only_outputs_are_deleted(tmp_path):
    work = WorkDirectory(str(tmp_path), "dense", "an index", "--out-index", outputs=("vectors-*.npy", "encoder"))
    work.open({"a": 1}, False)
    for name in ("vectors-0.npy", "encoder/vectors.txt", "scores.csv", "notes/vectors-0.npy"):
        save(tmp_path / name, "x")
    work.open({"a": 2}, True)
    assert names(work) == ["notes/vectors-0.npy", "raybel.json", "scores.csv"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_something_else_is_refused_whatever_is_asked(work, tmp_path, overwrite):
    save(tmp_path / "w/thesis.tex", "x")
    reason = r"holds something other than a sweep \(thesis.tex\): choose a new or empty --output-dir"
    with pytest.raises(ConfigError, match=reason):
        work.open({}, overwrite)
    WorkDirectory(str(tmp_path / "m"), "crossencoder", "a model").open({}, False)
    with pytest.raises(ConfigError, match=r"holds something other than a sweep \(crossencoder\): choose another"):
        WorkDirectory(str(tmp_path / "m"), "sweep", "a sweep").open({}, overwrite)
    save(tmp_path / "d/raybel.json", "[1]")
    with pytest.raises(InputError, match="doesn't say what the directory holds: delete"):
        WorkDirectory(str(tmp_path / "d"), "sweep", "a sweep").open({}, overwrite)


def test_an_artefact_of_before_descriptions_is_known_by_its_kind(tmp_path):
    save(tmp_path / "config.json", {"kind": "lookup"})
    assert WorkDirectory(str(tmp_path), "lookup", "a lookup").check({}, False) is None
    with pytest.raises(ConfigError, match="something other than an index"):
        WorkDirectory(str(tmp_path), "dense", "an index").check({}, False)


def test_a_kill_while_files_are_deleted_leaves_them_to_nobody(work, tmp_path, monkeypatch):
    work.open({"seed": 1}, False)
    save(tmp_path / "w/trials/1.json", "{}")
    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", lambda uri: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work.clear()
    assert (tmp_path / "w/trials/1.json").exists()
    for seed in (1, 3):
        assert work.check({"seed": seed}, False) is None
    work.open({"seed": 3}, False)
    assert names(work) == ["raybel.json"]


def test_a_job_that_writes_nothing_leaves_nothing(tmp_path):
    work = WorkDirectory(str(tmp_path / "a" / "b"), "sweep", "a sweep")
    with work.lock():
        assert (tmp_path / "a" / "b" / ".lock").exists()
        with pytest.raises(LockedError), work.lock():
            pass
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").mkdir()
    with WorkDirectory(str(tmp_path / "mine"), "sweep", "a sweep").lock():
        pass
    assert (tmp_path / "mine").exists()
    with work.lock():
        work.open({}, False)
    assert names(work) == [".lock", "raybel.json"]


def test_status(work):
    with work.lock():
        work.open({}, False)
        assert work.status(False, []).state == "running"
    status = work.status(False, [("trials", 3)], ["none", "raybel.json"])
    assert (status.title, status.state) == (f"sweep {work.uri}", STOPPED)
    assert status.figures == [("trials", 3), ("last update", "0 s ago")]
    assert work.status(True, []).state == "finished"
    assert work.status(False, [], problem="it rained").state == "finished, but it rained"
