"""Losses and gradients that are not finite: recovery, and a report that names who is to blame."""

import itertools
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from optimetal.config.training import PlateauSchedule
from optimetal.graphs.packed import save
from optimetal.models.weights import load_model
from optimetal.training import loop
from optimetal.training.errors import Diverged, TrainingError
from optimetal.training.faults import NonFinite
from optimetal.training.interruption import Interrupted
from optimetal.training.loop import Trainer
from optimetal.training.schedules import learning_rate
from optimetal.training.train import LOSSES, launch, train

pytestmark = pytest.mark.usefixtures("one_thread")


def spoiled(graphs, mat_id):
    """The same data, but for one material whose spectrum is not a number."""
    eps = graphs.targets["eps_inter"].clone()
    eps[graphs.mat_ids.index(mat_id), 7] = float("nan")
    return replace(graphs, targets=graphs.targets | {"eps_inter": eps})


@pytest.fixture
def fail_once(monkeypatch):
    """Function that makes one training step fail: its loss, or only its gradient, is not finite."""

    def install(number, gradient_only=False):
        task_loss, calls = loop.task_loss, []

        def failing(*arguments):
            loss, parts = task_loss(*arguments)
            if loss.requires_grad:
                calls.append(loss)
                if len(calls) == number and gradient_only:
                    loss.register_hook(lambda grad: grad * float("inf"))
                elif len(calls) == number:
                    loss = loss * float("nan")
            return loss, parts

        monkeypatch.setattr(loop, "task_loss", failing)

    return install


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_fault_is_survived_with_half_the_learning_rate(
    make_run, train_graphs, val_graphs, tmp_path, fit, fail_once, gradient_only
):
    fail_once(3 * 3 + 2, gradient_only)  # epoch 3, second batch of three
    run = make_run(epochs=6)
    trainer = Trainer(run, train_graphs, val_graphs)
    history = fit(trainer, tmp_path).history
    assert [row["epoch"] for row in history] == list(range(6))
    assert [row["recoveries"] for row in history] == [0, 0, 0, 1, 1, 1]
    factors = [1, 1, 1, 0.5, 0.5, 0.5]
    expected = [learning_rate(run.training, e) * f for e, f in enumerate(factors)]
    assert [row["lr"] for row in history] == pytest.approx(expected)
    (fault,) = json.loads((tmp_path / "faults.json").read_text())
    assert (fault["phase"], fault["epoch"], fault["batch"]) == ("training", 3, 1)
    assert fault["lr"] == pytest.approx(learning_rate(run.training, 3))
    assert fault["grad_norm"] in ("inf", "nan")
    assert isinstance(fault["loss"], float) == gradient_only
    assert len(fault["materials"]) == 3
    assert all(material["loss"] > 0 for material in fault["materials"])


def test_it_goes_back_to_the_best_weights_and_forgets_the_moments(
    make_run, train_graphs, val_graphs, tmp_path, fit, fail_once, monkeypatch
):
    fail_once(8)
    recover, seen = Trainer.recover, []

    def watched(self, *arguments):
        recover(self, *arguments)
        seen.append(({k: v.clone() for k, v in self.model.state_dict().items()}, self.progress))
        assert not self.optimizer.state
        assert self.progress.best_epoch == 1
        for name, value in self.progress.best_weights.items():
            assert torch.equal(seen[0][0][name], value), name

    monkeypatch.setattr(Trainer, "recover", watched)
    fit(Trainer(make_run(), train_graphs, val_graphs), tmp_path)
    assert len(seen) == 1


def test_before_an_epoch_may_be_the_best_it_goes_back_to_the_lowest(
    make_run, train_graphs, val_graphs, tmp_path, fit, fail_once, caplog
):
    fail_once(8)  # epoch 2: steps 6, 7
    trainer = Trainer(make_run(epochs=5, best_from_epoch=4), train_graphs, val_graphs)
    trainer.train_step = _noting(trainer)
    progress = fit(trainer, tmp_path)
    seen = trainer.train_step.seen
    assert "to the weights of epoch 1" in caplog.text
    for name, value in seen[6].items():  # as epoch 1 left them
        assert torch.equal(seen[8][name], value), name
    assert progress.best_epoch == 4
    assert progress.best_loss == progress.history[4]["val_loss"]


def test_without_a_best_epoch_it_begins_again(
    make_run, train_graphs, val_graphs, tmp_path, fit, fail_once
):
    fail_once(2)
    trainer = Trainer(make_run(epochs=1, best_from_epoch=0), train_graphs, val_graphs)
    initial = trainer.weights()
    trainer.train_step = _noting(trainer)
    fit(trainer, tmp_path)
    weights_before_step = trainer.train_step.seen
    for name, value in initial.items():
        assert torch.equal(weights_before_step[2][name], value), name


def _noting(trainer):
    """The trainer's step; the weights before each are noted."""

    def step(crystals):
        step.seen.append(trainer.weights())
        return Trainer.train_step(trainer, crystals)

    step.seen = []
    return step


