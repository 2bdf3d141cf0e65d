"""Primitive cells, k meshes and Fermi levels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import spglib
from jaxtyping import Float, Int, Integer
from scipy.optimize import root_scalar
from scipy.special import expit

from optimetal.symmetry import call_spglib

THERMAL_ENERGY: Final = 0.25
"""kT of the Fermi function in eV: smears the Fermi surface so that moderate k meshes suffice."""

SYMMETRY_TOLERANCE: Final = 1e-3
"""Å, distance within which atoms count as symmetric."""


@dataclass(frozen=True)
class Crystal:
    """A primitive cell."""

    lattice: Float[np.ndarray, "3 3"]
    """Rows are vectors, Å."""
    fractional_positions: Float[np.ndarray, "num_atoms 3"]
    atomic_numbers: Int[np.ndarray, " num_atoms"]

    @property
    def positions(self) -> Float[np.ndarray, "num_atoms 3"]:
        """Cartesian positions in Å."""
        return self.fractional_positions @ self.lattice

    @property
    def reciprocal_lattice(self) -> Float[np.ndarray, "3 3"]:
        """Rows b_i with a_i·b_j = 2π δ_ij, 1/Å."""
        return 2 * np.pi * np.linalg.inv(self.lattice).T

    @property
    def cell(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The triple that spglib works with."""
        return self.lattice, self.fractional_positions, self.atomic_numbers

    @cached_property
    def symmetry(self) -> Any:
        """Symmetry data set of spglib; finding it costs more than a small crystal's bands."""
        return call_spglib(spglib.get_symmetry_dataset, self.cell, symprec=SYMMETRY_TOLERANCE)

    @property
    def equivalent_atoms(self) -> Int[np.ndarray, " num_atoms"]:
        """Label of the symmetry class of each atom, 0, 1, ..."""
        return np.unique(self.symmetry.equivalent_atoms, return_inverse=True)[1]


def primitive_crystal(
    lattice: Float[np.ndarray, "3 3"],
    atomic_numbers: Integer[np.ndarray, " num_atoms"],
    positions: Float[np.ndarray, "num_atoms 3"],
) -> Crystal:
    """Standard primitive cell of a crystal, in its own orientation.

    Supercells and other choices of the cell end at the same cell, hence at the same k mesh.

    Args:
        lattice: Rows are vectors, Å.
        atomic_numbers: Z of each atom.
        positions: Cartesian, Å.

    Raises:
        ValueError: If spglib cannot make sense of the cell, for instance because two atoms
            coincide.
    """
    cell = (lattice, positions @ np.linalg.inv(lattice), atomic_numbers)
    primitive = call_spglib(
        spglib.standardize_cell,
        cell,
        to_primitive=True,
        no_idealize=True,
        symprec=SYMMETRY_TOLERANCE,
    )
    return Crystal(primitive[0], primitive[1], primitive[2].astype(np.int64))


def k_mesh(
    crystal: Crystal, spacing: float
) -> tuple[Float[np.ndarray, "num_k 3"], Float[np.ndarray, " num_k"]]:
    """Irreducible points of a shifted mesh with at most ``spacing`` (1/Å) between planes.

    Monkhorst and Pack, Phys. Rev. B 13, 5188 (1976). The shift by half a step pays although it
    breaks some symmetries of fcc and hexagonal cells: a mesh with Γ of equal cost is several times
    noisier.

    Returns:
        Cartesian wave vectors in 1/Å and their weights, which add up to 1.
    """
    reciprocal = crystal.reciprocal_lattice
    size = np.ceil(np.linalg.norm(reciprocal, axis=1) / spacing).astype(int)
    mapping, address = call_spglib(
        spglib.get_stabilized_reciprocal_mesh,
        size,
        crystal.symmetry.rotations,
        is_shift=[1, 1, 1],
        is_time_reversal=True,
    )
    irreducible, count = np.unique(mapping, return_counts=True)
    fractional = (address[irreducible] + 0.5) / size
    return fractional @ reciprocal, count / len(mapping)


def fermi_function(
    energy: np.ndarray, fermi_level: float, kt: float = THERMAL_ENERGY
) -> np.ndarray:
    """Occupation 1 / (1 + exp((E - μ) / kT)) between 0 and 1; energies in eV."""
    return expit((fermi_level - energy) / kt)


def find_fermi_level(
    energy: Float[np.ndarray, "num_k num_orbitals"],
    weight: Float[np.ndarray, " num_k"],
    num_electrons: float,
    kt: float = THERMAL_ENERGY,
) -> float:
    """Chemical potential μ in eV at which the bands hold ``num_electrons``, two per band and k."""

    def surplus(level: float) -> float:
        return 2 * float(weight @ fermi_function(energy, level, kt).sum(axis=1)) - num_electrons

    margin = 40 * kt
    bracket = (energy.min() - margin, energy.max() + margin)
    return float(root_scalar(surplus, bracket=bracket, xtol=1e-10).root)
