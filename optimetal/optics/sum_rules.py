r"""What causality and the number of electrons demand of a dielectric function.

Networks predict the real and the imaginary part of ε independently, so these relations tell how
physical a prediction is. Kramers-Kronig relation and f-sum rule (Wooten, *Optical Properties of
Solids*, 1972, chapters 3 and 6; Dressel and Grüner, *Electrodynamics of Solids*, 2002, chapter 3):

.. math::
    \mathrm{Re}\,\varepsilon(\omega) - 1 = \frac{2}{\pi} P \int_0^\infty
        \frac{\omega' \, \mathrm{Im}\,\varepsilon(\omega')}{\omega'^2 - \omega^2} d\omega', \qquad
    \omega_p^2 = \frac{2}{\pi} \int_0^\infty \omega \, \mathrm{Im}\,\varepsilon(\omega) d\omega.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimetal.optics.constants import PLASMA_FREQUENCY2_TIMES_VOLUME

NUM_TAIL_TERMS: Final = 3
"""Powers 1, ω², ω⁴ for the absorption above the grid.

Absorption above the last energy W adds Σ c_k ω^2k with c_(k+1) < c_k / W² to Re ε. Up to W / 2, the
best polynomial of three terms leaves at most 9e-4 of it (Chebyshev's approximation of 1 / (1 - x)
on 0..1/4), where two leave 1.2 %.
"""


def kramers_kronig_residual(energy: ArrayLike, eps: ArrayLike) -> NDArray[np.float64]:
    """How much of Re ε does not follow from Im ε, as a share: 0 for a causal material.

    The root mean square of Re ε - 1 - (Kramers-Kronig integral of Im ε) - tail, over that of
    Re ε - 1, on the lower half of the energies. The integral is exact for straight lines between
    grid points. The tail stands for absorption above the grid, which is unknown: the even
    polynomial (``NUM_TAIL_TERMS``) that fits best. So a smooth error of Re ε, such as a shift by a
    constant, goes unnoticed. A small value is necessary for a good prediction, not sufficient: the
    mean of many spectra is causal as well. Causal spectra reach about 1e-4 on the 0.01 eV grid
    (surrogate: median 1.3e-4), and 1e-3 if their lines are only 15 steps wide.

    Args:
        energy: (num_energies,) photon energies in eV, rising from 0.
        eps: (..., num_energies) complex, interband part, which tends to 1 at high energies. The
            Drude term has no place here: it diverges at 0 eV, and fulfils the relation anyway.

    Returns:
        (...) dimensionless; 1 means an error as large as Re ε - 1 itself.

    Raises:
        ValueError: If shapes do not fit, energies do not rise from 0, or ε is not finite.
    """
    energy, eps = _checked(energy, eps)
    integral, tail = _causality(energy.tobytes())
    departure = eps.real[..., : len(tail)] - 1  # (..., num_low)
    residual = departure - eps.imag @ integral
    residual = residual - residual @ tail @ tail.T
    size, error = _root_mean_square(departure), _root_mean_square(residual)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / size)[()]


def f_sum(
    energy: ArrayLike, eps_inter: ArrayLike, drude_frequency: ArrayLike
) -> NDArray[np.float64]:
    r"""Plasma frequency of the electrons that absorb up to the last energy of the grid.

    .. math:: \omega_p^2 = \omega_D^2
              + \frac{2}{\pi} \int_0^W \omega \, \mathrm{Im}\,\varepsilon_{inter} d\omega

    The Drude term counts in full; 0.3 % of it lie above 20 eV at the damping of 0.1 eV.

    Args:
        energy: (num_energies,) photon energies in eV, rising from 0.
        eps_inter: (..., num_energies) complex, interband part.
        drude_frequency: (...) eV.

    Returns:
        (...) eV; 0 where a prediction emits more than it absorbs.

    Raises:
        ValueError: If shapes do not fit, energies do not rise from 0, or ε is not finite.
    """
    energy, eps = _checked(energy, eps_inter)
    interband = 2 / np.pi * np.trapezoid(energy * eps.imag, energy, axis=-1)
    squared = np.square(np.asarray(drude_frequency, dtype=float)) + interband
    return np.sqrt(np.maximum(squared, 0))


def effective_electrons(plasma_frequency: ArrayLike, volume: ArrayLike) -> NDArray[np.float64]:
    r"""Number of free electrons per cell with this plasma frequency, ε₀ m ω_p² V / (ħ² e²).

    Args:
        plasma_frequency: (...) eV, from :func:`f_sum`.
        volume: (...) of the cell in Å³, positive.

    Raises:
        ValueError: If a volume is not positive.
    """
    volume = np.asarray(volume, dtype=float)
    if not (volume > 0).all():
        raise ValueError(f"the volume of the cell (Å^3) must be positive, got {volume}")
    squared = np.square(np.asarray(plasma_frequency, dtype=float))
    return squared * volume / PLASMA_FREQUENCY2_TIMES_VOLUME


def passive(
    eps_inter: ArrayLike,
) -> tuple[NDArray, NDArray[np.float64]]:
    """The spectrum without gain: negative Im ε set to 0.

    Re ε stays as it is, so the Kramers-Kronig residual changes a little.

    Args:
        eps_inter: (..., num_energies) complex, on evenly spaced energies.

    Returns:
        The spectrum in its own precision, and (...) what was removed, as a share of ∫ |Im ε| dω.
    """
    imag = np.imag(eps_inter)
    absorbed = np.abs(imag).sum(axis=-1, dtype=float)
    emitted = np.maximum(-imag, 0).sum(axis=-1, dtype=float)
    share = emitted / np.where(absorbed == 0, 1.0, absorbed)
    return np.real(eps_inter) + 1j * np.maximum(imag, 0), share[()]


def _checked(
    energy: ArrayLike, eps: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    energy, eps = np.asarray(energy, dtype=float), np.asarray(eps, dtype=complex)
    if energy.ndim != 1 or eps.shape[-1:] != energy.shape:
        raise ValueError(
            f"expected eps of shape (..., num_energies) for energies of shape (num_energies,), got "
            f"{eps.shape} and {energy.shape}"
        )
    if energy[0] != 0 or not (np.diff(energy) > 0).all():
        raise ValueError("energies (eV) must rise from 0: use optimetal.optics.grid.ENERGY")
    if not np.isfinite(eps).all():
        raise ValueError(
            "eps must be finite, got NaN or infinity: pass the interband part, without the Drude "
            "term"
        )
    return energy, eps


def _root_mean_square(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.mean(np.square(values), axis=-1))


@lru_cache(maxsize=2)
def _causality(energy: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For the energies up to half the last one (num_low): the map of Im ε to Re ε - 1,
    (num_energies, num_low), and an orthonormal basis of the tail, (num_low, NUM_TAIL_TERMS).
    """
    grid = np.frombuffer(energy)
    low = grid[grid <= grid[-1] / 2]
    squared = np.square(low / low[-1])
    tail, _ = np.linalg.qr(np.vander(squared, NUM_TAIL_TERMS))
    return _kramers_kronig(grid, low), tail


def _kramers_kronig(energy: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of Im ε at ``energy`` in Re ε - 1 at the energies ``at``, (num_energies, num_at).

    Im ε is odd in ω, so Re ε - 1 is its Hilbert transform over the axis from -W to W. For straight
    lines between the points x, partial integration turns the principal value into kinks times the
    antiderivative of ln|x - ω|, which is finite everywhere but at the ends.
    """
    axis = np.concatenate([-energy[:0:-1], energy])  # (2 num_energies - 1,)
    distance = axis[:, np.newaxis] - at
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(np.abs(distance))
        antiderivative = np.where(distance == 0, 0.0, distance * logarithm)
    slope = np.diff(antiderivative, axis=0) / np.diff(axis)[:, np.newaxis]
    ends = logarithm[[0, -1]] + 1
    weight = np.diff(slope, axis=0, prepend=ends[:1], append=ends[1:])
    odd = weight[len(energy) - 1 :]
    odd[1:] -= weight[len(energy) - 2 :: -1]
    odd[0] = 0  # an odd function vanishes there
    return odd / np.pi
