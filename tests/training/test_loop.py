"""Training: reproducible, resumable, and able to learn."""

import json
from functools import partial
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch

from optimetal.database.splits import subset
from optimetal.graphs.domain import domain_of
from optimetal.models.weights import load_model
from optimetal.tasks import OPTICS
from optimetal.training import loop
from optimetal.training.errors import TrainingError
from optimetal.training.faults import NonFinite
from optimetal.training.journal import TENSORBOARD_TAGS
from optimetal.training.loop import Trainer
from optimetal.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_same_weights(first, second):
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_equal_seeds_give_equal_runs(make_run, train_graphs, val_graphs):
    histories = []
    for _ in range(2):
        torch.rand(7)  # whatever ran before
        trainer = Trainer(make_run(seed=5), train_graphs, val_graphs)
        initial = weights(trainer)
        histories.append((initial, [trainer.do_epoch() for _ in range(2)], weights(trainer)))
    (first_start, first, first_end), (second_start, second, second_end) = histories
    assert_same_weights(first_start, second_start)
    assert_same_weights(first_end, second_end)
    for a, b in zip(first, second, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


@pytest.mark.filterwarnings("ignore")  # torch.compile is full of them inside
def test_compiled_steps_are_the_same_steps(make_run, train_graphs, val_graphs, monkeypatch):
    compiled = partial(torch.compile, backend="aot_eager")  # without the minute of a C++ compiler
    monkeypatch.setattr(torch, "compile", compiled)
    architecture = {
        "type": "optimetal_3b",
        **{"hidden_dim": 8, "spectra_dim": 8, "depth": 1, "num_layers": 1},
        "edge_message_passing": {"type": "cgconv"},
    }
    steps = []
    for setting in (False, True):
        run = make_run(architecture, precision="fp64", compile=setting)
        trainer = Trainer(run, train_graphs, val_graphs)
        batches = torch.arange(8).split(4), torch.arange(8).split(5)
        steps.append([trainer.train_step(batch) for batch in chain(*batches)])
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-9)
    assert isinstance(trainer.replica, torch._dynamo.OptimizedModule)


def test_another_seed_gives_other_weights_and_batches(make_run, train_graphs, val_graphs):
    one, two = (Trainer(make_run(seed=s), train_graphs, val_graphs) for s in (1, 2))
    key = "trunk.node_mlp.lins.0.weight"
    assert not torch.equal(weights(one)[key], weights(two)[key])
    assert [b.tolist() for b in one.loader] != [b.tolist() for b in two.loader]


def test_every_crystal_of_the_subset_is_seen_once(make_run, train_graphs, val_graphs):
    trainer = Trainer(make_run(num_train=7), train_graphs, val_graphs)
    for _ in range(2):
        seen = torch.cat(list(trainer.loader)).tolist()
        assert sorted(seen) == sorted(trainer.train_crystals)
        assert len(set(seen)) == 7


@pytest.mark.parametrize("num_train", [4, 1])
def test_a_last_batch_of_one_crystal_is_trained_on(make_run, train_graphs, val_graphs, num_train):
    trainer = Trainer(make_run(num_train=num_train), train_graphs, val_graphs)
    assert np.isfinite(list(trainer.do_epoch().values())).all()


def test_a_killed_run_continues_bit_for_bit(
    make_run, train_graphs, val_graphs, tmp_path, monkeypatch, fit
):
    run = make_run(epochs=5, checkpoint_every=2)
    whole = Trainer(run, train_graphs, val_graphs)
    fit(whole, tmp_path / "whole")

    class Killed(Exception):
        pass

    do_epoch = Trainer.do_epoch

    def killed_in_epoch_three(self):
        if self.progress.epoch == 3:
            raise Killed
        return do_epoch(self)

    monkeypatch.setattr(Trainer, "do_epoch", killed_in_epoch_three)
    with pytest.raises(Killed):
        fit(Trainer(run, train_graphs, val_graphs), tmp_path / "killed")
    monkeypatch.undo()

    torch.rand(3)
    continued = Trainer(run, train_graphs, val_graphs)
    fit(continued, tmp_path / "killed")
    assert_same_weights(weights(whole), weights(continued))
    assert_same_weights(whole.progress.best_weights, continued.progress.best_weights)
    drop = ["seconds"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(whole.progress.history).drop(columns=drop),
        pd.DataFrame(continued.progress.history).drop(columns=drop),
    )


def test_the_best_weights_are_those_of_the_lowest_validation_loss(
    make_run, train_graphs, val_graphs, tmp_path, fit
):
    trainer = Trainer(make_run(epochs=4), train_graphs, val_graphs)
    progress = fit(trainer, tmp_path)
    losses = [row["val_loss"] for row in progress.history]
    assert progress.best_epoch == int(np.argmin(losses))
    trainer.model.load_state_dict(progress.best_weights)
    assert trainer.validate()["val_loss"] == pytest.approx(min(losses), rel=1e-6)


def rows(trainer, losses):
    """Feed validation losses to the bookkeeping of best weights."""
    for epoch, loss in enumerate(losses):
        row = {"epoch": epoch, "val_loss": loss}
        trainer.keep_if_best(row)
        trainer.progress.history.append(row)


def test_published_rules_for_the_best_model(make_run, train_graphs, val_graphs):
    run = make_run(min_improvement=1e-3, best_from_epoch=2, patience=2)
    trainer = Trainer(run, train_graphs, val_graphs)
    rows(trainer, [0.5, 0.4, 1.0, 0.9995])
    assert trainer.progress.best_epoch == 2  # earlier ones may not be kept, 0.0005 is too little
    assert trainer.out_of_patience()  # the last improvement, to 0.4, is two epochs ago


