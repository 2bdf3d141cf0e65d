"""What a run says of itself."""

import json
import os
import socket
import time
from datetime import datetime

import pytest

from optimetal.processes import is_alive
from optimetal.training import status as module
from optimetal.training.folder import RunFolder
from optimetal.training.interruption import Interrupted
from optimetal.training.status import Status, read_json, running


def test_a_run_says_that_it_runs_and_then_that_it_is_done(tmp_path):
    file = tmp_path / "status.json"
    with running(file) as status:
        first = read_json(file)
        status.update(epoch=3)
    assert first["state"] == "running"
    assert (first["pid"], first["host"]) == (os.getpid(), socket.gethostname())
    last = read_json(file)
    assert (last["state"], last["reason"], last["epoch"]) == ("done", "", 3)
    assert datetime.fromisoformat(last["started"]) <= datetime.fromisoformat(last["updated"])


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (ValueError("no such key"), "failed", "ValueError: no such key"),
        (MemoryError(), "failed", "MemoryError: "),
        (Interrupted("stopped by SIGTERM"), "interrupted", "stopped by SIGTERM"),
        (KeyboardInterrupt(), "interrupted", "stopped from the keyboard"),
    ],
)
def test_a_run_that_ends_early_says_why(tmp_path, error, state, reason):
    with pytest.raises(type(error)), running(tmp_path / "status.json"):
        raise error
    content = read_json(tmp_path / "status.json")
    assert (content["state"], content["reason"]) == (state, reason)


def test_the_file_is_written_every_few_seconds_only(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    status = Status(tmp_path / "status.json")
    status.update(epoch=1)
    assert "epoch" not in read_json(tmp_path / "status.json")
    now += module.SECONDS_BETWEEN_WRITES
    status.update(epoch=2)
    assert read_json(tmp_path / "status.json")["epoch"] == 2


def test_a_run_gives_signs_of_life_however_long_its_epochs_take(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SIGNS", 0.01)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_WRITES", 0.0)
    file = tmp_path / "status.json"
    with running(file):
        first = file.stat().st_ino
        deadline = time.monotonic() + 60
        while file.stat().st_ino == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.stat().st_ino != first  # another file under the same name
        assert read_json(file)["state"] == "running"
    last = file.stat().st_ino
    time.sleep(0.1)
    assert file.stat().st_ino == last
    assert read_json(file)["state"] == "done"


def test_a_full_disk_does_not_end_the_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SIGNS", 0.001)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_WRITES", 0.0)
    tried = []

    def full(*_):
        tried.append(None)
        raise OSError("no space left")

    file = tmp_path / "status.json"
    with running(file):
        with monkeypatch.context() as patch:
            patch.setattr(module, "write_text", full)
            deadline = time.monotonic() + 60
            while len(tried) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
        assert len(tried) >= 2
    assert read_json(file)["state"] == "done"


def test_other_processes_of_a_run_write_nothing(tmp_path):
    with running(tmp_path / "status.json", active=False) as status:
        status.update(epoch=1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / "status.json").write_text('{"state"')
    assert read_json(tmp_path / "status.json") == read_json(tmp_path / "missing.json") == {}
    (tmp_path / "status.json").write_text(json.dumps({"state": "done"}))
    assert read_json(tmp_path / "status.json") == {"state": "done"}
    (tmp_path / "status.json").write_text("[]")
    assert read_json(tmp_path / "status.json") == {}


def test_leftovers_of_the_dead_are_removed_and_of_the_living_not(tmp_path):
    dead, alive = ".checkpoint.999999999.part.pt", f".status.{os.getpid()}.part.json"
    for name in (dead, alive, "checkpoint.pt", ".hidden"):
        (tmp_path / name).touch()
    RunFolder(tmp_path).remove_leftovers()
    assert {file.name for file in tmp_path.iterdir()} == {alive, "checkpoint.pt", ".hidden"}


def test_processes_are_alive_or_not():
    assert is_alive(os.getpid())
    assert is_alive(1)  # someone else's, perhaps
    assert not is_alive(999999999)
