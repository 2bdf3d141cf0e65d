"""The table of all runs, and how they are doing."""

import json
import math
import os
from datetime import datetime, timedelta

import pandas as pd
import pytest

from optimetal.processes import this_process
from optimetal.scaling.fits import in_study
from optimetal.training.status import ENDED, Status, running
from optimetal.training.table import OUTCOME_COLUMNS, SILENCE, all_runs, collect_runs, list_runs
from optimetal.training.train import train


def ago(seconds=0.0):
    """A moment of the past; asked for in each test, as others may have run for minutes."""
    return datetime.now().astimezone() - timedelta(seconds=seconds)


def write(folder, name, file="metrics.json", **values):
    path = folder / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    model = name.split("/")[0]
    content = {"run": name, "model": model, "source": "ab initio", "val_loss": 1.0, **values}
    path.write_text(json.dumps(content))
    return path


def write_status(folder, name, **values):
    path = folder / name / "status.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    here = {**this_process(), "reason": "", "epochs": 10, "updated": ago().isoformat()}
    path.write_text(json.dumps({**here, **values}))


def test_one_row_per_run_with_its_studies(tmp_path):
    files = [write(tmp_path, name) for name in ("b/two", "a/one")]
    runs = collect_runs(
        files, {"data": ["a/one", "b/two"], "grid": ["b/two"]}, {"a": "Model A", "b": "Model B"}
    )
    assert runs["run"].tolist() == ["a/one", "b/two"]
    assert runs["label"].tolist() == ["Model A", "Model B"]
    assert [list(studies) for studies in runs["studies"]] == [["data"], ["data", "grid"]]
    assert runs[["state", "reason"]].to_numpy().tolist() == [["done", ""]] * 2
    runs.to_parquet(tmp_path / "runs.parquet")
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


@pytest.fixture
def many(tmp_path):
    """Trainings in every state."""
    long_ago = ago(2 * SILENCE.total_seconds()).isoformat()
    elsewhere = {"state": "running", "epoch": 4, "machine": "other", "host": "other"}
    begun = {"model": "a", "num_train": 8, "width": 16, "seed": 1, "learning_rate": 1e-2}
    write_status(tmp_path, "a/running", state="running", epoch=3, val_loss=0.5, lr=1e-3, **begun)
    write_status(tmp_path, "a/killed", state="running", epoch=4, pid=999999999)
    write_status(tmp_path, "a/elsewhere", **elsewhere)
    write_status(tmp_path, "a/silent", **elsewhere, updated=long_ago)
    write_status(
        tmp_path, "a/failed", state="failed", reason="TrainingError: hot", epoch=7, **begun
    )
    write_status(tmp_path, "a/repeated", state="running", epoch=1)
    write_status(tmp_path, "a/done", state="done", epoch=10, val_loss=0.7, recoveries=2)
    write_status(tmp_path, "a/ahead", state="done", epoch=10)
    write_status(tmp_path, "a/lost", state="done", epoch=10)
    write_status(tmp_path, "a/diverged", state="diverged", epoch=2, reason="too hot")
    outcome = {"epochs": 10, "train_loss": 0.3, "val_loss": 0.4, "lr": 1e-3, "recoveries": 2}
    for name in ("a/repeated", "a/done", "a/old"):
        write(tmp_path, name, **outcome, seconds=20.0)
    write(tmp_path, "a/ahead", "metrics.json.ready", **outcome)
    inf = dict.fromkeys(("val_loss", "train_loss"), math.inf)
    write(tmp_path, "a/diverged", state="diverged", reason="too hot", **outcome | inf, seconds=1.0)
    (tmp_path / "a/damaged").mkdir()
    (tmp_path / "a/damaged/status.json").write_bytes(b"\0" * 100)
    return tmp_path


def test_all_runs_with_their_state(many):
    runs = list_runs(many).set_index("run")
    assert runs["state"].to_dict() == {
        "a/ahead": "done",
        "a/damaged": "unknown",
        "a/diverged": "diverged",
        "a/done": "done",
        "a/elsewhere": "running",
        "a/failed": "failed",
        "a/killed": "killed",
        "a/lost": "unknown",
        "a/old": "done",
        "a/repeated": "running",
        "a/running": "running",
        "a/silent": "silent",
    }
    assert runs.loc["a/failed", "reason"] == "TrainingError: hot"
    assert runs.loc["a/diverged", ["reason", "val_loss"]].tolist() == ["too hot", math.inf]
    assert runs.loc["a/killed", "reason"] == "process 999999999 is gone"
    assert runs.loc["a/silent", "reason"].startswith("no sign of life since 20")
    assert "its outcome is missing" in runs.loc["a/lost", "reason"]
    assert "status.json is missing or damaged" in runs.loc["a/damaged", "reason"]
    known = ["epoch", "epochs", "val_loss", "lr"]
    assert runs.loc["a/running", known].tolist() == [3, 10, 0.5, 1e-3]
    assert runs.loc["a/done", ["epoch", "val_loss", "recoveries"]].tolist() == [10, 0.4, 2]
    assert runs.loc["a/done", "seconds"] == 20.0
    assert runs.loc["a/ahead", "val_loss"] == 0.4
    assert runs.loc["a/old", ["epoch", "epochs", "val_loss"]].tolist() == [10, 10, 0.4]
    assert runs.loc["a/repeated", "epoch"] == 1
    assert runs.loc["a/damaged"].drop(["state", "reason"]).isna().all()


