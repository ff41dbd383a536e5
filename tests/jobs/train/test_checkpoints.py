"""When checkpoints within an epoch are due, and whose they are; that they resume is shown by killed trainings."""

import json
from types import SimpleNamespace

import pytest
import torch

from raybel.encoders.training import Position
from raybel.errors import InputError
from raybel.jobs.train import checkpoints
from raybel.jobs.train.checkpoints import Checkpoints
from raybel.jobs.train.directory import CHECKPOINTS
from raybel.jobs.train.known_checkpoints import COPY, LIST, mend_list

AT = Position(steps=7, loss=1.5, weight=14, seconds=0.25)


@pytest.fixture
def train(monkeypatch):
    """What Ray Train says to the worker: its rank, and what is about to be taken away."""
    train = SimpleNamespace(now=1000.0, notice=None, workers=1)
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: train.workers)
    monkeypatch.setattr(checkpoints.ray.train, "get_context", lambda: context)
    monkeypatch.setattr(checkpoints.ray.train, "report", lambda metrics, checkpoint: None)
    monkeypatch.setattr(checkpoints.ray.train, "get_preemption_info", lambda: train.notice)
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: train.now)
    return train


def due_after(found, train, seconds):
    train.now += seconds
    return found.due()


def test_one_is_due_every_so_many_seconds(train, tmp_path):
    found = Checkpoints(str(tmp_path), 60, "cpu")
    assert not due_after(found, train, 50)
    assert due_after(found, train, 20)
    assert due_after(found, train, 20)  # it wasn't saved
    found.report(0, None)
    assert not due_after(found, train, 50)
    assert due_after(found, train, 20)


def test_one_is_due_at_each_notice_that_a_node_will_be_taken_away(train, tmp_path):
    found = Checkpoints(str(tmp_path), 1e6, "cpu")
    assert not due_after(found, train, 10)
    train.notice = {"a": [0]}
    assert not due_after(found, train, checkpoints.LOOK_SECONDS / 2)  # it isn't looked at after each step
    assert due_after(found, train, checkpoints.LOOK_SECONDS)
    found.report(0, None)
    assert not due_after(found, train, 10)
    train.notice = {"a": [0], "b": [1]}
    assert due_after(found, train, 10)
    train.notice = None
    assert not due_after(found, train, 10)


def test_what_is_random_and_the_position_come_back(train, tmp_path):
    found = Checkpoints(str(tmp_path), 60, "cpu")
    record = found.position(AT, {"cpu": torch.arange(9, dtype=torch.uint8)}, str(tmp_path))
    at, states = found.load(json.loads(json.dumps(record)), tmp_path)
    assert at == AT
    assert states.keys() == {"cpu"}
    assert states["cpu"].tolist() == list(range(9))


@pytest.mark.parametrize(("workers", "device", "now"), [(2, "cpu", "2 on cpu"), (1, "cuda:0", "1 on cuda")])
def test_one_of_other_workers_is_refused(train, tmp_path, workers, device, now):
    record = Checkpoints(str(tmp_path), 60, "cpu").position(AT, {"cpu": torch.zeros(1)}, str(tmp_path))
    train.workers = workers
    with pytest.raises(InputError, match=rf"1 worker on cpu, and now there would be {now}.*--num-workers") as raised:
        Checkpoints(str(tmp_path), 60, device).load(record, tmp_path)
    assert str(tmp_path) in str(raised.value)


KNOWN = json.dumps({"checkpoint_results": [{"checkpoint_dir_name": "checkpoint_2026-01"}]})


@pytest.fixture
def folder(tmp_path):
    """With two checkpoints, one of which Ray knows."""
    for name in ("checkpoint_2026-01", "checkpoint_2026-02", "other"):
        (tmp_path / CHECKPOINTS / name).mkdir(parents=True)
        (tmp_path / CHECKPOINTS / name / "state.json").write_text("{}")
    (tmp_path / CHECKPOINTS / LIST).write_text(KNOWN)
    return tmp_path / CHECKPOINTS


def test_those_that_ray_does_not_know_are_deleted_at_the_start(train, folder):
    Checkpoints(str(folder.parent), 60, "cpu")
    assert {each.name for each in folder.iterdir()} == {"checkpoint_2026-01", LIST, "other"}
    assert (folder / LIST).read_text() == KNOWN


def test_a_list_whose_writing_was_interrupted_is_mended(train, folder):
    home = str(folder.parent)
    assert not mend_list(home)
    found = Checkpoints(home, 60, "cpu")
    found.report(1, None)
    for damaged in ("", KNOWN[:20]):
        (folder / LIST).write_text(damaged)
        found.report(1, None)  # keeps the copy that there is
        assert mend_list(home)
        assert json.loads((folder / LIST).read_text()) == json.loads(KNOWN)
        assert not mend_list(home)
    (folder / LIST).write_text("")
    (folder / "checkpoint_2026-01" / "state.json").unlink()
    (folder / "checkpoint_2026-01").rmdir()
    assert not mend_list(home)
    (folder / COPY).unlink()
    assert not mend_list(home)
