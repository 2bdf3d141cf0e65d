"""What networks learn: a task is a tuple of targets, each with its shape, unit, loss and weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from optimetal.optics.grid import NUM_ENERGIES

LossName = Literal["mae", "mse", "imaginary_mae"]


@dataclass(frozen=True)
class Target:
    """A property of a crystal."""

    name: str
    """Key of predictions and targets."""
    shape: tuple[int, ...]
    """Shape for one crystal; ``()`` for a number."""
    unit: str
    """Empty where dimensionless."""
    loss: LossName = "mae"
    """Mean absolute or mean square error, or the absolute one of imaginary parts (last index 1)."""
    weight: float = 1.0
    """Factor of the loss in the sum over targets."""
    non_negative: bool = False
    """Whether negative values are impossible."""


Task = tuple[Target, ...]


def optics_task(
    eps_loss: LossName = "mae",
    drude_loss: LossName = "mae",
    eps_weight: float = 1.0,
    drude_weight: float = 1.0,
) -> Task:
    """Interband dielectric function, real and imaginary part, and Drude frequency in eV.

    The defaults are published. OptiMate, which knows Im ε alone, was trained with
    ``optics_task("imaginary_mae", drude_weight=0)``.
    """
    return (
        Target("eps_inter", (NUM_ENERGIES, 2), "", eps_loss, eps_weight),
        Target("drude_frequency", (), "eV", drude_loss, drude_weight, non_negative=True),
    )


OPTICS: Final = optics_task()
"""The published task."""


def mean_absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of |p - t| over all entries."""
    return (prediction - target).abs().mean()


def mean_square_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of (p - t)² over all entries."""
    return (prediction - target).square().mean()


def imaginary_absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of |p - t| over the entries whose last index is 1: the imaginary parts."""
    return mean_absolute_error(prediction[..., 1], target[..., 1])


LOSSES: Final[dict[LossName, Callable[[Tensor, Tensor], Tensor]]] = {
    "mae": mean_absolute_error,
    "mse": mean_square_error,
    "imaginary_mae": imaginary_absolute_error,
}


def task_loss(
    task: Task, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of the losses of all targets.

    Args:
        task: What is learned.
        predictions: Target name -> (B, *shape).
        targets: The true values, of the same names and shapes; more names do no harm.

    Returns:
        The sum, and each target's own loss before weighting.

    Raises:
        ValueError: If a target is missing, shapes differ (nothing is broadcast) or no target has
            a weight.
    """
    parts = {}
    for target in task:
        for kind, values in (("predictions", predictions), ("targets", targets)):
            if target.name not in values:
                raise ValueError(f"`{target.name}` is missing in {kind}: found {sorted(values)}")
        prediction, truth = predictions[target.name], targets[target.name]
        if prediction.shape != truth.shape:
            raise ValueError(
                f"predictions and targets of `{target.name}` must have the same shape, got "
                f"{tuple(prediction.shape)} and {tuple(truth.shape)}"
            )
        parts[target.name] = LOSSES[target.loss](prediction, truth)
    weighted = [target.weight * parts[target.name] for target in task if target.weight]
    if not weighted:
        raise ValueError("nothing to learn: give at least one target a weight above 0")
    return torch.stack(weighted).sum(), parts
