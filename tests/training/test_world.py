"""Several processes that train one network together learn what one would."""

import json
import os
import signal
import socket

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from optimetal.training.folder import RunFolder
from optimetal.training.interruption import EXIT_CODE
from optimetal.training.world import World, joined, started_as_first

SMALL = {"hidden_dim": 8, "spectra_dim": 8, "depth": 1}
HEADS = {"type": "transformer", "heads": 2}
ARCHITECTURES = {
    "2b": {"type": "optimetal_2b", **SMALL, "message_passing": HEADS},
    "3b": {
        "type": "optimetal_3b",
        **SMALL,
        "edge_message_passing": HEADS,
        "node_message_passing": HEADS,
    },
}


LAUNCH_TWO = """
import sys
from pathlib import Path
from optimetal.config.run import Run
from optimetal.training.train import launch_many
run, *files = arguments
sys.exit(launch_many(2, Run.model_validate_json(Path(run).read_text()), *files))
"""


@pytest.mark.parametrize("num_crystals", [1, 2, 3, 7, 8])
def test_every_crystal_is_in_one_part_and_the_weighted_means_have_the_mean_of_all(num_crystals):
    crystals = torch.randperm(num_crystals)
    losses = torch.rand(num_crystals, dtype=torch.float64)
    parts = [World(rank, 3).part(crystals) for rank in range(3)]
    if num_crystals >= 3:
        assert sorted(torch.cat([part for part, _ in parts]).tolist()) == list(range(num_crystals))
    else:
        assert all(part.equal(crystals) for part, _ in parts)
    mean = sum(weight * losses[part].mean() for part, weight in parts) / 3
    assert mean.item() == pytest.approx(losses.mean().item())


def test_alone_everything_is_as_if_nobody_else_were_there():
    with joined("cpu") as world:
        crystals = torch.arange(5)
        assert world.part(crystals) == (crystals, 1.0)
        assert world.any(True) is True
        assert world.any(False) is False
        assert world.gather([1, 2]) == [1, 2]
        assert world.sum(crystals) is crystals
        assert world.is_first
        assert started_as_first()


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr("torch.distributed.is_torchelastic_launched", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="one GPU per process, got process 1 and 1 GPUs"):
        joined("cuda").__enter__()


def torchrun(start, run, folder, processes=2):
    """Processes that believe that torchrun has started them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes)}
    return [
        start(run, folder, **common, TORCHELASTIC_RUN_ID="test", RANK=str(r), LOCAL_RANK=str(r))
        for r in range(processes)
    ]


def assert_equal_but_for_rounding(folder, single):
    ours, theirs = (pd.read_csv(path / "history.csv") for path in (folder, single))
    for column in ("train_loss", "grad_norm", "val_loss", "val_eps", "val_drude", "lr"):
        assert ours[column].tolist() == pytest.approx(theirs[column].tolist(), rel=1e-6), column
    ours, theirs = (load_file(path / "model.safetensors") for path in (folder, single))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_processes_learn_what_one_does(make_run, start, finish, tmp_path, architecture):
    # last batch of an epoch: two crystals, one for each; in the other network, one for both
    num_train = {"2b": 11, "3b": 10}[architecture]
    weight = {"2b": 0.0, "3b": 1.0}[architecture]  # a head without loss has no gradient
    run = make_run(
        ARCHITECTURES[architecture], num_train=num_train, precision="fp64", drude_weight=weight
    )
    assert finish(start(run, tmp_path / "one")) == 0
    assert [finish(process) for process in torchrun(start, run, tmp_path / "two")] == [0, 0]
    assert_equal_but_for_rounding(tmp_path / "two", tmp_path / "one")
    assert json.loads((tmp_path / "two/metrics.json").read_text())["processes"] == 2
    (_events,) = (tmp_path / "two/tensorboard").iterdir()  # one process writes


def test_two_processes_agree_on_a_fault_and_survive_it(make_run, start, finish, tmp_path):
    run = make_run(learning_rate=1e30, warmup_epochs=0, max_recoveries=1)
    assert [finish(process) for process in torchrun(start, run, tmp_path)] == [0, 0]
    faults = json.loads((tmp_path / "faults.json").read_text())
    assert [len(fault["materials"]) for fault in faults] == [3, 3]
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "diverged"


def test_a_process_that_is_killed_is_missed_by_the_others(
    make_run, start, finish, wait_for, tmp_path
):
    first, second = torchrun(start, make_run(epochs=500), tmp_path)
    log = tmp_path / "training.log"
    wait_for(lambda: log.exists() and ": train " in log.read_text(), first)
    second.kill()
    assert finish(first) == 1
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed"
    assert "Another process of this training has ended" in status["reason"]


def test_torchrun_passes_a_warning_on_and_the_next_start_finishes(
    make_run, start, finish, wait_for, tmp_path
):
    run = make_run(epochs=15, precision="fp64", learning_rate=1e-5, num_train=10)
    folder = tmp_path / "two"
    process = start(run, folder, LAUNCH_TWO)
    log = folder / "training.log"
    wait_for(lambda: log.exists() and ": train " in log.read_text(), process)
    os.kill(process.pid, signal.SIGUSR1)
    assert finish(process) == EXIT_CODE
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert [finish(process) for process in torchrun(start, run, folder)] == [0, 0]
    assert log.read_text().count(": train ") == 15
    assert "continuing from epoch" in log.read_text()
    assert finish(start(run, tmp_path / "one")) == 0
    assert_equal_but_for_rounding(folder, tmp_path / "one")


def test_two_processes_train_ahead_once(make_run, start, finish, tmp_path):
    code = LAUNCH_TWO.replace("*files))", "*files, ahead=True))")
    run = make_run(epochs=2)
    assert finish(start(run, tmp_path, code)) == 0
    ready = RunFolder(tmp_path).ready
    assert ready.has_outcome(run.model_dump(mode="json"))
    first = ready.metrics.read_bytes()  # it tells of times, so a second training would show
    assert finish(start(run, tmp_path, code)) == 0
    assert ready.metrics.read_bytes() == first
