"""Trainings that are killed, warned and started again end as if nothing had happened."""

import json
import os
import random
import signal
import time

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from optimetal.training.interruption import EXIT_CODE, SIGNALS, Interrupted, StopRequest
from optimetal.training.loop import Trainer
from tests.training.conftest import MAIN

EPOCHS = 32
MEASURED = ["seconds", "seconds_per_epoch", "peak_memory_mb"]


@pytest.fixture(scope="module")
def run(make_run):
    return make_run(epochs=EPOCHS, checkpoint_every=3, num_train=11)


@pytest.fixture(scope="module")
def whole(run, start, finish, tmp_path_factory):
    """Folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert finish(start(run, folder)) == 0
    return folder


def epochs_in(log):
    """How many epochs a log tells of."""
    return log.read_text().count(": train ") if log.exists() else 0


def assert_same_result(folder, whole):
    """Weights, history and metrics, bit for bit."""
    ours, theirs = (load_file(path / "model.safetensors") for path in (folder, whole))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    ours, theirs = (pd.read_csv(path / "history.csv") for path in (folder, whole))
    pd.testing.assert_frame_equal(
        ours.drop(columns="seconds"), theirs.drop(columns="seconds"), check_exact=True
    )
    ours, theirs = (json.loads((path / "metrics.json").read_text()) for path in (folder, whole))
    assert {**ours, **dict.fromkeys(MEASURED)} == {**theirs, **dict.fromkeys(MEASURED)}


def assert_tensorboard_shows_the_history(folder):
    log = EventAccumulator(str(folder / "tensorboard")).Reload()
    events = log.Scalars("val/loss")
    history = pd.read_csv(folder / "history.csv")
    assert [event.step for event in events] == list(range(EPOCHS))
    assert [event.value for event in events] == pytest.approx(history["val_loss"].tolist())


def assert_only_results_are_left(folder):
    results = {"config.json", "history.csv", "metrics.json", "model.safetensors", "status.json"}
    names = {path.name for path in folder.iterdir()}
    assert names == results | {"run.json", "tensorboard", "training.log"}


def test_a_run_that_is_killed_again_and_again(run, whole, start, finish, wait_for, tmp_path):
    moments = random.Random(7)
    log = tmp_path / "training.log"
    for number in range(1, 5):
        process = start(run, tmp_path)
        wait_for(
            lambda number=number: epochs_in(log) >= 4 * number, process
        )  # a checkpoint or more
        time.sleep(moments.uniform(0.0, 0.1))
        process.kill()
        assert finish(process) == -signal.SIGKILL
    (tmp_path / ".checkpoint.999999999.part.pt").write_bytes(b"half")  # of a process that is gone
    assert finish(start(run, tmp_path)) == 0
    assert "continuing from epoch" in log.read_text()
    assert_same_result(tmp_path, whole)
    assert_tensorboard_shows_the_history(tmp_path)
    assert_only_results_are_left(tmp_path)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_warned_run_saves_its_state_and_goes_on(
    run, whole, start, finish, wait_for, tmp_path, number
):
    moments = random.Random(int(number))
    log = tmp_path / "training.log"
    for _ in range(2):
        done = epochs_in(log)
        process = start(run, tmp_path)
        wait_for(lambda done=done: epochs_in(log) > done, process)
        time.sleep(moments.uniform(0.0, 0.1))
        os.kill(process.pid, number)
        assert finish(process) == EXIT_CODE
        status = json.loads((tmp_path / "status.json").read_text())
        assert (status["state"], status["reason"]) == ("interrupted", f"stopped by {number.name}")
    assert finish(start(run, tmp_path)) == 0
    assert epochs_in(log) == EPOCHS  # none was done twice
    assert_same_result(tmp_path, whole)
    assert_tensorboard_shows_the_history(tmp_path)


def test_a_second_start_of_a_damaged_run_uses_the_checkpoint_before(
    run, whole, start, finish, wait_for, tmp_path
):
    process = start(run, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    wait_for((tmp_path / "checkpoint.previous.pt").exists, process)
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process) == EXIT_CODE
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    checkpoint.write_bytes(content)
    assert finish(start(run, tmp_path)) == 0
    log = (tmp_path / "training.log").read_text()
    assert "checkpoint.pt cannot be read" in log
    assert "continuing from epoch" in log
    assert_same_result(tmp_path, whole)
    assert_tensorboard_shows_the_history(tmp_path)


def test_signals_are_noted_and_then_do_what_they_did():
    before = signal.getsignal(signal.SIGUSR1)
    with StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == "SIGUSR1"
    assert signal.getsignal(signal.SIGUSR1) is before


@pytest.fixture
def keyboard():
    """Function that presses Ctrl-C; what it does here is Python's own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_is_not_noted(keyboard):
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        keyboard()
        assert stop.received == "SIGINT"
        signal.raise_signal(signal.SIGTERM)  # a warning and Ctrl-C are not two of them
        keyboard()
    with StopRequest() as stop:  # it counts anew
        signal.raise_signal(signal.SIGTERM)
        keyboard()
        assert stop.received == "SIGTERM"


def test_ctrl_c_that_is_ignored_stays_ignored(keyboard):
    """As shells tell what they put in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopRequest() as stop:
        keyboard()
        keyboard()
        assert stop.received is None


SLOW = f"""
import time
from optimetal.training.loop import Trainer
Trainer.train_step = lambda *_, sleep=time.sleep: sleep(1000)
{MAIN}
"""


def test_a_second_ctrl_c_ends_a_training_within_its_batch(run, start, finish, wait_for, tmp_path):
    process = start(run, tmp_path, SLOW)
    events = tmp_path / "tensorboard"
    wait_for(lambda: events.is_dir() and any(events.iterdir()), process)
    time.sleep(0.2)  # until the batch has begun
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.2)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGINT)
    assert finish(process) not in (0, EXIT_CODE, None)
    status = json.loads((tmp_path / "status.json").read_text())
    assert (status["state"], status["reason"]) == ("interrupted", "stopped from the keyboard")


def test_an_interruption_between_two_batches_loses_nothing(
    make_run, train_graphs, val_graphs, tmp_path, monkeypatch, one_thread, fit
):
    """Inside an epoch, and between two."""
    run = make_run(epochs=2, num_train=8)  # three batches each
    whole = Trainer(run, train_graphs, val_graphs)
    fit(whole, tmp_path / "whole")
    train_step = Trainer.train_step
    for stop_after in (1, 2, 3, 4):
        folder = tmp_path / str(stop_after)
        trainer, steps = Trainer(run, train_graphs, val_graphs), []

        def stopping_step(self, crystals, steps=steps, stop_after=stop_after):
            steps.append(crystals)
            if len(steps) == stop_after:
                self.stop.received = "SIGTERM"
            return train_step(self, crystals)

        monkeypatch.setattr(Trainer, "train_step", stopping_step)
        with pytest.raises(Interrupted, match="SIGTERM"):
            fit(trainer, folder)
        monkeypatch.undo()
        continued = Trainer(run, train_graphs, val_graphs)
        fit(continued, folder)
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, continued.model.state_dict()[name]), (stop_after, name)
        for ours, theirs in zip(continued.progress.history, whole.progress.history, strict=True):
            assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
