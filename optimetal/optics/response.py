"""Optical response functions that follow from the total dielectric function.

The dielectric function of a metal diverges at 0 eV; wherever a response has a limit there, the
limit is returned.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimetal.optics.constants import EPS0_OVER_HBAR, HC

_NM_PER_CM = 1e7


def refractive_index(eps: ArrayLike) -> NDArray[np.complex128]:
    r"""Complex refractive index :math:`n + ik = \sqrt\varepsilon` of a passive medium.

    The branch with n ≥ 0 and k ≥ 0. Networks now and then predict a slightly negative Im ε, that
    is, a gain; like the published code, the sign is then ignored: n and |k| stay as they are.

    Args:
        eps: (...) complex dielectric function.

    Returns:
        (...) complex, infinite where ε is.
    """
    eps = np.asarray(eps, dtype=np.complex128)
    passive = eps.copy()  # part by part: 1j * inf would be NaN + inf i
    passive.imag = np.abs(eps.imag)
    return np.sqrt(passive)


def reflectivity(eps: ArrayLike) -> NDArray[np.float64]:
    r"""Reflectivity at normal incidence from vacuum, :math:`|(n + ik - 1) / (n + ik + 1)|^2`.

    With :math:`n^2 + k^2 = |\varepsilon|` and :math:`2n = \sqrt{2(|\varepsilon| + \mathrm{Re}\,\varepsilon)}` this is
    :math:`(|\varepsilon| + 1 - 2n) / (|\varepsilon| + 1 + 2n)`, without complex square roots.

    Args:
        eps: (...) complex dielectric function.

    Returns:
        (...) between 0 and 1; 1 where ε is infinite.
    """
    eps = np.asarray(eps, dtype=np.complex128)
    size = np.hypot(eps.real, eps.imag)
    with np.errstate(invalid="ignore"):
        twice_n = np.sqrt(2 * np.maximum(size + eps.real, 0))  # never less, but for rounding
        reflected = (size + 1 - twice_n) / (size + 1 + twice_n)
    return np.where(np.isinf(size), 1.0, reflected)


def absorption_coefficient(energy: ArrayLike, eps: ArrayLike) -> NDArray[np.float64]:
    r"""Absorption coefficient of the intensity, :math:`\alpha = 4\pi k \hbar\omega / (hc)`.

    Intensity falls as exp(-α x) (Beer and Lambert).

    Args:
        energy: (num_energies,) photon energies in eV.
        eps: (..., num_energies) complex dielectric function.

    Returns:
        (..., num_energies) in 1/cm; 0 at 0 eV.
    """
    energy = np.asarray(energy, dtype=float)
    extinction = refractive_index(eps).imag
    # A Drude metal has k ~ 1/sqrt(ω) at small ω, hence the limit 0.
    finite = np.where(energy == 0, 0.0, extinction)
    return 4 * np.pi * energy * finite / HC * _NM_PER_CM


def energy_loss(eps: ArrayLike) -> NDArray[np.float64]:
    r"""Energy-loss function :math:`\mathrm{Im}(-1/\varepsilon)`; peaks at plasmons.

    Args:
        eps: (...) complex dielectric function, nowhere zero.

    Returns:
        (...) dimensionless; 0 where ε is infinite.
    """
    eps = np.asarray(eps, dtype=np.complex128)
    with np.errstate(invalid="ignore"):
        loss = eps.imag / (eps.real**2 + eps.imag**2)
    return np.where(np.isinf(eps), 0.0, loss)


def optical_conductivity(energy: ArrayLike, eps: ArrayLike) -> NDArray[np.complex128]:
    r"""Optical conductivity :math:`\sigma = -i\varepsilon_0\omega(\varepsilon - 1)` in S/m.

    Its real part is the absorption, ε₀ ω Im ε; 1 S/m is 0.01 (Ω cm)⁻¹.

    Args:
        energy: (num_energies,) photon energies in eV.
        eps: (..., num_energies) complex dielectric function.

    Returns:
        (..., num_energies) complex, S/m.

    Raises:
        ValueError: If ε is infinite: the conductivity at 0 eV does not follow from it.
    """
    energy, eps = np.asarray(energy, dtype=float), np.asarray(eps, dtype=np.complex128)
    if np.isinf(eps).any():
        raise ValueError(
            "eps must be finite, got an infinity (the Drude term at 0 eV): leave that energy out; "
            "the limit there is eps0 w_D^2 / (hbar gamma)"
        )
    return -1j * EPS0_OVER_HBAR * energy * (eps - 1)
