"""Networks from crystal graphs to targets; nothing outside knows which architecture runs."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import torch

from optimetal.config.architecture import Architecture
from optimetal.models.network import CrystalNetwork, TrunkOutput
from optimetal.models.optimate import optimate
from optimetal.models.optimetal_2b import optimetal_2b
from optimetal.models.optimetal_3b import optimetal_3b
from optimetal.tasks import OPTICS, Task

__all__ = ["CrystalNetwork", "TrunkOutput", "build_model", "count_parameters"]

_BUILDERS: Final[dict[str, Callable[[Any, Task], CrystalNetwork]]] = {
    "optimate": optimate,
    "optimetal_2b": optimetal_2b,
    "optimetal_2b_no_residual": optimetal_2b,
    "optimetal_3b": optimetal_3b,
}


def build_model(architecture: Architecture, task: Task = OPTICS) -> CrystalNetwork:
    """Network with fresh weights from torch's global random generator; seed that before.

    Args:
        architecture: Settings of the trunk.
        task: Targets, one head each.

    Returns:
        In training mode, on torch's default device.
    """
    network = _BUILDERS[architecture.type](architecture, task)
    network.architecture = architecture
    return network


def count_parameters(architecture: Architecture, task: Task = OPTICS) -> int:
    """Number N of learned parameters, counted without allocating them."""
    return _count(architecture, task)  # pyright: ignore[reportArgumentType]  (frozen, so hashable)


@cache
def _count(architecture: Architecture, task: Task) -> int:
    with torch.device("meta"):
        network = build_model(architecture, task)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
