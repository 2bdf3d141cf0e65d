"""Pairs of atoms of a periodic crystal."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Pairs(NamedTuple):
    """Directed pairs, sorted by source and target; each also appears reversed."""

    source: Int[np.ndarray, " num_pairs"]
    target: Int[np.ndarray, " num_pairs"]
    vector: Float[np.ndarray, "num_pairs 3"]
    """From source to the image of the target, Å."""
    length: Float[np.ndarray, " num_pairs"]
    """Å."""


def periodic_pairs(
    lattice: Float[np.ndarray, "3 3"], positions: Float[np.ndarray, "num_atoms 3"], cutoff: float
) -> Pairs:
    """All pairs closer than ``cutoff``, without those of an atom and itself.

    Plain numpy over all images in reach: cells are small, and neighbour list packages that import
    PyTorch would slow every worker down.

    Args:
        lattice: Rows are vectors, Å.
        positions: Cartesian, Å.
        cutoff: Å.
    """
    reciprocal = np.linalg.inv(lattice)  # columns; their lengths are 1 / distance of lattice planes
    spread = np.ptp(positions @ reciprocal, axis=0)
    reach = np.ceil(cutoff * np.linalg.norm(reciprocal, axis=0) + spread).astype(int)
    cells = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1)
    shift = cells.reshape(-1, 3) @ lattice
    difference = positions[None, :] - positions[:, None]  # (num_atoms, num_atoms, 3)
    vector = difference[:, :, None] + shift  # (num_atoms, num_atoms, num_cells, 3)
    squared = np.einsum("ijcx,ijcx->ijc", vector, vector)
    source, target, cell = np.nonzero((squared < cutoff**2) & (squared > 1e-12))
    return Pairs(
        source,
        target,
        vector[source, target, cell],
        np.sqrt(squared[source, target, cell]),
    )
