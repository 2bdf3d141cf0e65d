r"""Oscillator strengths of the bands: how strongly electrons absorb, and how freely they move.

With band energies E, Fermi occupations f, velocities v and Δ = E_m - E_n, the pair of bands n ≤ m
has the strength

.. math:: T_{nm} = \frac{e^2}{\varepsilon_0 V} w_k M_{nm} \frac{f_n - f_m}{\Delta} |v_{nm}|^2

in eV² (average over x, y, z; M = 4 for two spins and both orders of the pair, 2 for n = m, where
the quotient becomes -df/dE). Nearly degenerate pairs conduct like a single band: of T the share
:math:`g = 1 - \exp[-(\Delta / 0.1\,\mathrm{eV})^2]` is an interband transition S = g T, the rest
is the Drude weight

.. math:: \omega_D^2 = \sum_k \sum_{n \le m} (1 - g) T_{nm},

so that both stay smooth when bands cross.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Complex, Float

from optimetal.database.surrogate.brillouin import (
    THERMAL_ENERGY,
    fermi_function,
    find_fermi_level,
)
from optimetal.database.surrogate.hamiltonian import TightBinding

CHARGE2_OVER_EPSILON0: Final = 180.951
"""e²/ε0 in eV Å."""

PAIR_WIDTH: Final = 0.1
"""eV, distance at which two bands start to count as different."""

BIN_WIDTH: Final = 0.02
MAX_TRANSITION: Final = 60.0
"""Transitions are collected in bins of this width up to this energy, eV."""

NEGLIGIBLE_OCCUPATION: Final = 1e-8
"""Bands emptier than this do not emit electrons, fuller than one minus this do not receive any."""

MAX_CHUNK_ENTRIES: Final = 2**17
"""Matrix elements handled at a time: keeps the operators of a few k points in the cache."""


@dataclass(frozen=True)
class FilledBands:
    """Bands on a k mesh and their occupation."""

    k: Float[np.ndarray, "num_k 3"]
    """Cartesian, 1/Å."""
    weight: Float[np.ndarray, " num_k"]
    energy: Float[np.ndarray, "num_k num_orbitals"]
    """eV, ascending."""
    state: Complex[np.ndarray, "num_k num_orbitals num_orbitals"]
    """Columns are eigenvectors."""
    occupation: Float[np.ndarray, "num_k num_orbitals"]
    """Fermi function, 0 to 1."""
    kt: float
    """Its kT in eV."""


@dataclass(frozen=True)
class Strengths:
    """Oscillator strengths, before they are spread over photon energies."""

    drude: float
    """ω_D² in eV²."""
    interband: Float[np.ndarray, " num_bins"]
    """Σ S of each bin of `BIN_WIDTH`, eV²."""


def fill_bands(
    model: TightBinding,
    shift: Float[np.ndarray, " num_atoms"],
    k: Float[np.ndarray, "num_k 3"],
    weight: Float[np.ndarray, " num_k"],
    kt: float = THERMAL_ENERGY,
) -> FilledBands:
    """Diagonalise H(k) with the level shifts (eV) of the atoms, and fill the bands."""
    num_orbitals = len(model.orbital_atom)
    energy = np.empty((len(k), num_orbitals))
    state = np.empty((len(k), num_orbitals, num_orbitals), dtype=complex)
    onsite = np.diag(shift[model.orbital_atom])
    for part in _chunks(len(k), num_orbitals**2):
        energy[part], state[part] = np.linalg.eigh(model.hamiltonian(k[part])[0] + onsite)
    level = find_fermi_level(energy, weight, model.sites.num_valence.sum(), kt)
    return FilledBands(k, weight, energy, state, fermi_function(energy, level, kt), kt)


def band_strengths(model: TightBinding, bands: FilledBands) -> Strengths:
    """Drude weight and interband strengths of all pairs of bands (formulae: head of the module)."""
    num_bins = round(MAX_TRANSITION / BIN_WIDTH) + 1
    drude, interband = 0.0, np.zeros(num_bins)
    lower = np.flatnonzero(bands.occupation.max(axis=0) > NEGLIGIBLE_OCCUPATION)
    upper = np.flatnonzero(bands.occupation.min(axis=0) < 1 - NEGLIGIBLE_OCCUPATION)
    row, column = np.nonzero(lower[:, None] <= upper)
    n, m = lower[row], upper[column]
    prefactor = CHARGE2_OVER_EPSILON0 / model.volume * np.where(n == m, 2.0, 4.0)
    for part in _chunks(len(bands.k), 3 * len(model.orbital_atom) ** 2):
        operator, state = model.velocity(bands.k[part]), bands.state[part]
        speed2 = _squared_velocity(operator, state[:, :, lower], state[:, :, upper])[:, row, column]
        delta = bands.energy[part][:, m] - bands.energy[part][:, n]
        filling = bands.occupation[part]
        drop = _occupation_drop(filling[:, n], filling[:, m], delta, bands.kt)
        strength = prefactor * bands.weight[part, None] * drop * speed2  # (num_k, num_pairs)
        intraband = strength * np.exp(-((delta / PAIR_WIDTH) ** 2))
        drude += float(intraband.sum())
        interband += _collect(delta, strength - intraband, num_bins)
    return Strengths(drude, interband)


def _chunks(num_k: int, entries_per_k: int) -> Iterator[slice]:
    step = max(1, MAX_CHUNK_ENTRIES // entries_per_k)
    return (slice(start, start + step) for start in range(0, num_k, step))


def _squared_velocity(
    operator: Complex[np.ndarray, "3 num_k num_orbitals num_orbitals"],
    left: Complex[np.ndarray, "num_k num_orbitals num_lower"],
    right: Complex[np.ndarray, "num_k num_orbitals num_upper"],
) -> Float[np.ndarray, "num_k num_lower num_upper"]:
    """|<n|v|m>|² in (eV Å)², averaged over the three directions."""
    velocity = left.conj().swapaxes(1, 2) @ (operator @ right)
    return (np.real(velocity) ** 2 + np.imag(velocity) ** 2).mean(axis=0)


def _occupation_drop(
    lower: np.ndarray, upper: np.ndarray, delta: np.ndarray, kt: float
) -> np.ndarray:
    """(f_n - f_m) / Δ in 1/eV, which is -df/dE where Δ vanishes."""
    degenerate = delta < 1e-6
    difference = (lower - upper) / np.where(degenerate, 1.0, delta)
    return np.where(degenerate, lower * (1 - lower) / kt, difference)


def _collect(delta: np.ndarray, strength: np.ndarray, num_bins: int) -> np.ndarray:
    """Histogram of the strength; a transition is split linearly between the bins around it."""
    place = np.minimum(delta.ravel() / BIN_WIDTH, num_bins - 1.001)
    low = place.astype(np.int64)
    share = (place - low) * strength.ravel()
    return np.bincount(low, strength.ravel() - share, num_bins) + np.bincount(
        low + 1, share, num_bins
    )
