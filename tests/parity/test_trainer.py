"""A training run of the published code, repeated in double precision."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from optimetal import compat
from optimetal.config.run import Run
from optimetal.config.training import CosineSchedule, TrainingSettings
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.training.loop import Trainer
from optimetal.training.schedules import learning_rate

SIZES = {"train": slice(0, 48), "val": slice(48, 60)}


@pytest.fixture(scope="module")
def published(parity):
    return json.loads((parity / "trainer.json").read_text())


@pytest.fixture(scope="module")
def graphs(parity):
    crystals = json.loads((parity / "trainer" / "crystals.json").read_text())
    with np.load(parity / "trainer" / "targets.npz") as targets:
        eps, drude = targets["eps"], targets["drude"]
    full = [
        crystal_graph(
            np.array(c["lattice"]), np.array(c["atomic_numbers"]), np.array(c["positions"]), 5.5
        )
        for c in crystals
    ]
    return {
        name: pack(
            full[rows],
            5.5,
            None,
            {"eps_inter": eps[rows], "drude_frequency": drude[rows]},
            real_type="float64",
        )
        for name, rows in SIZES.items()
    }


@pytest.fixture
def trainer(published, graphs, parity, monkeypatch):
    monkeypatch.setattr("optimetal.training.loop.subset", lambda total, size: list(range(size)))
    run = Run(
        model="2b_tc",
        architecture=compat.architecture_from_published(published["architecture"]),
        training=TrainingSettings(
            learning_rate=published["optimizer"]["lr"],
            weight_decay=published["optimizer"]["weight_decay"],
            schedule=CosineSchedule(period=published["lr_scheduler"]["T_max"]),
            warmup_epochs=published["warmup_epochs"],
            gradient_clip=published["grad_clip"],
            epochs=published["num_epoch"],
            batch_size=published["batch_size"],
            precision="fp64",
            device="cpu",
        ),
        num_train=48,
        seed=published["seed"],
    )
    trainer = Trainer(run, graphs["train"], graphs["val"])
    weights = load_file(parity / "trainer" / "initial.safetensors")
    initial = compat.load_published(published["architecture"], weights)
    trainer.model.load_state_dict(initial.double().state_dict())
    return trainer


def test_same_batches(trainer, published):
    for expected in published["batches_per_epoch"]:
        assert [batch.tolist() for batch in trainer.loader] == expected


def test_same_history(trainer, published):
    expected = published["full_precision_float64_run"]
    history = [trainer.do_epoch() for _ in range(published["num_epoch"])]
    for ours, theirs in {
        "train_loss": "train/loss",
        "val_loss": "val/loss",
        "val_eps": "val/eps",
        "val_drude": "val/drude",
        "grad_norm": "train/grad_norm",
        "lr": "train/learning_rate",
    }.items():
        np.testing.assert_allclose(
            [row[ours] for row in history], expected[theirs], rtol=1e-6, err_msg=ours
        )


def test_same_learning_rates(published):
    names = {"cosineannealing": CosineSchedule}
    for sequence in published["lr_sequences"]:
        config = sequence["config"]
        usable = config["type"] in names and "unknown_key" not in config and "lr" in sequence
        if not usable:
            continue
        settings = TrainingSettings(
            learning_rate=sequence["base_lr"],
            warmup_epochs=sequence["warmup_epochs"],
            schedule=CosineSchedule(period=config["T_max"], minimum=config.get("eta_min", 0.0)),
        )
        ours = [learning_rate(settings, epoch) for epoch in range(len(sequence["lr"]))]
        np.testing.assert_allclose(ours, sequence["lr"], rtol=1e-9, atol=1e-18)


def test_double_precision_is_used(trainer):
    assert all(p.dtype == torch.float64 for p in trainer.model.parameters())
