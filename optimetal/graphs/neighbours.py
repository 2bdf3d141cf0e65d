"""Edges and three-body pairs of a periodic crystal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from vesin import NeighborList

CUTOFF_SLACK = 1e-8
"""Å; a shell at exactly the cutoff counts despite rounding (as in pymatgen's neighbour search)."""

MAX_ATOMIC_NUMBER = 83
"""Bi, the heaviest element that the networks have features for."""

COSINE_LIMIT = 1 - 1e-7
"""Largest |cos θ|, as published: keeps the angle's derivatives finite for collinear pairs."""


@dataclass(frozen=True)
class Edges:
    """Directed edges of a periodic crystal, sorted by source atom."""

    edge_index: Int[np.ndarray, "2 num_edges"]
    """Source and target atom."""
    cell_shift: Int[np.ndarray, "num_edges 3"]
    """Lattice vectors added to the target."""
    edge_vector: Float[np.ndarray, "num_edges 3"]
    """From source to the image of the target, Å."""

    @cached_property
    def edge_length(self) -> Float[np.ndarray, " num_edges"]:
        """Length of each edge, Å."""
        return np.linalg.norm(self.edge_vector, axis=1)


@dataclass(frozen=True)
class CrystalGraph:
    """The arrays of one crystal's graph; see :class:`optimetal.graphs.batch.GraphBatch` for their meaning."""

    atomic_numbers: Int[np.ndarray, " num_nodes"]
    class_size: Int[np.ndarray, " num_nodes"]
    edge_index: Int[np.ndarray, "2 num_edges"]
    edge_length: Float[np.ndarray, " num_edges"]
    edge_multiplicity: Int[np.ndarray, " num_edges"]
    triplet_index: Int[np.ndarray, "2 num_triplets"]
    triplet_cosine: Float[np.ndarray, " num_triplets"]
    triplet_multiplicity: Int[np.ndarray, " num_triplets"]


def neighbour_edges(
    lattice: Float[np.ndarray, "3 3"], positions: Float[np.ndarray, "num_atoms 3"], cutoff: float
) -> Edges:
    """All directed edges i -> j, one for every periodic image of j within the cutoff of i.

    Args:
        lattice: Rows are lattice vectors, Å.
        positions: Cartesian, Å; atoms may lie outside the home cell.
        cutoff: Å; a shell at exactly the cutoff counts.

    Raises:
        ValueError: If the lattice is singular, a number is not finite, or two atoms coincide.
    """
    _check_geometry(lattice, positions)
    search = NeighborList(cutoff=cutoff + CUTOFF_SLACK, full_list=True, sorted=True, n_threads=1)
    source, target, shift, vector = search.compute(
        points=np.asarray(positions, float),
        box=np.asarray(lattice, float),
        periodic=True,
        quantities="ijSD",
    )
    edges = Edges(
        edge_index=np.stack([source, target]).astype(np.int64),
        cell_shift=shift.astype(np.int64),
        edge_vector=vector,
    )
    if edges.edge_length.size and edges.edge_length.min() < 1e-3:
        first, second = edges.edge_index[:, edges.edge_length.argmin()]
        raise ValueError(
            f"Atoms must be apart, but atoms {first} and {second} are less than 0.001 Å from each "
            "other: remove the duplicate."
        )
    return edges


def joined_edges(crystals: Sequence[Edges], num_atoms: Sequence[int]) -> Edges:
    """Edges of several crystals with so many atoms each, as those of one long list of atoms."""
    first_atom = np.cumsum([0, *num_atoms[:-1]])
    num_edges = [len(edges.edge_vector) for edges in crystals]
    return Edges(
        edge_index=np.concatenate([edges.edge_index for edges in crystals], axis=1)
        + np.repeat(first_atom, num_edges),
        cell_shift=np.concatenate([edges.cell_shift for edges in crystals]),
        edge_vector=np.concatenate([edges.edge_vector for edges in crystals]),
    )


def edge_pairs(edges: Edges, cutoff: float) -> Int[np.ndarray, "2 num_triplets"]:
    """Ordered pairs of different edges that leave the same atom, both at most ``cutoff`` (Å) long.

    Edges must be sorted by source atom, as :func:`neighbour_edges` returns them.
    """
    short = np.flatnonzero(edges.edge_length <= cutoff)
    source = edges.edge_index[0, short]
    num_edges = np.bincount(source)
    starts = (np.cumsum(num_edges) - num_edges)[source]
    partners = num_edges[source] - 1
    first = np.repeat(np.arange(short.size), partners)
    second = np.arange(first.size) + np.repeat(starts - np.cumsum(partners) + partners, partners)
    second += second >= first  # no edge is its own partner
    return np.stack([short[first], short[second]])


def pair_cosines(
    edge_vector: Float[np.ndarray, "num_edges 3"], triplet_index: Int[np.ndarray, "2 num_triplets"]
) -> Float[np.ndarray, " num_triplets"]:
    """Cosine of the angle between the two edge vectors of each pair, clamped to ±(1 - 1e-7)."""
    unit = edge_vector / np.linalg.norm(edge_vector, axis=1, keepdims=True)
    first, second = (unit.take(rows, axis=0) for rows in triplet_index)
    cosine = np.einsum("ij,ij->i", first, second)
    return np.clip(cosine, -COSINE_LIMIT, COSINE_LIMIT)


def crystal_edges(
    lattice: Float[np.ndarray, "3 3"],
    atomic_numbers: Int[np.ndarray, " num_atoms"],
    positions: Float[np.ndarray, "num_atoms 3"],
    cutoff: float,
) -> Edges:
    """Edges of a crystal that networks can take; arguments and errors as :func:`crystal_graph`."""
    if len(atomic_numbers) != len(positions):
        raise ValueError(
            "A crystal needs one element per position, got "
            f"{len(atomic_numbers)} and {len(positions)}."
        )
    numbers = np.asarray(atomic_numbers)
    unknown = numbers[(numbers < 1) | (numbers > MAX_ATOMIC_NUMBER)]
    if unknown.size:
        raise ValueError(
            f"Expected elements from H (Z = 1) to Bi (Z = {MAX_ATOMIC_NUMBER}), got Z = "
            f"{np.unique(unknown).tolist()}: leave this crystal out."
        )
    return neighbour_edges(lattice, positions, cutoff)


def graph_of_edges(
    atomic_numbers: Int[np.ndarray, " num_atoms"], edges: Edges, triplet_cutoff: float | None
) -> CrystalGraph:
    """Full graph of atoms and edges, with the pairs of edges up to ``triplet_cutoff`` (Å), if any."""
    no_pairs = np.zeros((2, 0), np.int64)
    pairs = no_pairs if triplet_cutoff is None else edge_pairs(edges, triplet_cutoff)
    return CrystalGraph(
        atomic_numbers=np.asarray(atomic_numbers, np.int64),
        class_size=np.ones(len(atomic_numbers), np.int64),
        edge_index=edges.edge_index,
        edge_length=edges.edge_length,
        edge_multiplicity=np.ones(edges.edge_index.shape[1], np.int64),
        triplet_index=pairs,
        triplet_cosine=pair_cosines(edges.edge_vector, pairs),
        triplet_multiplicity=np.ones(pairs.shape[1], np.int64),
    )


def crystal_graph(
    lattice: Float[np.ndarray, "3 3"],
    atomic_numbers: Int[np.ndarray, " num_atoms"],
    positions: Float[np.ndarray, "num_atoms 3"],
    cutoff: float,
    triplet_cutoff: float | None = None,
) -> CrystalGraph:
    """Full graph of a crystal: every atom, edge and three-body pair stands for itself.

    Args:
        lattice: Rows are lattice vectors, Å.
        atomic_numbers: Z of each atom.
        positions: Cartesian, Å.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: no pairs (two-body models).

    Raises:
        ValueError: For a geometry that is no crystal (see :func:`neighbour_edges`), or where the
            numbers of elements and positions differ, or an element is heavier than Bi.
    """
    edges = crystal_edges(lattice, atomic_numbers, positions, cutoff)
    return graph_of_edges(atomic_numbers, edges, triplet_cutoff)


def _check_geometry(
    lattice: Float[np.ndarray, "3 3"], positions: Float[np.ndarray, "num_atoms 3"]
) -> None:
    if np.shape(lattice) != (3, 3) or np.ndim(positions) != 2 or np.shape(positions)[1] != 3:
        raise ValueError(
            "A crystal needs a (3, 3) lattice and (num_atoms, 3) positions, got shapes "
            f"{np.shape(lattice)} and {np.shape(positions)}."
        )
    if len(positions) == 0:
        raise ValueError("A crystal needs at least one atom, got none.")
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        raise ValueError("Lattice and positions must be finite, got NaN or infinity.")
    volume = abs(np.linalg.det(np.asarray(lattice, float)))
    if volume < 1e-3:
        raise ValueError(
            f"The lattice vectors must span a volume, got {volume:.2g} Å^3 (singular lattice)."
        )