def test_published_early_stopping_counts_the_early_epochs(make_run, train_graphs, val_graphs):
    # validation losses of a run of the published code that stopped after ten epochs
    losses = [8.27935, 8.27818, 8.30440, 8.33284, 8.27377, 8.23427, 8.21340, 8.24049, 8.26951]
    run = make_run(min_improvement=1e-3, best_from_epoch=3, patience=3)
    trainer = Trainer(run, train_graphs, val_graphs)
    rows(trainer, losses)
    assert not trainer.out_of_patience()
    trainer.progress.history.append({"epoch": 9, "val_loss": 8.25963})
    assert trainer.out_of_patience()


def test_training_stops_without_progress(make_run, train_graphs, val_graphs, tmp_path, fit):
    run = make_run(epochs=30, patience=2, learning_rate=1e-9, warmup_epochs=0, min_improvement=10.0)
    assert len(fit(Trainer(run, train_graphs, val_graphs), tmp_path).history) == 3


def test_patience_that_ends_before_any_epoch_may_be_kept_is_reported(
    make_run, train_graphs, val_graphs, tmp_path, fit
):
    run = make_run(epochs=30, patience=1, min_improvement=10.0, best_from_epoch=9)
    with pytest.raises(TrainingError, match="in epoch 2, before `best_from_epoch` 9"):
        fit(Trainer(run, train_graphs, val_graphs), tmp_path)


def test_gradients_are_clipped(make_run, train_graphs, val_graphs):
    trainer = Trainer(make_run(gradient_clip=1e-3), train_graphs, val_graphs)
    _, norm = trainer.train_step(torch.arange(3))
    clipped = torch.stack([p.grad.norm() for p in trainer.model.parameters()]).norm()
    assert norm > 1e-3
    assert clipped == pytest.approx(1e-3, rel=1e-3)


def test_nothing_is_learned_from_a_loss_that_is_not_finite(
    make_run, train_graphs, val_graphs, monkeypatch
):
    trainer = Trainer(make_run(), train_graphs, val_graphs)
    before = dict(trainer.model.named_parameters())
    before = {name: value.detach().clone() for name, value in before.items()}
    nan = torch.full((), float("nan"), requires_grad=True)
    monkeypatch.setattr(loop, "task_loss", lambda *_: (nan * 1.0, {}))
    with pytest.raises(NonFinite, match="training batch 0: loss nan"):
        trainer.train_step(torch.tensor([0, 1]))
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, before[name])


def test_a_finished_run_leaves_its_files(make_run, train_graphs, graph_files, tmp_path):
    run = make_run()
    train(run, *graph_files, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "config.json",
        "history.csv",
        "metrics.json",
        "model.safetensors",
        "status.json",
        "tensorboard",
        "training.log",
    ]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == metrics["epochs"] == 4
    assert metrics["val_loss"] == pytest.approx(history["val_loss"].min())
    assert metrics["val_loss"] == pytest.approx(metrics["val_eps"] + metrics["val_drude"])
    assert metrics["source"] == "invented"
    assert metrics["recoveries"] == metrics["gpu_hours"] == 0
    assert metrics["seconds"] == pytest.approx(history["seconds"].sum())
    assert metrics["seconds_per_epoch"] == pytest.approx(history["seconds"].median())
    assert metrics["peak_memory_mb"] > 100  # Python and torch alone take more
    model, architecture, card = load_model(tmp_path / "model.safetensors")
    domain = domain_of(train_graphs, subset(len(train_graphs), run.num_train))
    assert (architecture, card) == (run.architecture, metrics | {"domain": domain})
    assert sum(p.numel() for p in model.parameters()) == metrics["num_params"]


def test_tensorboard_shows_the_published_tags(make_run, graph_files, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(make_run(epochs=2), *graph_files, tmp_path)
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(log.Tags()["scalars"]) == set(TENSORBOARD_TAGS.values())
    assert [event.step for event in log.Scalars("val/loss")] == [0, 1]


def test_a_network_with_other_cutoffs_is_refused(make_run, train_graphs, val_graphs):
    run = make_run({"type": "optimetal_2b", "hidden_dim": 8, "cutoff": 5.0})
    with pytest.raises(ValueError, match="make `graphs` agree"):
        Trainer(run, train_graphs, val_graphs)


def test_more_crystals_than_there_are_is_refused(make_run, train_graphs, val_graphs):
    with pytest.raises(ValueError, match="at most 12 crystals"):
        Trainer(make_run(num_train=13), train_graphs, val_graphs)


def test_every_network_can_overfit_a_handful(architecture, make_run, train_graphs):
    """A handful of crystals is learned by heart: the loss falls to a few percent of its start."""
    is_optimate = architecture.type == "optimate"
    run = make_run(
        architecture.model_dump(),
        num_train=5,
        batch_size=5,
        epochs=400,
        warmup_epochs=5,
        learning_rate=3e-4 if is_optimate else 1e-2,
        eps_loss="imaginary_mae" if is_optimate else "mae",
        drude_weight=0.0 if is_optimate else 1.0,
    )
    trainer = Trainer(run, train_graphs, train_graphs)
    if not is_optimate:
        # the final ReLU of this head has no gradient below zero: start all crystals above it
        torch.nn.init.constant_(trainer.model.heads["drude_frequency"].mlp.lins[-1].bias, 4.0)
    first = last = trainer.train_epoch()["train_loss"]
    for _ in range(run.training.epochs):
        loop.step(trainer.scheduler, last)
        last = trainer.train_epoch()["train_loss"]
        if last < 0.05 * first:
            return
    pytest.fail(f"the loss fell from {first:.3f} to {last:.3f} only")


def test_the_task_is_the_published_one(make_run, train_graphs, val_graphs):
    assert Trainer(make_run(), train_graphs, val_graphs).task == OPTICS
