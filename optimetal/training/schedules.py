"""Learning rate over the epochs: linear warm-up, then one of four schedules."""

import math
from typing import Final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from optimetal.config.training import (
    CosineSchedule,
    PlateauSchedule,
    RestartSchedule,
    TrainingSettings,
)

WARMUP_START: Final = 1e-7
"""Learning rate of the first epoch of a warm-up."""


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """Learning rate of an epoch (from 0) for every schedule that does not look at the loss."""
    base, warmup, schedule = settings.learning_rate, settings.warmup_epochs, settings.schedule
    if epoch < warmup:
        return WARMUP_START + (base - WARMUP_START) * epoch / warmup
    epoch -= warmup
    if isinstance(schedule, CosineSchedule):
        period = schedule.period or max(1, settings.epochs - warmup)
        return _cosine(base, schedule.minimum, epoch / period)
    if isinstance(schedule, RestartSchedule):
        return _cosine(base, schedule.minimum, _restarted(schedule, epoch))
    return base


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _restarted(schedule: RestartSchedule, epoch: int) -> float:
    """Share of the current cosine that has passed."""
    period = schedule.period
    while epoch >= period:
        epoch -= period
        period *= schedule.period_factor
    return epoch / period


def make_scheduler(
    optimizer: Optimizer, settings: TrainingSettings
) -> LambdaLR | ReduceLROnPlateau:
    """Scheduler to step once per epoch after validation (see :func:`step`)."""
    schedule = settings.schedule
    if isinstance(schedule, PlateauSchedule):
        return ReduceLROnPlateau(
            optimizer,
            factor=schedule.factor,
            patience=schedule.patience,
            threshold=schedule.threshold,
            min_lr=schedule.minimum,
            eps=0,  # reductions never stop for being small
        )
    base = settings.learning_rate
    return LambdaLR(optimizer, lambda epoch: learning_rate(settings, epoch) / base)


def step(scheduler: LambdaLR | ReduceLROnPlateau, val_loss: float) -> None:
    """Set the learning rate of the next epoch."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(val_loss)
    else:
        scheduler.step()


def halve(scheduler: LambdaLR | ReduceLROnPlateau) -> None:
    """Halve the learning rate of now and of all epochs to come."""
    for group in scheduler.optimizer.param_groups:
        group["lr"] /= 2
    if isinstance(scheduler, LambdaLR):
        scheduler.base_lrs = [rate / 2 for rate in scheduler.base_lrs]
