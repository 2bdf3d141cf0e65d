"""Counted work of networks: what a crystal asks of a machine, whatever the machine."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from optimetal.config.architecture import Architecture
from optimetal.config.project import GraphSettings, Project
from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate.crystals import crystal_stream
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import PackedGraphs, pack
from optimetal.graphs.quotient import quotient_graphs
from optimetal.models import build_model, count_parameters
from optimetal.optics.grid import NUM_ENERGIES

SAMPLE: Final = 256
"""Crystals that stand for all others: a batch of the published trainings."""

COUNTED: Final = 32
"""Crystals whose work is counted, more would say the same."""


@dataclass(frozen=True)
class Workload:
    """Work of one architecture, forwards."""

    operations: float
    """Additions and multiplications of all matrix products, per crystal."""
    elements: float
    """Numbers written by all kernels, per crystal: what memory has to carry."""
    kernels: int
    """Calls of kernels per batch, of whatever size."""
    num_params: int
    """Learned parameters N, which the optimiser visits in each step."""


def sample_crystals(project: Project) -> PackedGraphs:
    """Typical crystals of a project with invented targets: decorated prototypes, as in the surrogate database.

    A database of one's own is as this one as far as its crystals have as many edges and three-body pairs.
    """
    surrogate = project.database.source == "surrogate"
    settings = project.database.surrogate if surrogate else SurrogateSettings()
    return prototype_graphs(settings, project.graphs)


def prototype_graphs(settings: SurrogateSettings, graphs: GraphSettings) -> PackedGraphs:
    """Graphs of crystals as those of a surrogate database of these settings, with random targets."""
    crystals = []
    with suppress(ValueError):  # elements and prototypes allow no more
        crystals.extend(islice(crystal_stream(settings), SAMPLE))
    full = [
        crystal_graph(
            crystal.lattice,
            crystal.atomic_numbers,
            crystal.positions,
            graphs.cutoff,
            graphs.triplet_cutoff,
        )
        for crystal in crystals
    ]
    rng = np.random.default_rng(settings.seed)
    return pack(
        quotient_graphs(full, graphs.quotient_tolerance),
        graphs.cutoff,
        graphs.triplet_cutoff,
        targets={
            "eps_inter": rng.normal(size=(len(full), NUM_ENERGIES, 2)),
            "drude_frequency": rng.normal(size=len(full)),
        },
        source="invented to measure speed",
    )


class _Counter(TorchDispatchMode):
    """Counts kernels and the numbers that they write; views write nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.elements = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.kernels += 1
            self.elements += sum(tensor.numel() for tensor in _tensors(result))
        return result


def _tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, list | tuple):
        for part in result:
            yield from _tensors(part)


class Workloads:
    """Work of any architecture on typical crystals, counted once for each."""

    def __init__(self, sample: PackedGraphs) -> None:
        """Take the crystals to count with."""
        self.sample = sample
        self._counted = cache(self._count)

    def of(self, architecture: Architecture) -> Workload:
        """Work of an architecture."""
        return self._counted(architecture)  # pyright: ignore[reportArgumentType]  (frozen, so hashable)

    @torch.no_grad()
    def _count(self, architecture: Architecture) -> Workload:
        """One forward pass of a network with fresh weights, on the CPU."""
        graphs = self.sample.for_cutoffs(architecture.cutoff, architecture.triplet_cutoff)
        batch = graphs.batch(torch.arange(min(COUNTED, len(graphs))))
        with torch.random.fork_rng(devices=[]):
            network = build_model(architecture).eval()
        with FlopCounterMode(display=False) as products, _Counter() as counter:
            network(batch)
        return Workload(
            operations=products.get_total_flops() / batch.num_graphs,
            elements=counter.elements / batch.num_graphs,
            kernels=counter.kernels,
            num_params=count_parameters(architecture),
        )
