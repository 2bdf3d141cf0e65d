"""Colour of a polished surface under daylight: from the dielectric function to CIE L*a*b* and sRGB.

Illuminant D65, CIE 1931 2-degree observer, sums over 1 nm steps from 380 to 780 nm. The
reflectivity goes from the energy grid to whole nanometres by a cubic spline. A spline is linear in
its data and so are the sums, hence the way from reflectivity to tristimulus values is one small
matrix, computed once.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimetal.optics.constants import HC
from optimetal.optics.drude import BROADENING, drude_dielectric
from optimetal.optics.grid import ENERGY, NUM_ENERGIES
from optimetal.optics.response import reflectivity

WAVELENGTH: Final = np.arange(380, 781)
"""Wavelengths in nm of the colour tables, (401,)."""


def _visible_slice() -> slice:
    """Grid points with a wavelength inside the colour tables."""
    first, last = HC / WAVELENGTH[-1], HC / WAVELENGTH[0]
    return slice(int(np.searchsorted(ENERGY, first)), int(np.searchsorted(ENERGY, last, "right")))


VISIBLE: Final = _visible_slice()
"""The part of the energy grid that decides about the colour, 1.59 to 3.26 eV."""

# IEC 61966-2-1: chromaticities (x, y) of red, green, blue and of the white point.
_SRGB_PRIMARIES: Final = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
_SRGB_WHITE: Final = np.array([0.3127, 0.3290])
_LAB_KINK: Final = 6 / 29


def lab_color(eps_total: ArrayLike) -> NDArray[np.float64]:
    """CIE L*a*b* colour of a surface with this dielectric function.

    Args:
        eps_total: (..., NUM_ENERGIES) complex, interband plus intraband part.

    Returns:
        (..., 3) L*, a*, b*, relative to a perfect mirror (100, 0, 0).

    Raises:
        ValueError: If the last axis is not the energy grid.
    """
    return _lab_of_visible(_visible_part(np.asarray(eps_total)))


def material_lab(
    eps_inter: ArrayLike, drude_frequency: ArrayLike, broadening: float = BROADENING
) -> NDArray[np.float64]:
    """Same as :func:`lab_color` of the total dielectric function, formed in the visible only.

    Args:
        eps_inter: (..., NUM_ENERGIES) complex, interband part.
        drude_frequency: (...) eV.
        broadening: Damping γ in eV.

    Returns:
        (..., 3) L*, a*, b*.

    Raises:
        ValueError: If the last axis is not the energy grid.
    """
    intraband = drude_dielectric(ENERGY[VISIBLE], drude_frequency, broadening)
    return _lab_of_visible(_visible_part(np.asarray(eps_inter)) + intraband)


def delta_e(lab: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Colour difference ΔE (CIE 1976), the distance in L*a*b*; about 1 to 2 is just noticeable.

    Args:
        lab: (..., 3) L*, a*, b*.
        other: (..., 3) L*, a*, b*.

    Returns:
        (...).
    """
    return np.linalg.norm(np.asarray(lab, dtype=float) - np.asarray(other, dtype=float), axis=-1)


def lab_to_srgb(lab: ArrayLike) -> NDArray[np.float64]:
    """Screen colour: gamma-encoded sRGB of IEC 61966-2-1.

    L*a*b* is relative to D65, the white of sRGB, so white stays exactly white. Colours that no
    screen can show are clipped, each channel to 0..1.

    Args:
        lab: (..., 3) L*, a*, b*.

    Returns:
        (..., 3) red, green, blue in 0..1.
    """
    linear = _relative_xyz(np.asarray(lab, dtype=float)) @ _xyz_to_linear_srgb()
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def lab_to_hex(lab: ArrayLike) -> list[str]:
    """Colours of swatches as "#rrggbb".

    Args:
        lab: (num_colors, 3) L*, a*, b*.
    """
    channels = np.round(255 * lab_to_srgb(np.atleast_2d(lab))).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in channels]


def _visible_part(eps: NDArray) -> NDArray:
    if eps.shape[-1:] != (NUM_ENERGIES,):
        raise ValueError(
            f"the dielectric function must have {NUM_ENERGIES} energies on its last axis, got "
            f"shape {eps.shape}: pass complex numbers on optimetal.optics.grid.ENERGY"
        )
    return eps[..., VISIBLE]


def _lab_of_visible(eps: NDArray) -> NDArray[np.float64]:
    """(..., num_visible) total dielectric function to (..., 3) L*a*b*."""
    relative_xyz = reflectivity(eps) @ _reflectivity_to_xyz()
    cube_root = np.where(
        relative_xyz > _LAB_KINK**3,
        np.cbrt(relative_xyz),
        relative_xyz / (3 * _LAB_KINK**2) + 4 / 29,
    )
    fx, fy, fz = np.moveaxis(cube_root, -1, 0)
    return np.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], axis=-1)


def _relative_xyz(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of the L*a*b* map: (..., 3) X, Y, Z divided by those of white."""
    fy = (lab[..., 0] + 16) / 116
    cube_root = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    return np.where(cube_root > _LAB_KINK, cube_root**3, 3 * _LAB_KINK**2 * (cube_root - 4 / 29))


@cache
def _reflectivity_to_xyz() -> NDArray[np.float64]:
    """(num_visible, 3) map of the reflectivity at ENERGY[VISIBLE] to X, Y, Z divided by white.

    The rows of the spline matrix are the splines of unit vectors (not-a-knot ends). The outermost
    nanometres lie just outside the grid points and are extrapolated.
    """
    from scipy.interpolate import CubicSpline  # slow to import, and only needed here

    wavelength = (HC / ENERGY[VISIBLE])[::-1]
    spline = CubicSpline(wavelength, np.eye(wavelength.size))(WAVELENGTH)[:, ::-1]
    stimulus = _observer_times_illuminant()
    matrix = spline.T @ (stimulus / stimulus.sum(axis=0))
    matrix.setflags(write=False)
    return matrix


@cache
def _xyz_to_linear_srgb() -> NDArray[np.float64]:
    """(3, 3) map of X, Y, Z divided by white to linear sRGB, from the right: ``xyz @ matrix``."""

    def tristimulus(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = xy[..., 0], xy[..., 1]
        return np.stack([x / y, np.ones_like(x), (1 - x - y) / y], axis=-1)

    white, primaries = tristimulus(_SRGB_WHITE), tristimulus(_SRGB_PRIMARIES)
    # Each primary is as bright as makes the three add up to white.
    brightness = np.linalg.solve(primaries.T, white)
    return np.diag(white) @ np.linalg.inv(brightness[:, np.newaxis] * primaries)


def _observer_times_illuminant() -> NDArray[np.float64]:
    """(401, 3) colour-matching functions times D65."""
    with (files("optimetal.optics") / "cie_1931_d65.csv").open() as table:
        columns = np.loadtxt(table, delimiter=",", skiprows=3)
    return columns[:, 1:4] * columns[:, 4:5]
