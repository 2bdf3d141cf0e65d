"""Published training settings under our names."""

import pytest
import torch

from optimetal.compat import training_from_published
from optimetal.config.training import (
    ConstantSchedule,
    CosineSchedule,
    PlateauSchedule,
    RestartSchedule,
    TrainingSettings,
)
from optimetal.training.schedules import make_scheduler, step


def test_published_keys_become_ours(config):
    assert training_from_published(config) == TrainingSettings(
        optimizer="adamw",
        learning_rate=6e-4,
        weight_decay=1e-6,
        epochs=500,
        batch_size=256,
        warmup_epochs=5,
        schedule=CosineSchedule(period=500),
        gradient_clip=100.0,
        min_improvement=1e-3,
        best_from_epoch=10,
        patience=None,
        precision="auto",
    )


def test_published_defaults_of_what_is_left_out():
    settings = training_from_published(
        {
            "optimizer": {"type": "adam"},
            "lr_scheduler": {"type": "none"},
            "loss_fn_eps": "optimate",
            "loss_fn_drude": "mse",
            "batch_size": 8,
            "precision": "fp32",
            "early_stopping": True,
        }
    )
    assert (settings.optimizer, settings.learning_rate, settings.weight_decay) == ("adam", 1e-3, 0)
    assert (settings.epochs, settings.warmup_epochs, settings.patience) == (1000, 0, 200)
    assert (settings.eps_loss, settings.drude_loss) == ("imaginary_mae", "mse")
    assert settings.precision == "fp32"


@pytest.mark.parametrize(
    ("section", "schedule"),
    [
        ({"type": None}, ConstantSchedule()),
        ({"type": "none"}, ConstantSchedule()),
        ({"type": "None"}, ConstantSchedule()),
        (
            {"type": "cosineannealing", "T_max": 9, "eta_min": 1e-6},
            CosineSchedule(period=9, minimum=1e-6),
        ),
        (
            {"type": "cosineannealingwarmrestarts", "T_0": 3, "T_mult": 2},
            RestartSchedule(period=3, period_factor=2),
        ),
        ({"type": "reducelronplateau"}, PlateauSchedule(factor=0.9, patience=10)),
    ],
)
def test_schedules(config, section, schedule):
    assert training_from_published({**config, "lr_scheduler": section}).schedule == schedule


@pytest.mark.parametrize("smallest_change", [0.0, 1e-5, 2.5e-4, 4e-4, 0.1])
def test_plateaus_end_where_the_change_is_too_small(config, smallest_change):
    """Against torch's scheduler as the published code calls it."""
    section = {"type": "reducelronplateau", "factor": 0.5, "patience": 1}
    section["eta_min"] = smallest_change
    optimizer = {"type": "adamw", "lr": 1e-3}
    settings = training_from_published({**config, "optimizer": optimizer, "lr_scheduler": section})

    def rates(make):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        scheduler = make(optimizer)
        for _ in range(16):
            yield optimizer.param_groups[0]["lr"]
            optimizer.step()
            step(scheduler, 1.0)

    published = rates(
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=1, eps=smallest_change
        )
    )
    assert list(rates(lambda optimizer: make_scheduler(optimizer, settings))) == list(published)


@pytest.mark.parametrize(("epochs", "first"), [(500, 10), (11, 10), (10, 9), (1, 0)])
def test_short_runs_keep_a_model_too(config, epochs, first):
    assert training_from_published({**config, "num_epoch": epochs}).best_from_epoch == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ema": 0.9}, r"unknown key `ema` in published `configuration`: known are.*`warmup_ep"),
        (
            {"lr_scheduler": {"type": "cosine"}},
            r"unknown type 'cosine' in published `lr_scheduler`: known are.*cosineannealing",
        ),
        (
            {"lr_scheduler": {"type": "cosineannealing", "T_max": 5, "period": 1}},
            r"unknown key `period` in published `lr_scheduler`: known are `T_max`, `eta_min`",
        ),
        ({"lr_scheduler": {"type": "cosineannealing"}}, r"missing key `T_max`"),
        ({"lr_scheduler": None}, r"`lr_scheduler` must be a dictionary, got None"),
        ({"optimizer": {"type": "sgd"}}, r"unknown type 'sgd'.*known are adam, adamw"),
        ({"loss_fn_eps": "huber"}, r"unknown loss_fn_eps 'huber'.*known are mae, mse, optimate"),
        ({"loss_fn_drude": "optimate"}, r"unknown loss_fn_drude.*known are mae, mse"),
        ({"precision": "fp16"}, r"unknown precision 'fp16'.*known are fp32, bf16"),
        ({"num_epoch": "many"}, "epochs"),
        (
            {"lr_scheduler": {"type": "reducelronplateau", "eta_min": -1.0}},
            r"minimum",
        ),
    ],
)
def test_unknown_keys_and_values_are_named(config, wrong, message):
    with pytest.raises(ValueError, match=message):
        training_from_published({**config, **wrong})


def test_missing_key_is_named(config):
    del config["batch_size"]
    with pytest.raises(ValueError, match="missing key `batch_size` in published `configuration`"):
        training_from_published(config)
