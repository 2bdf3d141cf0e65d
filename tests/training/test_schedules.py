"""Learning rates over the epochs."""

import numpy as np
import pytest
import torch

from optimetal.config.training import (
    ConstantSchedule,
    CosineSchedule,
    PlateauSchedule,
    RestartSchedule,
    TrainingSettings,
)
from optimetal.training.schedules import halve, learning_rate, make_scheduler, step


def rates(settings, losses=None):
    """Rates of the first epochs as an optimiser sees them."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=settings.learning_rate)
    scheduler = make_scheduler(optimizer, settings)
    seen = []
    for loss in losses or [0.0] * 14:
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        step(scheduler, loss)
    return seen


def settings_with(schedule, warmup=0, epochs=14):
    return TrainingSettings(
        learning_rate=1e-3, warmup_epochs=warmup, schedule=schedule, epochs=epochs
    )


def test_warmup_rises_linearly_to_the_base_rate():
    seen = rates(settings_with(ConstantSchedule(), warmup=4))
    np.testing.assert_allclose(seen[:5], np.linspace(1e-7, 1e-3, 5), rtol=1e-12)
    assert set(seen[5:]) == {1e-3}


def test_cosine_falls_from_base_to_minimum_over_all_epochs():
    settings = settings_with(CosineSchedule(minimum=1e-5), warmup=2)
    assert learning_rate(settings, 2) == pytest.approx(1e-3)
    assert learning_rate(settings, 8) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(settings, 14) == pytest.approx(1e-5)


def test_published_cosine_ends_before_its_minimum():
    settings = TrainingSettings(
        learning_rate=6e-4, warmup_epochs=5, epochs=500, schedule=CosineSchedule(period=500)
    )
    assert learning_rate(settings, 499) == pytest.approx(2.1315820782e-7, rel=1e-6)


def test_restarts_begin_anew_and_grow():
    schedule = RestartSchedule(period=3, period_factor=2)
    seen = rates(settings_with(schedule))
    assert [n for n, rate in enumerate(seen) if rate == 1e-3] == [0, 3, 9]


def test_plateau_waits_for_the_loss():
    schedule = PlateauSchedule(factor=0.5, patience=2, minimum=4e-4)
    seen = rates(settings_with(schedule), [1.0] + [0.9] * 9)
    assert seen == [1e-3] * 5 + [5e-4] * 3 + [4e-4] * 2


def test_schedules_continue_from_their_state():
    for schedule in (CosineSchedule(), RestartSchedule(period=3), ConstantSchedule()):
        settings = settings_with(schedule, warmup=2)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        scheduler = make_scheduler(optimizer, settings)
        for _ in range(5):
            optimizer.step()
            step(scheduler, 0.0)
        again = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        fresh = make_scheduler(again, settings)
        fresh.load_state_dict(scheduler.state_dict())
        again.load_state_dict(optimizer.state_dict())
        for one, other in ((optimizer, scheduler), (again, fresh)):
            one.step()
            step(other, 0.0)
        assert again.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(
    "schedule", [ConstantSchedule(), CosineSchedule(), RestartSchedule(period=3)]
)
def test_half_the_rate_holds_for_all_epochs_to_come(schedule):
    settings = settings_with(schedule, warmup=2)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=settings.learning_rate)
    scheduler = make_scheduler(optimizer, settings)
    for epoch in range(settings.epochs):
        if epoch in (1, 6):
            halve(scheduler)
        factor = 1.0 if epoch < 1 else 0.5 if epoch < 6 else 0.25
        expected = factor * learning_rate(settings, epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
        optimizer.step()
        step(scheduler, 0.0)


def test_a_plateau_reduces_what_was_halved():
    settings = settings_with(PlateauSchedule(factor=0.1, patience=0))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=settings.learning_rate)
    scheduler = make_scheduler(optimizer, settings)
    halve(scheduler)
    seen = []
    for loss in (1.0, 1.0, 0.5):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        step(scheduler, loss)
    assert seen == pytest.approx([5e-4, 5e-4, 5e-5])
