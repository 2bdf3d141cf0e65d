"""CIE L*a*b* colour of one crystal, step by step."""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Complex, Float
from scipy.interpolate import CubicSpline

from optimetal.optics.constants import HC
from optimetal.optics.grid import ENERGY


@cache
def _tables() -> np.ndarray:
    """(401, 5) wavelength in nm, CIE 1931 observer (x, y, z) and illuminant D65."""
    with (files("optimetal.optics") / "cie_1931_d65.csv").open() as table:
        return np.loadtxt(table, delimiter=",", skiprows=3)


def lab_color(eps_total: Complex[np.ndarray, " num_energies"]) -> Float[np.ndarray, "3"]:
    """L*, a*, b* of a polished surface with this dielectric function, interband plus intraband.

    Reflectivity at normal incidence, a cubic spline to whole nanometres, sums over 380 to 780 nm.
    """
    wavelength, observer, daylight = np.split(_tables(), [1, 4], axis=1)
    with np.errstate(divide="ignore"):
        grid = HC / ENERGY
    visible = (grid >= wavelength[0]) & (grid <= wavelength[-1])
    reflectivity = _reflectivity(eps_total[visible])
    spline = CubicSpline(grid[visible][::-1], reflectivity[::-1])
    white = (observer * daylight).sum(axis=0)
    xyz = (observer * daylight * spline(wavelength)).sum(axis=0) / white
    kink = 6 / 29
    fx, fy, fz = np.where(xyz > kink**3, np.cbrt(xyz), xyz / (3 * kink**2) + 4 / 29)
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def _reflectivity(eps: Complex[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    size, real = np.abs(eps), np.real(eps)
    n = np.sqrt((size + real) / 2)
    k = np.sqrt((size - real) / 2)
    return ((n - 1) ** 2 + k**2) / ((n + 1) ** 2 + k**2)
