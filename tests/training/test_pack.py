"""Trainings that share a job end as they would alone."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from optimetal.graphs.packed import load
from optimetal.training import pack as module
from optimetal.training.folder import RunFolder, take_over
from optimetal.training.interruption import EXIT_CODE
from optimetal.training.pack import Data, train_pack
from optimetal.training.status import read_json
from optimetal.training.train import train

MEASURED = ["seconds", "seconds_per_epoch", "peak_memory_mb"]


@pytest.fixture(scope="module")
def runs(make_run):
    """Two seeds, and another size."""
    chosen = make_run(seed=1), make_run(seed=2), make_run(seed=1, num_train=5)
    return {f"small/{number}": run for number, run in enumerate(chosen)}


def settings(run):
    return run.model_dump(mode="json")


def weights(folder):
    return folder.model.read_bytes()


def outcome(folder):
    return {**read_json(folder.metrics), **dict.fromkeys(MEASURED)}


@pytest.fixture(scope="module")
def packed(runs, graph_files, tmp_path_factory):
    """Folder of the runs, done two at a time."""
    folder = tmp_path_factory.mktemp("packed")
    assert train_pack(runs, *graph_files, folder, at_once=2) == 0
    return folder


@pytest.mark.usefixtures("one_thread")
def test_each_outcome_is_that_of_a_job_of_its_own(runs, packed, graph_files, tmp_path):
    for name, run in runs.items():
        train(run, *graph_files, tmp_path / name)
        alone, ours = RunFolder(tmp_path / name), RunFolder(packed / name)
        assert not any(file.exists() for file in ours.outcome)
        assert ours.ready.has_outcome(settings(run))
        tensors = [_tensors(folder.model) for folder in (alone, ours.ready)]
        assert tensors[0] == tensors[1]
        assert outcome(alone) == outcome(ours.ready)
        assert read_json(ours.status)["state"] == "done"


def _tensors(file):
    """Content of a file of weights, without the measured times of its card."""
    content = file.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def test_data_that_are_loaded_are_shared_with_the_processes(
    runs, packed, graph_files, tmp_path, monkeypatch
):
    """As on a GPU, where the processes get handles of tensors."""
    monkeypatch.setattr(
        module, "on_device", lambda train, val, device: Data(load(train), load(val))
    )
    name = "small/1"
    assert train_pack({name: runs[name]}, *graph_files, tmp_path) == 0
    ours, theirs = (RunFolder(folder / name).ready for folder in (tmp_path, packed))
    assert _tensors(ours.model) == _tensors(theirs.model)


def test_what_is_done_is_not_done_again(runs, graph_files, tmp_path):
    name, run = next(iter(runs.items()))
    files = RunFolder(tmp_path / name)
    assert train_pack({name: run}, *graph_files, tmp_path) == 0
    first = weights(files.ready)
    assert train_pack({name: run}, *graph_files, tmp_path) == 0
    assert weights(files.ready) == first  # the card tells of times, so a second training would show
    assert take_over(files, settings(run))
    assert not any(file.exists() for file in files.ready.outcome)
    assert train_pack({name: run}, *graph_files, tmp_path) == 0
    assert weights(files.ready) == weights(files) == first


def test_other_settings_or_data_are_trained_anew(runs, make_run, graph_files, tmp_path):
    name, run = next(iter(runs.items()))
    files = RunFolder(tmp_path / name)
    train_pack({name: run}, *graph_files, tmp_path)
    other = make_run(seed=1, epochs=2)
    assert train_pack({name: other}, *graph_files, tmp_path) == 0
    assert not take_over(files, settings(run))
    assert read_json(files.ready.metrics)["epochs"] == 2
    before = weights(files.ready)
    swapped = graph_files[1], graph_files[0]
    few = make_run(seed=1, epochs=2, num_train=4)
    assert train_pack({name: few}, *swapped, tmp_path) == 0
    assert weights(files.ready) != before
    assert train_pack({name: few}, *graph_files, tmp_path) == 0
    assert read_json(files.ready.metrics)["num_train"] == 4


def test_a_training_that_fails_does_not_stop_the_others(
    runs, make_run, graph_files, tmp_path, caplog
):
    wrong = {"small/wrong": make_run(num_train=1000)}
    with caplog.at_level(logging.ERROR):
        assert train_pack(wrong | runs, *graph_files, tmp_path) == 0
    assert "small/wrong: failed ValueError: Expected a training subset" in caplog.text
    assert all(RunFolder(tmp_path / name).ready.has_outcome(settings(runs[name])) for name in runs)


def test_an_interrupted_pack_goes_on(make_run, graph_files, tmp_path):
    # long enough that none ends before it is asked to stop
    long = {f"small/{seed}": make_run(seed=seed, epochs=80) for seed in (1, 2, 3)}
    folder, whole = tmp_path / "interrupted", tmp_path / "whole"
    assert train_pack(long, *graph_files, whole, at_once=3) == 0

    def interrupt():
        checkpoints = [RunFolder(folder / name).checkpoint for name in ("small/1", "small/2")]
        while not all(file.exists() for file in checkpoints):
            time.sleep(0.01)
        # a queue asks all processes of a job: this one, and the server that the trainings are copies of
        children = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children"))
        for process in (*map(int, children.split()), os.getpid()):
            os.kill(process, signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    assert train_pack(long, *graph_files, folder, at_once=2) == EXIT_CODE
    states = [read_json(RunFolder(folder / name).status).get("state") for name in long]
    assert states == ["interrupted", "interrupted", None]
    assert train_pack(long, *graph_files, folder, at_once=2) == 0
    for name in long:
        ours, theirs = (RunFolder(path / name).ready for path in (folder, whole))
        assert _tensors(ours.model) == _tensors(theirs.model)


def test_only_the_outcome_of_the_same_settings_is_taken_over(tmp_path):
    files = RunFolder(tmp_path)
    assert not take_over(files, {"seed": 1})
    for file in files.ready.outcome:
        file.write_text('{"seed": 1}')
    assert not take_over(files, {"seed": 2})
    files.model.write_text("of an earlier training")
    assert take_over(files, {"seed": 1})
    assert [file.read_text() for file in files.outcome] == ['{"seed": 1}'] * 4
    assert not take_over(files, {"seed": 1})
