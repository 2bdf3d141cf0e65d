"""Causality and the f-sum rule against analytic oscillators, other quadratures and the surrogate."""

import numpy as np
import pytest
from scipy import constants
from scipy.integrate import quad

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate import generate_crystals, optical_response
from optimetal.optics.constants import PLASMA_FREQUENCY2_TIMES_VOLUME
from optimetal.optics.drude import drude_dielectric
from optimetal.optics.grid import ENERGY, MAX_ENERGY, NUM_ENERGIES
from optimetal.optics.sum_rules import (
    _kramers_kronig,
    effective_electrons,
    f_sum,
    kramers_kronig_residual,
    passive,
)


def oscillator(energy, strength=40.0, centre=4.0, width=0.8):
    """Lorentz oscillator: causal, of plasma frequency² ``strength`` (eV²)."""
    return 1 + strength / (centre**2 - energy**2 - 1j * width * energy)


def oscillators(energy):
    """A metal-like sum: a sharp soft line, a band, a broad one, and one above the grid."""
    lines = [(2.0, 0.4, 0.15), (40.0, 3.0, 1.0), (90.0, 9.0, 4.0), (300.0, 26.0, 8.0)]
    return 1 + sum(oscillator(energy, *line) - 1 for line in lines)


@pytest.mark.parametrize("probe", [0.3, 2.5, 4.0, 9.7])
def test_integral_equals_an_adaptive_principal_value(probe):
    def integrand(x):  # times 1 / (x - probe), which the quadrature supplies
        return 2 / np.pi * x * oscillator(x).imag / (x + probe)

    expected, _ = quad(integrand, 0, MAX_ENERGY, weight="cauchy", wvar=probe, limit=400)
    weights = _kramers_kronig(ENERGY, np.array([probe]))
    assert oscillator(ENERGY).imag @ weights == pytest.approx(expected, rel=2e-4, abs=1e-3)


def test_integral_equals_the_method_of_maclaurin():
    """Trapezia over every other point (Ohta and Ishida, Appl. Spectrosc. 42, 952 (1988))."""
    imag, step, at = oscillator(ENERGY).imag, ENERGY[1], [40, 333, 900]
    expected = []
    for index in at:
        others = np.arange((index + 1) % 2, NUM_ENERGIES, 2)
        terms = ENERGY[others] * imag[others] / (ENERGY[others] ** 2 - ENERGY[index] ** 2)
        expected.append(2 / np.pi * 2 * step * (terms.sum() - terms[-1] / 2))
    result = imag @ _kramers_kronig(ENERGY, ENERGY[at])
    np.testing.assert_allclose(result, expected, rtol=1e-3)


def test_integral_is_exact_for_straight_lines():
    """A triangle of height 1 on 2..6 eV: Σ c (x - ω) ln|x - ω| over its kinks, and the mirrored."""
    triangle = np.array([0.0, 2.0, 4.0, 6.0, 10.0])  # uneven, and nothing in between
    kinks = [(2.0, 0.5), (4.0, -1.0), (6.0, 0.5)]
    at = np.array([0.7, 2.0, 3.3, 4.0])

    def x_log_x(x):
        return np.where(x == 0, 0, x * np.log(np.abs(x) + (x == 0)))

    expected = sum(c * (x_log_x(x - at) + x_log_x(x + at)) for x, c in kinks) / np.pi
    result = np.array([0, 0, 1, 0, 0]) @ _kramers_kronig(triangle, at)
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_causal_spectra_leave_next_to_nothing():
    assert kramers_kronig_residual(ENERGY, oscillator(ENERGY)) < 1e-4
    assert kramers_kronig_residual(ENERGY, oscillators(ENERGY)) < 2e-3  # a line 15 points wide


def test_absorption_above_the_grid_is_not_held_against_a_spectrum():
    eps = oscillator(ENERGY, strength=300.0, centre=24.0, width=1.0)
    low = ENERGY <= 10
    without_tail = (
        eps.real
        - 1
        - np.pad(eps.imag @ _kramers_kronig(ENERGY, ENERGY[low]), (0, NUM_ENERGIES - low.sum()))
    )
    assert np.abs(without_tail[low]).max() > 0.5 * np.abs(eps.real[low] - 1).max()
    assert kramers_kronig_residual(ENERGY, eps) < 1e-3


def test_residual_falls_with_the_square_of_the_step():
    residuals = []
    for num in (201, 401, 801):
        energy = np.linspace(0, MAX_ENERGY, num)
        residuals.append(kramers_kronig_residual(energy, oscillator(energy)))
    ratios = np.divide(residuals[:-1], residuals[1:])
    np.testing.assert_allclose(ratios, 4, rtol=0.15)


def test_a_wrong_imaginary_part_shows_in_proportion():
    eps = oscillator(ENERGY, centre=2.0, width=0.3)
    for error in (0.01, 0.1, 1.0):
        wrong = eps.real + 1j * (1 + error) * eps.imag
        assert kramers_kronig_residual(ENERGY, wrong) == pytest.approx(error, rel=0.1)


def test_advanced_response_and_foreign_real_part_are_not_causal():
    eps = oscillator(ENERGY)
    assert kramers_kronig_residual(ENERGY, eps.conj()) > 1
    foreign = oscillator(ENERGY, centre=6.0).real + 1j * eps.imag
    assert kramers_kronig_residual(ENERGY, foreign) > 1


def test_vacuum_has_no_residual():
    assert kramers_kronig_residual(ENERGY, np.ones(NUM_ENERGIES)) == 0


