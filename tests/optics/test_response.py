"""Response functions against textbook limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from optimetal.optics.drude import drude_dielectric
from optimetal.optics.grid import ENERGY
from optimetal.optics.response import (
    absorption_coefficient,
    energy_loss,
    optical_conductivity,
    reflectivity,
    refractive_index,
)

passive = st.builds(complex, st.floats(-500, 500), st.floats(0, 500))


@given(passive)
def test_square_of_the_index_is_the_dielectric_function(eps):
    index = refractive_index(eps)
    assert index.real >= 0 and index.imag >= 0
    assert index**2 == pytest.approx(eps, abs=1e-9, rel=1e-12)


@given(passive)
def test_reflectivity_of_a_passive_medium_is_a_share(eps):
    assert -1e-15 <= reflectivity(eps) <= 1 + 1e-15


def test_negative_imaginary_part_counts_as_loss():
    assert refractive_index(-4 - 1e-9j) == refractive_index(-4 + 1e-9j)
    assert refractive_index(3 - 2j) == refractive_index(3 + 2j)


def test_reflectivity_limits():
    eps = np.array([1.0, -4.0, 2.25, 1e12 + 0j, -810 + 1j * np.inf])
    expected = [0.0, 1.0, 0.04, 1.0, 1.0]  # vacuum, lossless metal, glass, mirror, metal at 0 eV
    np.testing.assert_allclose(reflectivity(eps), expected, rtol=1e-12, atol=4e-6)


def test_hagen_rubens_reflectivity_at_small_energy():
    """R ≈ 1 - 2 sqrt(2 ε₀ω / σ₀), with σ₀ = ε₀ ω_D² / (ħγ)."""
    energy, drude, gamma = 1e-5, 9.0, 0.1
    expected = 1 - 2 * np.sqrt(2 * energy * gamma / drude**2)
    assert reflectivity(drude_dielectric([energy], drude, gamma))[0] == pytest.approx(
        expected, abs=1e-6
    )


def test_absorption_is_four_pi_k_over_the_wavelength():
    """k = 1 at 1240 nm (1 eV): α = 4π / 1240 nm = 1.0135e5 / cm."""
    alpha = absorption_coefficient(np.array([1.0]), np.array([(1 + 1j) ** 2]))
    assert alpha[0] == pytest.approx(4 * np.pi / (constants.h * constants.c / constants.e) / 100)


def test_absorption_of_a_metal_vanishes_at_zero_energy():
    alpha = absorption_coefficient(ENERGY, drude_dielectric(ENERGY, 9.0))
    assert alpha[0] == 0 and np.isfinite(alpha).all()


def test_energy_loss_peaks_at_the_plasma_frequency():
    loss = energy_loss(1 + drude_dielectric(ENERGY, 9.0))
    assert loss[0] == 0
    assert ENERGY[loss.argmax()] == pytest.approx(9.0, abs=0.02)
    assert loss.max() == pytest.approx(9.0 / 0.1, rel=1e-3)  # ω_D / γ


def test_conductivity_of_drude_metal():
    """σ(ω) = σ₀ / (1 - iω/γ), σ₀ = ε₀ ω_D² / (ħγ): 1.09e7 S/m for 9 eV and 0.1 eV."""
    energy = np.array([1e-6, 0.1, 2.0])
    direct = constants.epsilon_0 * 81 / 0.1 / (constants.hbar / constants.e)
    sigma = optical_conductivity(energy, 1 + drude_dielectric(energy, 9.0))
    np.testing.assert_allclose(sigma, direct / (1 - 1j * energy / 0.1), rtol=1e-8)


def test_conductivity_refuses_the_divergence_at_zero_energy():
    with pytest.raises(ValueError, match="leave that energy out"):
        optical_conductivity(ENERGY, drude_dielectric(ENERGY, 9.0))