def test_the_newer_outcome_counts_while_two_are_there(tmp_path):
    write_status(tmp_path, "a/one", state="done")
    for file, loss, age in (("metrics.json", 0.1, 60), ("metrics.json.ready", 0.2, 0)):
        path = write(tmp_path, "a/one", file, val_loss=loss)
        os.utime(path, (ago(age).timestamp(),) * 2)
    assert list_runs(tmp_path)["val_loss"].tolist() == [0.2]
    os.utime(path, (0, 0))
    assert list_runs(tmp_path)["val_loss"].tolist() == [0.1]


def test_trials_leave_no_outcome(tmp_path):
    write_status(tmp_path, "s/trials/f/000", state="done", epoch=4)
    assert list_runs(tmp_path, outcomes=False)["state"].tolist() == ["done"]
    assert list_runs(tmp_path)["state"].tolist() == ["unknown"]


def test_no_run_gives_a_table_without_rows(tmp_path):
    assert list_runs(tmp_path).empty
    assert all_runs(tmp_path).empty
    assert set(OUTCOME_COLUMNS) < set(all_runs(tmp_path).columns)


def test_the_table_of_all_shows_what_is_known(many):
    runs = all_runs(many, labels={"a": "A"}).set_index("run")
    assert runs["state"].to_dict() == list_runs(many).set_index("run")["state"].to_dict()
    failed = runs.loc["a/failed"]
    assert failed[["model", "label", "num_train", "width", "seed", "lr"]].tolist() == [
        *("a", "A", 8, 16, 1, 0.01)
    ]
    assert (failed["epochs"], failed["reason"]) == (7, "TrainingError: hot")
    assert runs.loc["a/diverged", "val_loss"] == math.inf
    unfinished = runs[~runs["state"].isin(ENDED)]
    assert unfinished[["val_loss", "train_loss", "num_params", "source"]].isna().all(axis=None)
    assert runs.loc["a/done", "val_loss"] == 0.4
    assert runs.loc["a/killed", "studies"] == []


def test_no_unfinished_run_is_taken_for_a_point(many):
    table = all_runs(many, {"data": ["a/done", "a/failed", "a/running"]})
    assert sorted(table["run"]) == ["a/done", "a/failed", "a/running"]
    table.to_parquet(many / "runs.parquet")
    chosen = in_study(pd.read_parquet(many / "runs.parquet"), "data")
    assert chosen["run"].tolist() == ["a/done"]
    assert chosen["epochs"].dtype == "int64"
    with pytest.raises(ValueError, match="no finished run belongs to study 'hot'"):
        in_study(all_runs(many, {"hot": ["a/failed"]}), "hot")


def test_both_ways_to_the_table_of_finished_runs_are_one(make_run, graph_files, tmp_path):
    run = make_run(epochs=2)
    train(run, *graph_files, tmp_path / run.name)
    studies, labels = {"data": [run.name]}, {"small": "Small"}
    (outcome,) = tmp_path.rglob("metrics.json")
    assert tuple(json.loads(outcome.read_text())) == (*OUTCOME_COLUMNS, "state", "reason")
    collected = collect_runs([outcome], studies, labels)
    pd.testing.assert_frame_equal(all_runs(tmp_path, studies, labels), collected)


def test_a_training_says_what_it_trains(make_run, graph_files, tmp_path):
    run = make_run(epochs=2, num_train=8, learning_rate=1e30, max_recoveries=0, warmup_epochs=0)
    with pytest.raises(RuntimeError):
        train(run, *graph_files, tmp_path / run.name)
    (row,) = all_runs(tmp_path).to_dict(orient="records")
    known = {key: row[key] for key in ("run", "state", "model", "num_train", "width", "seed", "lr")}
    assert known == {
        "run": run.name,
        "state": "diverged",
        "model": "small",
        "num_train": 8,
        "width": 8,
        "seed": 1,
        "lr": 1e30,
    }
    assert row["reason"].startswith("Expected a finite loss")


def test_it_can_be_asked_while_trainings_write(tmp_path):
    """Every look finds the whole file of a moment."""
    with running(tmp_path / "a/status.json") as status:
        assert isinstance(status, Status)
        for epoch in range(50):
            status.end("running")  # writes at once
            status.update(epoch=epoch)
            (row,) = list_runs(tmp_path).to_dict(orient="records")
            assert row["state"] == "running"


@pytest.mark.parametrize("updated", [None, "yesterday", 5])
def test_times_that_cannot_be_read_are_long_ago(tmp_path, updated):
    write_status(tmp_path, "a/one", state="running", updated=updated)
    assert list_runs(tmp_path)["state"].tolist() == ["silent"]
    recent = ago(5).isoformat()
    write_status(tmp_path, "a/one", state="running", updated=recent, val_loss=math.nan)
    assert list_runs(tmp_path)["state"].tolist() == ["running"]
