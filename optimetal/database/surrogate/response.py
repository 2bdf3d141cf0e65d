r"""Optical response of a metal in the independent-particle picture (surrogate, not ab initio).

The oscillator strengths S of the band transitions Δ (module ``strengths``) make the spectrum

.. math::
    \varepsilon_{inter}(\omega) = 1 + \sum \frac{S}{\Delta^2 - (\omega + i \eta)^2}
        + \frac{S_t}{E_t^2 - \omega^2 - i \omega \Gamma_t}.

The last oscillator carries the strength that a minimal basis misses (transitions from d to higher p
and f states): S_t makes the f-sum rule of the valence electrons exact,

.. math:: \omega_D^2 + \sum S + S_t = \frac{e^2}{\varepsilon_0 V} \frac{\hbar^2}{m} N_{val},

unless the bands alone exceed it already (S_t = 0). Each term is causal and absorbs, so that
Kramers-Kronig relations and Im ε ≥ 0 hold by construction. ω + iη, rather than a damping
proportional to ω, keeps Re ε smooth at ω = 0 where transitions are softer than their width.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Complex, Float, Int
from numpy.typing import ArrayLike

from optimetal.database.surrogate.brillouin import k_mesh, primitive_crystal
from optimetal.database.surrogate.hamiltonian import HBAR2_OVER_MASS, TightBinding
from optimetal.database.surrogate.neutrality import neutralising_shift
from optimetal.database.surrogate.strengths import (
    BIN_WIDTH,
    CHARGE2_OVER_EPSILON0,
    MAX_TRANSITION,
    Strengths,
    band_strengths,
    fill_bands,
)
from optimetal.optics.grid import ENERGY, MAX_ENERGY, NUM_ENERGIES

MESH_SPACING: Final = 0.13
"""1/Å, k mesh of a cell with `MESH_ORBITALS` orbitals or more."""

MESH_ORBITALS: Final = 36
MESH_FINEST: Final = 0.55
"""Smaller cells have faster bands: a mesh finer by (num_orbitals / 36)^(1/3), at most by this."""

BROADENING: Final = 0.15
"""η of the interband transitions in eV."""

TAIL_ENERGY: Final = 30.0
TAIL_DAMPING: Final = 20.0
"""E_t and Γ_t of the missing strength, eV."""


@dataclass(frozen=True)
class OpticalResponse:
    """Optical response of one crystal, averaged over the three directions."""

    eps_inter: Complex[np.ndarray, " num_energies"]
    """Interband dielectric function on `optimetal.optics.grid.ENERGY`."""
    drude_frequency: float
    """ω_D in eV."""
    interband_strength: float
    """Σ S in eV², all transitions of the model."""
    tail_strength: float
    """S_t in eV²."""
    valence_strength: float
    """Right side of the f-sum rule, eV²."""


def optical_response(
    lattice: ArrayLike, atomic_numbers: ArrayLike, positions: ArrayLike
) -> OpticalResponse:
    """Tight-binding surrogate of the optical response of a metal (not ab initio).

    Args:
        lattice: (3, 3), rows are vectors, Å.
        atomic_numbers: (num_atoms,) Z.
        positions: (num_atoms, 3) Cartesian, Å.

    Raises:
        ValueError: If shapes do not fit, or the surrogate does not know an element.
        ConvergenceError: If the charges do not become self-consistent.
    """
    lattice, atomic_numbers, positions = _checked(lattice, atomic_numbers, positions)
    crystal = primitive_crystal(lattice, atomic_numbers, positions)
    model = TightBinding.from_crystal(crystal.lattice, crystal.atomic_numbers, crystal.positions)
    shift = neutralising_shift(model, crystal)
    num_orbitals = len(model.orbital_atom)
    finer = np.clip((num_orbitals / MESH_ORBITALS) ** (1 / 3), MESH_FINEST, 1.0)
    bands = fill_bands(model, shift, *k_mesh(crystal, MESH_SPACING * finer))
    return assemble_response(band_strengths(model, bands), valence_strength(model))


def _checked(
    lattice: ArrayLike, atomic_numbers: ArrayLike, positions: ArrayLike
) -> tuple[
    Float[np.ndarray, "3 3"], Int[np.ndarray, " num_atoms"], Float[np.ndarray, "num_atoms 3"]
]:
    lattice = np.asarray(lattice, dtype=float)
    atomic_numbers = np.asarray(atomic_numbers, dtype=np.int64)
    positions = np.asarray(positions, dtype=float)
    expected = {"lattice": (3, 3), "positions": (atomic_numbers.size, 3)}
    got = {"lattice": lattice.shape, "positions": positions.shape}
    if got != expected or atomic_numbers.ndim != 1 or atomic_numbers.size == 0:
        raise ValueError(
            f"expected shapes {expected} for atomic_numbers of shape (num_atoms,), "
            f"got {got} and atomic_numbers {atomic_numbers.shape}"
        )
    return lattice, atomic_numbers, positions


def valence_strength(model: TightBinding) -> float:
    """Squared plasma frequency (e²/ε0 V)(ħ²/m) N_val of free valence electrons, eV²."""
    density = model.sites.num_valence.sum() / model.volume
    return CHARGE2_OVER_EPSILON0 * HBAR2_OVER_MASS * density


def assemble_response(strengths: Strengths, valence: float) -> OpticalResponse:
    """Spread strengths over photon energies; add the tail up to the f-sum (``valence``, eV²)."""
    interband = float(strengths.interband.sum())
    tail = max(0.0, valence - strengths.drude - interband)
    oscillator = tail / (TAIL_ENERGY**2 - ENERGY**2 - 1j * TAIL_DAMPING * ENERGY)
    return OpticalResponse(
        eps_inter=1 + broadened_spectrum(strengths.interband) + oscillator,
        drude_frequency=float(np.sqrt(strengths.drude)),
        interband_strength=interband,
        tail_strength=tail,
        valence_strength=valence,
    )


def broadened_spectrum(
    strength: Float[np.ndarray, " num_bins"],
) -> Complex[np.ndarray, " num_energies"]:
    r"""Σ S / (E² - z²) on the energy grid, z = ω + iη, over the bins E of the strength S in eV².

    Because :math:`1 / (E^2 - z^2) = [1 / (E - z) + 1 / (-E - z)] / 2z`, the sum is a convolution of
    the strength, mirrored to negative energies, with 1 / (E - iη).
    """
    step = ENERGY[1]
    mirrored = np.zeros(2 * round(MAX_TRANSITION / step) + 1)
    centre = len(mirrored) // 2
    bins = round(BIN_WIDTH / step) * np.arange(len(strength))
    mirrored[centre + bins] += strength
    mirrored[centre - bins] += strength
    kernel = _kernel_transform()
    summed = np.fft.ifft(np.fft.fft(mirrored, len(kernel)) * kernel)
    first = len(mirrored) - 1
    spectrum = summed[first : first + NUM_ENERGIES] / (2 * (ENERGY + 1j * BROADENING))
    spectrum[0] = spectrum[0].real  # absorption is odd in ω; this removes the transform's rounding
    return spectrum


@cache
def _kernel_transform() -> Complex[np.ndarray, " num_padded"]:
    """Fourier transform of 1 / (E - ω - iη) over all ω - E that `broadened_spectrum` meets."""
    step = ENERGY[1]
    difference = step * np.arange(
        -round(MAX_TRANSITION / step), round((MAX_TRANSITION + MAX_ENERGY) / step) + 1
    )
    # long enough that the periodic convolution does not wrap into the part that is kept
    num_padded = 2 ** (len(difference) - 1).bit_length()
    return np.fft.fft(1 / (-difference - 1j * BROADENING), num_padded)
