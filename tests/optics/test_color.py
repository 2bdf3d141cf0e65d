"""Colours against exact cases, an independent library and the spline itself."""

import warnings

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from optimetal.optics.color import (
    VISIBLE,
    WAVELENGTH,
    _observer_times_illuminant,
    _reflectivity_to_xyz,
    delta_e,
    lab_color,
    lab_to_hex,
    lab_to_srgb,
    material_lab,
)
from optimetal.optics.constants import HC
from optimetal.optics.drude import total_dielectric
from optimetal.optics.grid import ENERGY, NUM_ENERGIES

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def colour():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may warn about optional packages
        return pytest.importorskip("colour")


def spectra(num: int) -> np.ndarray:
    """Smooth random interband parts: constants and broad absorption lines."""
    centre, height = RNG.uniform(1, 6, (num, 4, 1)), RNG.uniform(1, 20, (num, 4, 1))
    lines = height / (centre**2 - ENERGY**2 - 0.6j * ENERGY)
    return 1 + lines.sum(axis=1)


def test_perfect_mirror_is_white():
    mirror = np.full(NUM_ENERGIES, -1e12 + 0j)
    np.testing.assert_allclose(lab_color(mirror), [100, 0, 0], atol=1e-3)


def test_vacuum_is_black():
    np.testing.assert_allclose(lab_color(np.ones(NUM_ENERGIES, complex)), [0, 0, 0], atol=1e-9)


def test_flat_reflectivity_is_neutral_with_the_lightness_of_its_value():
    """n = 1.5 reflects 4 %, which is L* = 116 * 0.04^(1/3) - 16."""
    lab = lab_color(np.full(NUM_ENERGIES, 2.25 + 0j))
    np.testing.assert_allclose(lab, [116 * 0.04 ** (1 / 3) - 16, 0, 0], atol=1e-9)


def test_zero_energy_does_not_matter():
    eps = spectra(1)[0]
    changed = eps.copy()
    changed[0] = np.nan
    np.testing.assert_array_equal(lab_color(changed), lab_color(eps))


@pytest.mark.parametrize(("drude", "broadening"), [(12.5, 0.6), (9.0, 0.1), (15.0, 1.0)])
def test_free_electron_metals_are_nearly_neutral_and_bright(drude, broadening):
    """Aluminium-like metals look silvery: bright, with hardly any chroma."""
    lab = material_lab(np.ones(NUM_ENERGIES), drude, broadening)
    assert lab[0] > 90
    assert np.hypot(lab[1], lab[2]) < 1.5


def test_absorption_edge_in_the_visible_is_yellow():
    """Gold in words: reflects below 2.4 eV, absorbs above."""
    line = 14 / (2.9**2 - ENERGY**2 - 0.9j * ENERGY)
    lab = material_lab(6 + line, 8.9)
    assert lab[2] > 10


def test_batch_equals_loop_and_both_routes_agree():
    eps, drude = spectra(50), RNG.uniform(0, 12, 50)
    total = total_dielectric(eps, drude)
    together = lab_color(total)
    np.testing.assert_allclose(together, [lab_color(one) for one in total], atol=1e-11)
    np.testing.assert_allclose(together, material_lab(eps, drude), atol=1e-11)
    np.testing.assert_allclose(lab_color(total.reshape(5, 10, -1)).reshape(50, 3), together)


def test_linear_map_equals_the_spline_of_each_spectrum():
    wavelength = HC / ENERGY[VISIBLE]
    reflected = RNG.uniform(0, 1, wavelength.size)
    spline = CubicSpline(wavelength[::-1], reflected[::-1], bc_type="not-a-knot")(WAVELENGTH)
    stimulus = _observer_times_illuminant()
    expected = spline @ stimulus / stimulus.sum(axis=0)
    np.testing.assert_allclose(reflected @ _reflectivity_to_xyz(), expected, atol=1e-12)


def test_visible_part_lies_inside_the_colour_tables():
    wavelength = HC / ENERGY[VISIBLE]
    assert wavelength.min() >= 380 and wavelength.max() <= 780
    outside = HC / ENERGY[[VISIBLE.start - 1, VISIBLE.stop]]
    assert outside[0] > 780 and outside[1] < 380


def test_tables_are_those_of_colour_science(colour):
    observer = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]
    illuminant = colour.SDS_ILLUMINANTS["D65"]
    shape = colour.SpectralShape(380, 780, 1)
    bars = observer.copy().align(shape).values
    # The library tabulates D65 every 5 nm, rounded; the CIE defines the steps between as linear.
    daylight = np.interp(WAVELENGTH, illuminant.wavelengths, illuminant.values)
    np.testing.assert_allclose(
        _observer_times_illuminant(), bars * daylight[:, None], rtol=1e-5, atol=1e-15
    )


def test_lab_and_srgb_agree_with_colour_science(colour):
    lab = RNG.uniform([20, -30, -30], [95, 30, 30], (200, 3))
    white = np.array([0.3127, 0.3290])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = colour.XYZ_to_sRGB(colour.Lab_to_XYZ(lab, white), white)
    np.testing.assert_allclose(lab_to_srgb(lab), np.clip(theirs, 0, 1), atol=2e-4)


def test_swatches_of_white_black_and_beyond_the_gamut():
    colors = lab_to_hex([[100, 0, 0], [0, 0, 0], [53.585, 0, 0], [60, 120, -120]])
    assert colors[:3] == ["#ffffff", "#000000", "#808080"]
    assert (lab_to_srgb([60, 120, -120]) >= 0).all() and (lab_to_srgb([60, 120, -120]) <= 1).all()


def test_delta_e_is_a_distance():
    assert delta_e([50, 3, 0], [50, 0, 4]) == 5
    np.testing.assert_array_equal(delta_e(np.ones((4, 3)), np.ones((4, 3))), np.zeros(4))


def test_wrong_grid_is_refused():
    with pytest.raises(ValueError, match="energies on its last axis"):
        lab_color(np.ones((3, 100)))
    with pytest.raises(ValueError, match="energies on its last axis"):
        material_lab(np.ones((3, NUM_ENERGIES, 2)), np.ones(3))