def test_many_spectra_equal_one_by_one():
    eps = np.stack([oscillator(ENERGY, centre=c) for c in (1.0, 2.0, 5.0)])
    eps[1].imag *= 1.2
    together = kramers_kronig_residual(ENERGY, eps[np.newaxis])
    assert together.shape == (1, 3)
    alone = [kramers_kronig_residual(ENERGY, spectrum) for spectrum in eps]
    np.testing.assert_allclose(together[0], alone, rtol=1e-9)


@pytest.fixture(scope="module")
def surrogate():
    """Crystals of the surrogate with their responses."""
    crystals = generate_crystals(SurrogateSettings(num_crystals=6, seed=3))
    return [(c, optical_response(c.lattice, c.atomic_numbers, c.positions)) for c in crystals]


def test_surrogate_is_causal_as_stored(surrogate):
    """Its terms are analytic; what is left comes from the step of the grid (0.01 eV) alone."""
    eps = np.stack([response.eps_inter for _, response in surrogate]).astype(np.complex64)
    fine = kramers_kronig_residual(ENERGY, eps)
    assert fine.max() < 1.5e-3
    np.testing.assert_allclose(
        kramers_kronig_residual(ENERGY[::2], eps[:, ::2]) / fine, 4, rtol=0.1
    )


def test_surrogate_does_not_absorb_more_than_its_electrons(surrogate):
    for crystal, response in surrogate:
        reached = f_sum(ENERGY, response.eps_inter, response.drude_frequency)
        strength = response.drude_frequency**2 + response.interband_strength
        limit = max(response.valence_strength, strength)
        assert 0.2 * limit < reached**2 < limit
        electrons = effective_electrons(reached, abs(np.linalg.det(crystal.lattice)))
        assert electrons < 12 * len(crystal.atomic_numbers)


def test_f_sum_of_an_oscillator_tends_to_its_strength():
    energy = np.linspace(0, 2000, 100_001)
    assert f_sum(energy, oscillator(energy), 0.0) ** 2 == pytest.approx(40, rel=1e-3)


def test_f_sum_up_to_the_end_of_the_grid_equals_a_quadrature():
    integral, _ = quad(lambda x: x * oscillator(x).imag, 0, MAX_ENERGY, points=[4], epsabs=1e-10)
    expected = np.sqrt(2 / np.pi * integral + 81)
    assert f_sum(ENERGY, oscillator(ENERGY), 9.0) == pytest.approx(expected, rel=1e-6)


def test_f_sum_of_free_electrons_is_the_drude_frequency():
    """Of which 20 eV and a damping of 0.1 eV see all but 0.3 %."""
    eps = np.ones(NUM_ENERGIES)
    assert f_sum(ENERGY, eps, 9.0) == 9.0
    x = np.geomspace(1e-6, MAX_ENERGY, 20_000)
    seen = 2 / np.pi * np.trapezoid(x**2 * drude_dielectric(x, 9.0).imag, np.log(x))
    assert seen / 81 == pytest.approx(0.9968, abs=1e-4)


def test_f_sum_of_a_prediction_with_gain_is_not_nan():
    gain = 1 - 1j * np.ones(NUM_ENERGIES)
    np.testing.assert_array_equal(f_sum(ENERGY, np.stack([gain, gain]), [0.0, 1.0]), 0)


def test_three_electrons_of_aluminium():
    """Plasma frequency 15.8 eV of 3 electrons in 16.6 Å³ (Kittel: 15.8 eV)."""
    density = 3 / 16.6e-30
    omega = np.sqrt(density * constants.e**2 / (constants.epsilon_0 * constants.m_e))
    plasma = omega * constants.hbar / constants.e
    assert plasma == pytest.approx(15.8, abs=0.05)
    assert effective_electrons(plasma, 16.6) == pytest.approx(3, rel=1e-8)
    assert plasma**2 == pytest.approx(PLASMA_FREQUENCY2_TIMES_VOLUME * 3 / 16.6, rel=1e-8)


def test_passive_spectra_stay_as_they_are():
    eps = oscillators(ENERGY).astype(np.complex64)
    same, removed = passive(eps)
    np.testing.assert_array_equal(same, eps)
    assert same.dtype == eps.dtype and removed == 0
    assert passive(np.ones(4))[1] == 0


def test_gain_is_removed_and_counted():
    eps = np.array([[1 + 2j, 3 - 1j, -5 + 1j], [1 - 1j, 1 - 2j, 2 + 0j]])
    original = eps.copy()
    clipped, removed = passive(eps)
    np.testing.assert_array_equal(clipped, [[1 + 2j, 3, -5 + 1j], [1, 1, 2]])
    np.testing.assert_allclose(removed, [0.25, 1.0])
    np.testing.assert_array_equal(eps, original)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kramers_kronig_residual(ENERGY, np.ones(7)), "num_energies"),
        (lambda: kramers_kronig_residual(ENERGY[1:], np.ones(2000)), "rise from 0"),
        (lambda: kramers_kronig_residual([0.0, 2.0, 1.0], np.ones(3)), "rise from 0"),
        (lambda: kramers_kronig_residual(ENERGY, drude_dielectric(ENERGY, 3.0)), "interband part"),
        (lambda: f_sum(ENERGY, np.full(NUM_ENERGIES, np.nan), 1.0), "finite"),
        (lambda: effective_electrons(3.0, 0.0), "positive"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
