"""The processes that train one network together, one per GPU; usually there is one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from optimetal.training.devices import resolve_device
from optimetal.training.errors import TrainingError
from optimetal.training.interruption import Interrupted


@dataclass(frozen=True)
class World:
    """This process among its peers."""

    rank: int = 0
    """Number of this process, from 0; the first one writes all files."""
    size: int = 1
    """Number of processes."""
    device: torch.device | str = "cpu"
    """Where numbers are exchanged."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def group(self) -> dist.ProcessGroup | None:
        """All processes; none where there is only one."""
        return dist.group.WORLD if self.size > 1 else None

    def shares(self, crystals: Tensor) -> bool:
        """Whether a batch is shared out: one with fewer crystals than processes is done by each of them."""
        return 1 < self.size <= len(crystals)

    def part(self, crystals: Tensor) -> tuple[Tensor, float]:
        """This process's crystals of a batch, and the weight of their mean loss.

        The mean over the processes of all weighted losses is the mean over all crystals of the batch.
        """
        if not self.shares(crystals):
            return crystals, 1.0
        mine = crystals[self.rank :: self.size]
        return mine, self.size * len(mine) / len(crystals)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in some process."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, items: list[Any]) -> list[Any]:
        """Items of all processes, one after the other."""
        if self.size == 1:
            return items
        parts: list[list[Any]] = [[]] * self.size
        dist.all_gather_object(parts, items)
        return [item for part in parts for item in part]


def started_as_first() -> bool:
    """Whether this process will write the files, known before it has joined the others."""
    return not dist.is_torchelastic_launched() or os.environ["RANK"] == "0"


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The processes that ``torchrun`` started together with this one; without it, this one alone.

    Args:
        device: "auto" or "cuda": process n of a machine takes its GPU n; "cpu": all compute on the CPU.

    Raises:
        ValueError: If there are more processes than GPUs.
        TrainingError: If another process is gone.
    """
    if not dist.is_torchelastic_launched():
        yield World()
        return
    place = resolve_device(device)
    if place.type == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise ValueError(f"Expected one GPU per process, got process {local} and {gpus} GPUs.")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), place)
    except (Interrupted, TrainingError):
        _leave()
        raise
    except RuntimeError as error:
        if not re.search("gloo|nccl", str(error), re.IGNORECASE):
            raise
        raise TrainingError(
            f"Another process of this training has ended or cannot be reached ({error}): start again, it goes on from "
            "its last checkpoint."
        ) from error
    _leave()  # not after other errors, which one process may have alone


def _leave() -> None:
    """Leave together: who is left behind by a peer that it still talks to waits for ever."""
    dist.barrier()
    dist.destroy_process_group()
