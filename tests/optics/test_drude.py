"""The Drude term against its formula, its limits and the Kramers-Kronig relations."""

import numpy as np
import pytest

from optimetal.optics.drude import drude_dielectric, total_dielectric
from optimetal.optics.grid import ENERGY, NUM_ENERGIES


def test_real_and_imaginary_part_follow_the_closed_form():
    energy, drude, gamma = np.array([0.3, 1.7, 12.0]), 9.2, 0.07
    complex_form = -(drude**2) / (energy * (energy + 1j * gamma))
    np.testing.assert_allclose(drude_dielectric(energy, drude, gamma), complex_form, rtol=1e-14)


def test_high_energy_limit_is_the_lossless_plasma():
    energy = np.array([1e4])
    term = drude_dielectric(energy, 8.0)
    np.testing.assert_allclose(term.real, -64 / energy**2, rtol=1e-9)
    assert 0 < term.imag < 1e-4 * abs(term.real)


def test_zero_energy_is_the_documented_limit_and_never_nan():
    term = drude_dielectric(np.array([0.0]), np.array([9.0, 0.0]))
    assert term[0, 0].real == pytest.approx(-(9.0**2) / 0.1**2)
    assert term[0, 0].imag == np.inf
    assert term[1, 0] == 0


def test_no_free_electrons_no_term():
    assert not drude_dielectric(ENERGY, 0.0).any()


def test_term_obeys_kramers_kronig():
    """Re ε(ω) = (2/π) P∫ [ω' Im ε(ω') - ω Im ε(ω)] / (ω'² - ω²) dω' with a smooth integrand."""
    probe = np.array([1.0, 3.0, 7.0])
    x = np.linspace(np.log(1e-5), np.log(1e4), 40_000)
    grid = np.exp(x)  # even in log ω: resolves the narrow peak at 0 eV and the long tail
    imag = drude_dielectric(grid, 5.0, 0.3).imag
    own = drude_dielectric(probe, 5.0, 0.3).imag
    integrand = (grid * imag - (probe * own)[:, None]) / (grid**2 - probe[:, None] ** 2) * grid
    real = 2 / np.pi * np.trapezoid(integrand, x, axis=1)
    np.testing.assert_allclose(real, drude_dielectric(probe, 5.0, 0.3).real, rtol=1e-3)


def test_sum_rule_gives_the_plasma_frequency():
    """The integral of ω Im ε over all energies is (π/2) ω_D²."""
    x = np.linspace(np.log(1e-6), np.log(1e6), 20_000)
    energy = np.exp(x)
    integral = np.trapezoid(energy**2 * drude_dielectric(energy, 6.0).imag, x)
    assert integral == pytest.approx(np.pi / 2 * 36, rel=1e-5)


def test_many_crystals_equal_one_by_one():
    drude = np.array([[0.0, 3.0, 9.5], [1.0, 2.0, 4.0]])
    together = drude_dielectric(ENERGY, drude)
    assert together.shape == (2, 3, NUM_ENERGIES)
    np.testing.assert_array_equal(together[1, 2], drude_dielectric(ENERGY, 4.0))


def test_single_precision_frequency_is_squared_in_double():
    drude = np.float32(8.9)
    expected = drude_dielectric(ENERGY[1:], float(drude))
    np.testing.assert_array_equal(drude_dielectric(ENERGY[1:], drude), expected)


def test_total_is_the_sum_of_both_parts():
    eps_inter = np.full((2, NUM_ENERGIES), 3.0 + 1.0j, dtype=np.complex64)
    total = total_dielectric(eps_inter, np.array([0.0, 5.0]))
    np.testing.assert_array_equal(total[0], eps_inter[0])
    np.testing.assert_allclose(total[1, 1:] - eps_inter[1, 1:], drude_dielectric(ENERGY[1:], 5.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drude_dielectric([-1.0], 3.0), "must not be negative"),
        (lambda: drude_dielectric([1.0], 3.0, 0.0), "broadening"),
        (lambda: total_dielectric(np.zeros((4, 7)), np.zeros(4)), "energies on its last axis"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
