"""Full crystal graphs, one PyG object each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from pymatgen.core import Structure
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.plain.color import lab_color
from optimetal.database.store import CrystalStore
from optimetal.optics.drude import total_dielectric

FOLLOW: Final = ["edge_index", "triplet_index"]
"""``follow_batch`` of loaders: batches say which crystal each edge and each three-body pair belongs to."""


class CrystalData(Data):
    """A crystal with its edges, three-body pairs and targets; also a batch of them.

    Every target has a first axis for the crystals. Lengths and angles are computed in the network, as published.
    """

    atomic_numbers: Tensor
    """(num_atoms,) int64."""
    positions: Tensor
    """(num_atoms, 3) Å, Cartesian."""
    lattice: Tensor
    """(num_crystals, 3, 3) Å, rows are vectors."""
    edge_index: Tensor
    """(2, num_edges) int64, source and target atom."""
    cell_shift: Tensor
    """(num_edges, 3) lattice vectors added to the target."""
    triplet_index: Tensor
    """(2, num_triplets) int64, source and target edge."""
    batch: Tensor
    """(num_atoms,) crystal of each atom; in batches only, as the next two."""
    edge_index_batch: Tensor
    """(num_edges,) crystal of each edge."""
    triplet_index_batch: Tensor
    """(num_triplets,) crystal of each three-body pair."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """What a batch adds to the indices of the next crystal; three-body pairs count edges."""
        if key == "triplet_index":
            return self.num_edges
        return super().__inc__(key, value, *args, **kwargs)


def crystal_data(
    lattice: Float[np.ndarray, "3 3"],
    atomic_numbers: Int[np.ndarray, " num_atoms"],
    positions: Float[np.ndarray, "num_atoms 3"],
    cutoff: float,
    triplet_cutoff: float | None = None,
    targets: Mapping[str, np.ndarray] | None = None,
    dtype: torch.dtype = torch.float32,
) -> CrystalData:
    """Graph of a crystal with every edge and every three-body pair, from pymatgen's neighbour list.

    Args:
        lattice: Rows are lattice vectors, Å.
        atomic_numbers: Z of each atom.
        positions: Cartesian, Å.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: no pairs (two-body networks).
        targets: Target name -> value of this crystal.
        dtype: Type of all reals.
    """
    structure = Structure(lattice, list(atomic_numbers), positions, coords_are_cartesian=True)
    source, target, shift, length = structure.get_neighbor_list(cutoff)
    short = length <= triplet_cutoff if triplet_cutoff else np.zeros(length.size, bool)
    return CrystalData(
        num_nodes=len(atomic_numbers),
        atomic_numbers=torch.tensor(atomic_numbers, dtype=torch.int64),
        positions=torch.tensor(positions, dtype=dtype),
        lattice=torch.tensor(lattice, dtype=dtype)[None],
        edge_index=torch.tensor(np.stack([source, target])),
        cell_shift=torch.tensor(shift, dtype=dtype),
        triplet_index=torch.tensor(edge_pairs(source, short)),
        **{k: torch.tensor(v, dtype=dtype)[None] for k, v in (targets or {}).items()},
    )


def edge_pairs(
    source: Int[np.ndarray, " num_edges"], short: np.ndarray
) -> Int[np.ndarray, "2 num_triplets"]:
    """Ordered pairs of different edges that leave the same atom, atom by atom.

    Args:
        source: Atom that each edge leaves.
        short: (num_edges,) bool, whether an edge takes part.
    """
    pairs = [np.zeros((2, 0), np.int64)]
    for atom in np.unique(source):
        edges = np.flatnonzero(short & (source == atom))
        first, second = np.meshgrid(edges, edges, indexing="ij")
        different = first != second
        pairs.append(np.stack([first[different], second[different]]))
    return np.concatenate(pairs, axis=1)


def data_of_store(
    store: CrystalStore,
    cutoff: float,
    triplet_cutoff: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[CrystalData]:
    """Graphs of all crystals of a store with the targets ``eps_inter``, ``drude_frequency`` and ``lab``.

    Args:
        store: Crystals with their spectra.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: no pairs.
        dtype: Type of all reals.
    """
    crystals = []
    for record in store.records(range(len(store))):
        eps_inter, drude_frequency = record.eps_inter, record.drude_frequency
        targets = {
            "eps_inter": np.stack([np.real(eps_inter), np.imag(eps_inter)], axis=1),
            "drude_frequency": np.float64(drude_frequency),
            "lab": lab_color(total_dielectric(eps_inter, drude_frequency)),
        }
        crystal = record.lattice, record.atomic_numbers, record.positions
        crystals.append(crystal_data(*crystal, cutoff, triplet_cutoff, targets, dtype))
    return crystals


def save(crystals: list[CrystalData], path: str | Path) -> None:
    """Write a list of crystals as a pickle, the published format."""
    torch.save(crystals, path)


def load(path: str | Path) -> list[CrystalData]:
    """Read a list that :func:`save` wrote; never one from elsewhere, as a pickle can run any code."""
    # safe here alone: the benchmark that reads the file has written it itself
    return torch.load(path, weights_only=False)