def test_a_material_without_numbers_is_named_and_ends_the_run(
    make_run, train_graphs, graph_files, tmp_path
):
    culprit = train_graphs.mat_ids[5]
    save(spoiled(train_graphs, culprit), tmp_path / "train.h5")
    run = make_run(max_recoveries=2, num_train=12)
    with pytest.raises(TrainingError, match=rf"check {culprit}\. .*after 2 recoveries"):
        train(run, tmp_path / "train.h5", graph_files[1], tmp_path / "run")
    faults = json.loads((tmp_path / "run/faults.json").read_text())
    assert len(faults) == 3
    for number, fault in enumerate(faults):
        assert fault["loss"] == "nan"
        assert fault["lr"] == pytest.approx(faults[0]["lr"] / 2**number)
        worst, *others = fault["materials"]
        assert (worst["mat_id"], worst["loss"]) == (culprit, "nan")
        losses = [material["loss"] for material in others]
        assert losses == sorted(losses, reverse=True)
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert status["state"] == "failed"
    assert culprit in status["reason"]
    assert not (tmp_path / "run/metrics.json").exists()
    assert "TrainingError" in (tmp_path / "run/training.log").read_text()


def test_a_bad_material_of_the_validation_set_is_named(
    make_run, train_graphs, val_graphs, tmp_path, fit
):
    culprit = val_graphs.mat_ids[2]
    trainer = Trainer(make_run(max_recoveries=0), train_graphs, spoiled(val_graphs, culprit))
    with pytest.raises(TrainingError, match=f"validation batch 0: check {culprit}"):
        fit(trainer, tmp_path)
    assert len(json.loads((tmp_path / "faults.json").read_text())) == 1


def test_a_learning_rate_that_is_too_high_is_blamed(
    make_run, train_graphs, val_graphs, tmp_path, fit
):
    run = make_run(learning_rate=1e30, warmup_epochs=0, max_recoveries=1)
    with pytest.raises(Diverged, match="every material alone is fine: `learning_rate` may be"):
        fit(Trainer(run, train_graphs, val_graphs), tmp_path)


@pytest.mark.parametrize("epochs_before", [0, 2])
def test_a_training_that_diverges_has_an_outcome(
    make_run, train_graphs, val_graphs, tmp_path, monkeypatch, epochs_before
):
    step = Trainer.train_step
    steps = itertools.count()

    def diverging(self, crystals):
        if next(steps) >= 3 * epochs_before:
            raise NonFinite("training", self.progress.batches, crystals, math.nan, math.nan)
        return step(self, crystals)

    monkeypatch.setattr(Trainer, "train_step", diverging)
    assert launch(make_run(max_recoveries=1), train_graphs, val_graphs, tmp_path) == 0
    metrics, status = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("metrics", "status")
    )
    assert metrics["state"] == status["state"] == "diverged"
    assert "learning_rate" in metrics["reason"]
    assert [metrics[name] for name in LOSSES] == [math.inf] * 4
    assert metrics["epochs"] == len(pd.read_csv(tmp_path / "history.csv")) == epochs_before
    assert load_model(tmp_path / "model.safetensors")
    assert not (tmp_path / "checkpoint.pt").exists()
    monkeypatch.undo()
    train(make_run(), train_graphs, val_graphs, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["state"] == "done"
    assert not (tmp_path / "faults.json").exists()  # they were those of the start before


@pytest.mark.parametrize("schedule", [PlateauSchedule(patience=0), None])
def test_a_recovery_survives_an_interruption(
    make_run, train_graphs, val_graphs, tmp_path, fit, fail_once, monkeypatch, schedule
):
    settings = {"schedule": schedule.model_dump()} if schedule else {}
    run = make_run(epochs=5, checkpoint_every=9, **settings)
    with monkeypatch.context():
        fail_once(5)
        whole = Trainer(run, train_graphs, val_graphs)
        fit(whole, tmp_path / "whole")
    monkeypatch.undo()
    fail_once(5)
    stopped = Trainer(run, train_graphs, val_graphs)
    stopped.train_step = _stopping(stopped, after=8)
    with pytest.raises(Interrupted):
        fit(stopped, tmp_path / "stopped")
    monkeypatch.undo()
    continued = Trainer(run, train_graphs, val_graphs)
    fit(continued, tmp_path / "stopped")
    assert continued.progress.history[-1]["recoveries"] == 1
    for name, value in whole.weights().items():
        assert torch.equal(value, continued.weights()[name]), name
    for ours, theirs in zip(continued.progress.history, whole.progress.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    assert continued.progress.faults == whole.progress.faults


def _stopping(trainer, after):
    """The trainer's step; a signal arrives during one of them."""
    count = 0

    def step(crystals):
        nonlocal count
        count += 1
        if count == after:
            trainer.stop.received = "SIGTERM"
        return Trainer.train_step(trainer, crystals)

    return step
