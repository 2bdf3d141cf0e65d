"""Intraband (Drude) part of the dielectric function of a metal."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimetal.optics.grid import ENERGY, NUM_ENERGIES

BROADENING = 0.1
"""Damping γ in eV of the published database and models."""


def drude_dielectric(
    energy: ArrayLike, drude_frequency: ArrayLike, broadening: float = BROADENING
) -> NDArray[np.complex128]:
    r"""Intraband part of the dielectric function, a free-electron term.

    .. math:: \varepsilon(\omega) = -\frac{\omega_D^2}{\omega(\omega + i\gamma)}
              = -\frac{\omega_D^2}{\omega^2 + \gamma^2}
                + i\frac{\gamma\,\omega_D^2}{\omega(\omega^2 + \gamma^2)}

    At 0 eV the imaginary part diverges: there the result is the limit :math:`-\omega_D^2/\gamma^2 +
    i\infty`, and 0 for a Drude frequency of 0. It is never NaN.

    Args:
        energy: (num_energies,) photon energies ω in eV, not negative.
        drude_frequency: (...) ω_D in eV, one per crystal.
        broadening: Damping γ in eV, positive.

    Returns:
        (..., num_energies), dimensionless; add the interband part to obtain the total.

    Raises:
        ValueError: If an energy is negative or the broadening is not positive.
    """
    energy = np.asarray(energy, dtype=float)
    if broadening <= 0:
        raise ValueError(f"the broadening (eV) must be positive, got {broadening}")
    if (energy < 0).any():
        raise ValueError(f"photon energies (eV) must not be negative, got {energy.min()}")
    # In double precision: a square rounded to float32 shifts colours by 1e-6.
    strength = np.square(np.asarray(drude_frequency, dtype=float))[..., np.newaxis]
    lorentzian = 1 / (energy**2 + broadening**2)  # (num_energies,)
    term: NDArray[np.complex128] = np.empty((*strength.shape[:-1], energy.size), dtype=complex)
    np.multiply(strength, -lorentzian, out=term.real)
    # x/0 is the divergence at 0 eV; 0 times that would be NaN, and belongs to a vanishing term.
    with np.errstate(divide="ignore", invalid="ignore"):
        np.multiply(strength, broadening * lorentzian / energy, out=term.imag)
    term[strength[..., 0] == 0] = 0
    return term


def total_dielectric(
    eps_inter: ArrayLike, drude_frequency: ArrayLike, broadening: float = BROADENING
) -> NDArray[np.complex128]:
    """Interband plus intraband dielectric function on the energy grid.

    Args:
        eps_inter: (..., NUM_ENERGIES) complex, interband part.
        drude_frequency: (...) eV.
        broadening: Damping γ in eV.

    Returns:
        (..., NUM_ENERGIES) complex; the point at 0 eV has an infinite imaginary part.

    Raises:
        ValueError: If the last axis is not the energy grid.
    """
    eps_inter = np.asarray(eps_inter)
    if eps_inter.shape[-1:] != (NUM_ENERGIES,):
        raise ValueError(
            f"eps_inter must have {NUM_ENERGIES} energies on its last axis, got shape "
            f"{eps_inter.shape}: pass complex numbers on optimetal.optics.grid.ENERGY"
        )
    return eps_inter + drude_dielectric(ENERGY, drude_frequency, broadening)
