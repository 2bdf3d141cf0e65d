"""Drude term and colours of the published code."""

import numpy as np
import pytest

from optimetal.optics.color import lab_color, material_lab
from optimetal.optics.drude import drude_dielectric, total_dielectric


@pytest.fixture(scope="module")
def optics(parity):
    with np.load(parity / "optics.npz") as stored:
        return dict(stored)


def test_intraband_part(optics):
    energy = optics["omega"]
    ours = drude_dielectric(energy, optics["drude"])
    # Published: the square is rounded to float32 first. Its value at 0 eV is NaN.
    np.testing.assert_allclose(ours[:, 1:], optics["eps_intra"][:, 1:], rtol=1e-7)
    narrow = drude_dielectric(energy, optics["drude"][:1], 0.05)
    np.testing.assert_allclose(narrow[:, 1:], optics["eps_intra_gamma0p05"][:, 1:], rtol=1e-7)


def test_colours_of_the_stored_spectra_agree_to_rounding(optics):
    with np.errstate(invalid="ignore"):
        total = optics["eps_inter"].astype(complex) + optics["eps_intra"]
    np.testing.assert_allclose(lab_color(total), optics["lab"], atol=1e-10)
    np.testing.assert_allclose(
        lab_color(optics["eps_inter"]), optics["lab_interband_only"], atol=1e-10
    )


def test_colours_with_the_drude_term_in_double(optics):
    eps_inter, drude = optics["eps_inter"], optics["drude"]
    expected = optics["lab_drude_as_python_float"]
    np.testing.assert_allclose(lab_color(total_dielectric(eps_inter, drude)), expected, atol=1e-10)
    np.testing.assert_allclose(material_lab(eps_inter, drude), expected, atol=1e-10)
