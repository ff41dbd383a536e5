import glob
from pathlib import Path

import pytest

from raybel.errors import ConfigError
from raybel.tuning.tracking import Trackers, TrackingConfig


def logged(config, home):
    """Two trials side by side, one of which fails."""
    trackers = Trackers.open(config, str(home))
    trackers.begin(0, {"rate": 1e-4, "pair": [3, 3]})
    trackers.begin(1, {"rate": 1e-5, "pair": None})
    trackers.log(0, 1, {"Acc@1": 0.5, "none": None})
    trackers.log(1, 1, {"Acc@1": 0.25})
    trackers.log(0, 2, {"Acc@1": 0.75})
    trackers.end(1, "failed")
    trackers.end(0, "finished")
    assert trackers.notes == []


def test_tensorboard_gets_event_files(tmp_path):
    logged(TrackingConfig(), tmp_path)
    files = sorted(glob.glob(f"{tmp_path}/tensorboard/trial-00000*/events*"))
    assert len(files) == 2
    held = Path(files[0]).read_bytes()
    assert b"Acc_1" in held
    assert b"finished" in held


@pytest.mark.parametrize("store", ["file", pytest.param("sqlite", marks=pytest.mark.bench), "own"])
def test_mlflow_gets_runs(tmp_path, monkeypatch, store):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from mlflow.tracking import MlflowClient

    own = f"sqlite:///{tmp_path}/mlflow.db"
    uri = {"file": f"file:{tmp_path}/runs", "sqlite": f"sqlite:///{tmp_path}/m.db", "own": own}[store]
    logged(TrackingConfig(("mlflow",), "linking", mlflow_uri=None if store == "own" else uri), tmp_path)
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("linking").experiment_id])
    held = {run.info.run_name: run for run in runs}
    assert [held[f"trial-00000{n}"].info.status for n in (0, 1)] == ["FINISHED", "FAILED"]
    assert held["trial-000000"].data.params == {"rate": "0.0001", "pair": "[3, 3]"}
    history = client.get_metric_history(held["trial-000000"].info.run_id, "Acc_at_1")
    assert [(each.step, each.value) for each in history] == [(1, 0.5), (2, 0.75)]


def test_mlflows_run_of_a_killed_driver_does_not_run_for_ever(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/m.db"
    options = TrackingConfig(("mlflow",), "linking", mlflow_uri=uri)
    for home in ("a/sweep", "b/sweep", "a/sweep"):  # the first driver is killed; another sweep has the same name
        Trackers.open(options, str(tmp_path / home)).begin(0, {})
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("linking").experiment_id])
    assert sorted(run.info.status for run in runs) == ["KILLED", "RUNNING", "RUNNING"]
    assert len({run.data.tags["sweep_id"] for run in runs if run.info.status == "RUNNING"}) == 2


def test_what_is_checked_before_a_sweep_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Trackers.check(TrackingConfig(("tensorboard", "wandb", "mlflow"), wandb_offline=True), str(tmp_path / "s"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="mlflow can't be used"):
        Trackers.check(TrackingConfig(("mlflow",), mlflow_uri="nosuch://x"), str(tmp_path / "s"))


def test_wandb_works_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    logged(TrackingConfig(("wandb",), wandb_offline=True), tmp_path)
    import wandb

    wandb.teardown()  # as when the process ends: what is still in its service's memory gets written
    files = glob.glob(f"{tmp_path}/wandb/wandb/offline-run-*/*.wandb")
    assert len(files) == 2
    held = b"".join(Path(file).read_bytes() for file in files)
    for said in (b"trial-000000", b"trial-000001", b"Acc@1"):
        assert said in held


def test_what_cannot_be_used_is_told_before_a_sweep(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="track must be 'tensorboard', 'wandb' or 'mlflow'"):
        TrackingConfig(("neptune",))
    with pytest.raises(ConfigError, match="no key for Weights & Biases"):
        Trackers.open(TrackingConfig(("wandb",)), str(tmp_path))
    with pytest.raises(ConfigError, match="can't be written to s3"):
        Trackers.open(TrackingConfig(("tensorboard",)), "s3://bucket/sweep")
    with pytest.raises(ConfigError, match="mlflow can't be used"):
        Trackers.open(TrackingConfig(("mlflow",), mlflow_uri="nosuch://x"), str(tmp_path))


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'raybel\[wandb\]'"):
        Trackers.open(TrackingConfig(("wandb",)), str(tmp_path))


def test_a_tracker_that_fails_is_left_out_and_told():
    class Broken:
        def begin(self, number, parameters):
            raise OSError("gone")

    class Whole:
        def __init__(self):
            self.calls = []

        def begin(self, number, parameters):
            self.calls.append(number)

    whole = Whole()
    trackers = Trackers([Broken(), whole])
    trackers.begin(0, {})
    trackers.begin(1, {})
    assert whole.calls == [0, 1]
    assert trackers.notes == ["Broken failed at trial 0 and got nothing from there on: OSError: gone"]
