r"""Self-consistent charges: every atom of a metal is nearly neutral.

A uniform shift of the levels of atom i by :math:`U (q_i - Z_i)` pushes charge back. q_i is the
Mulliken charge, which is unambiguous in an orthogonal basis. The fixed point is found on a coarse
mesh with Anderson's mixing, J. Assoc. Comput. Mach. 12, 547 (1965).
"""

import numpy as np
from jaxtyping import Float, Int

from optimetal.database.surrogate.brillouin import (
    Crystal,
    fermi_function,
    find_fermi_level,
    k_mesh,
)
from optimetal.database.surrogate.hamiltonian import TightBinding

CHARGE_STIFFNESS = 3.0
"""U in eV per electron."""

COARSE_SPACING = 0.35
"""1/Å, k mesh of the charges."""

TOLERANCE = 0.006
"""eV, largest remaining change of a shift."""

MAX_ITERATIONS = 60
MIXING = 0.15
MIXING_DEPTH = 4


class ConvergenceError(RuntimeError):
    """The charges of a crystal did not become self-consistent."""


def neutralising_shift(model: TightBinding, crystal: Crystal) -> Float[np.ndarray, " num_atoms"]:
    """Level shift of each atom in eV at which shift = U (q - Z).

    Raises:
        ConvergenceError: If it is not found in `MAX_ITERATIONS` iterations.
    """
    k, weight = k_mesh(crystal, COARSE_SPACING)
    hamiltonian = model.hamiltonian(k)[0]
    classes = crystal.equivalent_atoms

    def residual(shift: np.ndarray) -> np.ndarray:
        charge = atomic_charges(hamiltonian, weight, shift, model)
        excess = _average_over_classes(charge - model.sites.num_valence, classes)
        return CHARGE_STIFFNESS * excess - shift

    return _anderson_fixed_point(residual, np.zeros(len(classes)))


def atomic_charges(
    hamiltonian: np.ndarray, weight: np.ndarray, shift: np.ndarray, model: TightBinding
) -> Float[np.ndarray, " num_atoms"]:
    """Electrons on each atom, from H(k) (num_k, num_orbitals, num_orbitals) and shifts in eV."""
    atom = model.orbital_atom
    energy, state = np.linalg.eigh(hamiltonian + np.diag(shift[atom]))
    level = find_fermi_level(energy, weight, model.sites.num_valence.sum())
    occupation = 2 * weight[:, None] * fermi_function(energy, level)
    density = np.einsum("kon,kn->o", np.abs(state) ** 2, occupation, optimize=True)
    return np.bincount(atom, weights=density, minlength=len(shift))


def _average_over_classes(value: np.ndarray, classes: Int[np.ndarray, " num_atoms"]) -> np.ndarray:
    """Mean over equivalent atoms, which a wedge of the zone treats differently from each other."""
    return (np.bincount(classes, weights=value) / np.bincount(classes))[classes]


def _anderson_fixed_point(residual, start: np.ndarray) -> np.ndarray:
    """Point at which ``residual`` is below `TOLERANCE`, by Anderson mixing."""
    points, residuals = [start], [residual(start)]
    for _ in range(MAX_ITERATIONS):
        if np.abs(residuals[-1]).max() < TOLERANCE:
            return points[-1]
        points.append(_anderson_step(np.array(points), np.array(residuals)))
        residuals.append(residual(points[-1]))
        points, residuals = points[-MIXING_DEPTH - 1 :], residuals[-MIXING_DEPTH - 1 :]
    raise ConvergenceError(
        f"expected level shifts that change by less than {TOLERANCE} eV after {MAX_ITERATIONS} "
        f"iterations, got {np.abs(residuals[-1]).max():.3g} eV: leave this crystal out"
    )


def _anderson_step(points: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Next point from the history (num_steps, num_atoms), newest last."""
    step = points[-1] + MIXING * residuals[-1]
    if len(points) == 1:
        return step
    delta_point, delta_residual = np.diff(points, axis=0), np.diff(residuals, axis=0)
    coefficient = np.linalg.lstsq(delta_residual.T, residuals[-1], rcond=1e-10)[0]
    return step - coefficient @ (delta_point + MIXING * delta_residual)
