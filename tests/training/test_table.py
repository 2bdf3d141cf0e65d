"""The table of all runs."""

import json
import os
import socket

import pytest

from optimetal.scaling.fits import in_study
from optimetal.training.table import collect_runs, list_runs


def write(folder, name, **values):
    path = folder / name / "metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    model = name.split("/")[0]
    content = {"run": name, "model": model, "source": "ab initio", "val_loss": 1.0, **values}
    path.write_text(json.dumps(content))
    return path


def test_one_row_per_run_with_its_studies(tmp_path):
    files = [write(tmp_path, name) for name in ("b/two", "a/one")]
    runs = collect_runs(
        files, {"data": ["a/one", "b/two"], "grid": ["b/two"]}, {"a": "Model A", "b": "Model B"}
    )
    assert runs["run"].tolist() == ["a/one", "b/two"]
    assert runs["label"].tolist() == ["Model A", "Model B"]
    assert [list(studies) for studies in runs["studies"]] == [["data"], ["data", "grid"]]
    runs.to_parquet(tmp_path / "runs.parquet")
    import pandas as pd

    assert in_study(pd.read_parquet(tmp_path / "runs.parquet"), "grid")["run"].tolist() == ["b/two"]


def test_kinds_of_data_are_not_mixed(tmp_path):
    files = [write(tmp_path, "a/one"), write(tmp_path, "a/two", source="surrogate, not ab initio")]
    with pytest.raises(ValueError, match="one kind of data"):
        collect_runs(files, {"data": ["a/one"]}, {"a": "A"})


def test_a_damaged_file_is_named(tmp_path):
    file = write(tmp_path, "a/one")
    file.write_text("{")
    with pytest.raises(ValueError, match=r"one/metrics.json.*delete this folder"):
        collect_runs([file], {"data": ["a/one"]}, {"a": "A"})


def write_status(folder, name, **values):
    path = folder / name / "status.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    here = {"host": socket.gethostname(), "pid": os.getpid(), "reason": "", "epochs": 10}
    path.write_text(json.dumps({**here, **values}))


def test_all_runs_with_their_state(tmp_path):
    write_status(tmp_path, "a/running", state="running", epoch=3, val_loss=0.5, lr=1e-3)
    write_status(tmp_path, "a/killed", state="running", epoch=4, pid=999999999)
    write_status(tmp_path, "a/elsewhere", state="running", epoch=4, pid=999999999, host="other")
    write_status(tmp_path, "a/failed", state="failed", reason="TrainingError: too hot", epoch=7)
    write_status(tmp_path, "a/repeated", state="running", epoch=1)
    write_status(tmp_path, "a/done", state="done", epoch=10, val_loss=0.7, recoveries=2)
    for name in ("a/repeated", "a/done", "a/old"):
        write(tmp_path, name, epochs=10, train_loss=0.3, val_loss=0.4, lr=1e-3, recoveries=2)
    (tmp_path / "a/damaged").mkdir()
    (tmp_path / "a/damaged/status.json").write_text("{")
    runs = list_runs(tmp_path).set_index("run")
    assert runs["state"].to_dict() == {
        "a/damaged": "unknown",
        "a/done": "done",
        "a/elsewhere": "running",
        "a/failed": "failed",
        "a/killed": "killed",
        "a/old": "done",
        "a/repeated": "running",
        "a/running": "running",
    }
    assert runs.loc["a/failed", "reason"] == "TrainingError: too hot"
    assert runs.loc["a/killed", "reason"] == "process 999999999 is gone"
    assert runs.loc["a/running", ["epoch", "epochs", "val_loss", "lr"]].tolist() == [
        3,
        10,
        0.5,
        1e-3,
    ]
    assert runs.loc["a/done", ["epoch", "val_loss", "recoveries"]].tolist() == [10, 0.4, 2]
    assert runs.loc["a/old", ["epoch", "epochs", "val_loss"]].tolist() == [10, 10, 0.4]
    assert runs.loc["a/repeated", "epoch"] == 1
    assert runs.loc["a/damaged"].drop("state").isna().all()


def test_no_run_gives_a_table_without_rows(tmp_path):
    assert list_runs(tmp_path).empty
