import itertools

import pytest
import torch

from optimetal.config.architecture import OptiMetal2B
from optimetal.cost import calibrate as calibration
from optimetal.cost.calibrate import REPEATS, calibrate


class FakeClock:
    """A clock on which every timed call lasts as long as was said last, whatever the processor does."""

    def __init__(self):
        self.now, self.readings = 0.0, itertools.count()
        self.duration = 1.0

    def __call__(self):
        if next(self.readings) % 2:
            self.now += self.duration
        return self.now


@pytest.fixture
def abacus(monkeypatch, workloads, machine):
    """A clock beside which every step lasts as long as the invented machine takes; and the steps, as they come."""
    clock, steps = FakeClock(), []

    def lasting(rates, record):
        def timed(trainer, crystals):
            work = workloads.of(trainer.run.architecture)
            record.append((trainer.run.model, trainer.run.width, len(crystals)))
            clock.duration = rates.seconds(work, len(crystals))

        return timed

    monkeypatch.setattr(calibration, "WIDTHS", (8, 16, 64))
    monkeypatch.setattr(calibration, "_step", lasting(machine.training, steps))
    monkeypatch.setattr(calibration, "_look", lasting(machine.validation, []))
    return clock, steps


def test_the_rates_of_a_machine_are_found(project, workloads, machine, abacus):
    found = calibrate(project, workloads, clock=abacus[0])
    assert found.training.model_dump() == pytest.approx(machine.training.model_dump(), rel=1e-4)
    assert found.validation.seconds(workloads.of(project.models["3b"].architecture), 64) == (
        pytest.approx(
            machine.validation.seconds(workloads.of(project.models["3b"].architecture), 64)
        )
    )
    assert found.spread < 1e-6
    assert found.kind == "cpu"


def test_every_model_is_measured_at_every_width_and_batch(project, workloads, abacus):
    clock, steps = abacus
    calibrate(project, workloads, clock=clock)
    assert set(steps) == set(itertools.product(("2b", "3b"), (8, 16, 64), (8, 32, 256)))


def test_the_widest_network_of_the_studies_is_measured_too(project, workloads, abacus, monkeypatch):
    clock, steps = abacus
    monkeypatch.setattr(calibration, "WIDTHS", (8,))
    calibrate(project, workloads, clock=clock)
    widths = {model: {w for name, w, _ in steps if name == model} for model in ("2b", "3b")}
    assert widths == {"2b": {8, 16, 32}, "3b": {8, 16}}  # only the study `width` is about widths


def test_steps_that_would_be_long_are_left_out(project, workloads, abacus, monkeypatch):
    clock, steps = abacus
    monkeypatch.setattr(calibration, "LONG", 0.1)
    calibrate(project, workloads, clock=clock)
    assert ("3b", 64, 256) not in steps
    assert ("2b", 8, 256) in steps


def test_real_steps_are_timed(project, workloads):
    run = next(calibration._runs(project))
    ticks = (number / 1000 for number in itertools.count())
    steps, looks = calibration._timed(run, workloads, [], lambda: next(ticks))
    assert [timing.crystals for timing in steps] == [8, 32, 256]
    assert all(timing.seconds == pytest.approx(0.001) for timing in steps + looks)
    assert next(ticks) == 2 * REPEATS * len(steps + looks) / 1000
    assert torch.is_grad_enabled()


def test_widths_that_heads_do_not_divide_are_left_out():
    odd = OptiMetal2B(
        hidden_dim=15, message_passing={"type": "transformer", "heads": 3}, spectra_dim=15
    )
    assert [one.hidden_dim for one in calibration._widths(odd, (16, 128))] == [15]
