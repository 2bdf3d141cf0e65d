"""Published training settings give the published learning rates."""

import json

import numpy as np
import pytest
import torch

from optimetal.compat import training_from_published
from optimetal.config.training import TrainingSettings
from optimetal.training.schedules import make_scheduler, step


@pytest.fixture(scope="module")
def published(parity):
    return json.loads((parity / "trainer.json").read_text())


def translated(published: dict, sequence: dict) -> TrainingSettings:
    """Settings of the published run with another schedule."""
    of_the_run = {"architecture", "seed"}
    keys = list(published)[: list(published).index("train_crystals")]
    config = {k: published[k] for k in keys if k not in of_the_run | {"num_parameter"}}
    optimizer = {"type": "adamw", "lr": sequence["base_lr"]}
    return training_from_published(
        {
            **config,
            "optimizer": optimizer,
            "lr_scheduler": sequence["config"],
            "warmup_epochs": sequence["warmup_epochs"],
            "num_epoch": 500,
        }
    )


def learning_rates(settings: TrainingSettings, losses: list[float]) -> list[float]:
    """As an optimiser sees them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], settings.learning_rate)
    scheduler = make_scheduler(optimizer, settings)
    rates = []
    for loss in losses:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        step(scheduler, loss)
    return rates


def test_learning_rates(published):
    usable = [s for s in published["lr_sequences"] if not s["scheduler_is_none"]]
    assert len(usable) >= 14
    for sequence in usable:
        expected = sequence.get("lr_at") or dict(enumerate(sequence["lr"]))
        expected = {int(epoch): rate for epoch, rate in expected.items()}
        losses = sequence.get("metric", [0.0] * (max(expected) + 1))
        rates = learning_rates(translated(published, sequence), losses)
        np.testing.assert_allclose(
            [rates[epoch] for epoch in expected],
            list(expected.values()),
            rtol=1e-9,
            atol=1e-18,
            err_msg=str(sequence["config"]),
        )


def test_faulty_schedules_are_refused(published):
    """The published code disabled them silently."""
    faulty = [s for s in published["lr_sequences"] if s["scheduler_is_none"]]
    assert faulty
    for sequence in faulty:
        with pytest.raises(ValueError, match=r"unknown (key|type).*known are"):
            translated(published, sequence)


def test_settings_of_the_published_run(published):
    sequence = {"config": published["lr_scheduler"], "base_lr": 1e-3, "warmup_epochs": 2}
    settings = translated(published, sequence)
    assert (settings.batch_size, settings.gradient_clip, settings.precision) == (8, 100, "fp32")
    assert (settings.eps_loss, settings.drude_loss) == ("mae", "mae")
