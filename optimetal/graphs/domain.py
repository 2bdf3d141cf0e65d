"""What kinds of crystals a network has seen: beyond, its predictions are extrapolations."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from pymatgen.core import Element
from torch import Tensor

from optimetal.graphs.batch import GraphBatch
from optimetal.graphs.packed import PackedGraphs

_TOGETHER: Final = 1024
"""Crystals gathered at once, so that memory does not grow with their number."""


def domain_of(graphs: PackedGraphs, crystals: Sequence[int] | None = None) -> dict[str, Any]:
    """Elements, sizes and distances that occur in a training set, for the card of its model.

    Args:
        graphs: Full graphs or quotients; both give the same.
        crystals: Positions of the crystals learned from; none: all.

    Returns:
        ``elements``, symbols by atomic number; ``max_atoms``, those of the largest cell;
        ``nearest``, shortest and longest distance (Å) of an atom to its nearest neighbour, None
        where no atom has a neighbour. Plain JSON.
    """
    chosen = torch.as_tensor(range(len(graphs)) if crystals is None else crystals)
    graphs = graphs.for_cutoffs(graphs.cutoff, None)  # pairs would be gathered for nothing
    device = graphs.offsets["node"].device
    present = torch.zeros(256, dtype=torch.bool, device=device)
    max_atoms, nearest = 0, []
    for some in chosen.split(_TOGETHER):
        batch = graphs.batch(some.to(device))
        present[batch.atomic_numbers] = True
        max_atoms = max(max_atoms, int(_cell_sizes(batch).max()))
        nearest.append(_nearest_range(batch))
    shortest, longest = torch.stack(nearest).double().T
    found = bool(shortest.isfinite().any())
    return {
        "elements": [Element.from_Z(z).symbol for z in present.nonzero().flatten().tolist()],
        "max_atoms": max_atoms,
        "nearest": [round(x.item(), 4) for x in (shortest.min(), longest.max())] if found else None,
    }


def _cell_sizes(batch: GraphBatch) -> Tensor:
    """(B,) atoms in each cell."""
    sizes = batch.class_size.new_zeros(batch.num_graphs)
    return sizes.index_add(0, batch.node_graph, batch.class_size).round()


def _nearest_range(batch: GraphBatch) -> Tensor:
    """(2,) shortest and longest distance to a nearest neighbour; +∞ and -∞ without edges."""
    nearest = batch.edge_length.new_full((len(batch.node_graph),), torch.inf)
    nearest = nearest.scatter_reduce(0, batch.edge_index[1], batch.edge_length, "amin")
    longest = torch.where(nearest.isfinite(), nearest, -torch.inf).max()
    return torch.stack([nearest.min(), longest])
