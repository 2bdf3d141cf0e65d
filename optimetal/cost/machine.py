"""How fast a machine trains: four times, fitted to measured steps, that turn counted work into seconds."""

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from platformdirs import user_data_path
from pydantic import NonNegativeFloat
from scipy.optimize import nnls

from optimetal.config.base import Settings
from optimetal.cost.workload import Workload
from optimetal.files import write_text
from optimetal.training.devices import device_name


class Rates(Settings):
    """Seconds that a batch takes for each unit of its work; a sum, as if nothing overlapped."""

    kernel: NonNegativeFloat
    """Per call of a kernel."""
    element: NonNegativeFloat
    """Per number written."""
    operation: NonNegativeFloat
    """Per operation of a matrix product."""
    parameter: NonNegativeFloat
    """Per learned parameter."""

    def seconds(self, work: Workload, crystals: int) -> float:
        """Seconds of a batch of so many crystals."""
        return float(np.dot(_amounts(work, crystals), list(self.model_dump().values())))


class Machine(Settings):
    """What was measured on one device."""

    device: str
    """As :func:`machine_name` tells it."""
    kind: Literal["cpu", "gpu"]
    training: Rates
    """Of a training step; work is counted forwards, so the way back is in these rates."""
    validation: Rates
    """Of a batch without learning."""
    spread: NonNegativeFloat
    """Largest relative deviation of a measured step from what the rates give for it."""
    measured: str
    """Date, versions."""


@dataclass(frozen=True)
class Timing:
    """A measured batch."""

    work: Workload
    crystals: int
    seconds: float


SHIPPED: Final = Machine(
    device="one core of AMD EPYC",
    kind="cpu",
    training=Rates(kernel=4.4e-5, element=1.67e-9, operation=3.38e-11, parameter=2.9e-9),
    validation=Rates(kernel=1.9e-5, element=6.2e-10, operation=1.16e-11, parameter=5.2e-10),
    spread=0.28,
    measured="2026-11-20, torch 2.13.0+cpu, config/paper.yaml",
)
"""Stands in for a device that nobody has measured: one core of the machine that this library was written on."""


def _amounts(work: Workload, crystals: int) -> list[float]:
    """Work of a batch in the units of :class:`Rates`."""
    return [
        work.kernels,
        work.elements * crystals,
        work.operations * crystals,
        work.num_params,
    ]


def fitted_rates(timings: Sequence[Timing]) -> tuple[Rates, float]:
    """Rates that give measured seconds with the least relative deviation, and the largest one that is left.

    Least squares with no rate below zero (Lawson and Hanson).

    Raises:
        ValueError: If there is no measurement.
    """
    if not timings:
        raise ValueError("Expected measured steps to fit rates to, got none.")
    seconds = np.array([timing.seconds for timing in timings])
    relative = np.array([_amounts(t.work, t.crystals) for t in timings]) / seconds[:, None]
    scale = relative.max(axis=0)  # kernels are a hundred, operations a billion
    solution, _ = nnls(relative / scale, np.ones(len(seconds)))
    kernel, element, operation, parameter = map(float, solution / scale)
    rates = Rates(kernel=kernel, element=element, operation=operation, parameter=parameter)
    deviation = max(abs(rates.seconds(t.work, t.crystals) / t.seconds - 1) for t in timings)
    return rates, deviation


def machine_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor, of which a training takes one core."""
    return device_name(device) if device.type == "cuda" else f"one core of {_processor()}"


def _processor() -> str:
    file = Path("/proc/cpuinfo")  # Linux only
    found = re.search(r"^model name\s*:\s*(.+)$", file.read_text(), re.M) if file.exists() else None
    return found[1].strip() if found else platform.processor() or "an unknown processor"


def find_machine(name: str) -> Machine:
    """The measured machine whose name contains the given one, whatever its case.

    Raises:
        ValueError: If there is none, or more than one.
    """
    machines = known_machines()
    found = [one for device, one in machines.items() if name.lower() in device.lower()]
    if len(found) != 1:
        known = "; ".join(machines) or "none"
        raise ValueError(
            f"Expected the name of one measured machine, {name!r} fits {len(found)}. Known: {known}. "
            "Others are added by --calibrate on them."
        )
    return found[0]


def machines_file() -> Path:
    """Where measured machines are kept, in the user's folder for data."""
    return user_data_path("optimetal") / "machines.json"


def known_machines() -> dict[str, Machine]:
    """Device -> what was measured on it.

    Raises:
        ValueError: If the file is not what :func:`keep_machine` writes.
    """
    file = machines_file()
    if not file.exists():
        return {}
    try:
        machines = [Machine.model_validate(one) for one in json.loads(file.read_text())]
    except ValueError as error:
        raise ValueError(
            f"Expected measured machines in {file}, found something else: remove it and measure again with --calibrate."
        ) from error
    return {machine.device: machine for machine in machines}


def keep_machine(machine: Machine) -> Path:
    """Add a machine to the user's file, in place of an earlier measurement of it; the file."""
    machines = known_machines() | {machine.device: machine}
    content = [one.model_dump() for one in machines.values()]
    write_text(machines_file(), json.dumps(content, indent=2))
    return machines_file()
