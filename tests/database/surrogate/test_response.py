"""Spectra: invariances, sum rules, causality, and known numbers of elemental metals."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate import generate_crystals, optical_response
from optimetal.database.surrogate.brillouin import k_mesh, primitive_crystal
from optimetal.database.surrogate.response import (
    BROADENING,
    TAIL_DAMPING,
    TAIL_ENERGY,
    assemble_response,
    broadened_spectrum,
    valence_strength,
)
from optimetal.database.surrogate.strengths import BIN_WIDTH, band_strengths, fill_bands
from optimetal.optics.color import delta_e, lab_color
from optimetal.optics.drude import drude_dielectric
from optimetal.optics.grid import ENERGY, NUM_ENERGIES

GOLD = Path(__file__).parent / "gold.npz"
"""Made by make_gold.py: every 20th point of the spectra of the first crystals of seed 0."""


def respond(crystal):
    return optical_response(crystal.lattice, crystal.atomic_numbers, crystal.positions)


@pytest.fixture(scope="module")
def sample():
    """Responses of the crystals of the gold file."""
    crystals = generate_crystals(SurrogateSettings(num_crystals=32, seed=0))
    return [respond(crystal) for crystal in crystals]


def assert_same(response, reference, eps, drude):
    np.testing.assert_allclose(response.eps_inter, reference.eps_inter, rtol=0, atol=eps)
    assert response.drude_frequency == pytest.approx(reference.drude_frequency, abs=drude)


@pytest.mark.parametrize(
    ("name", "drude_frequency"),
    [("Al", 12.0), ("Cu", 9.2), ("Na", 6.3), ("Au", 8.9), ("Ag", 9.0), ("Pt", 7.3), ("W", 6.6)],
)
def test_drude_frequency_of_elemental_metals(crystals, name, drude_frequency):
    assert respond(crystals[name]).drude_frequency == pytest.approx(drude_frequency, abs=0.1)


@pytest.mark.parametrize(
    ("name", "lab"),
    [
        ("Al", (95, 0, 0)),
        ("Cu", (85, 6, 9)),
        ("Ag", (98, -2, 5)),
        ("Au", (91, -2, 37)),
        ("Pt", (86, 0, 3)),
        ("W", (77, 0, -3)),
        ("Ca", (69, 12, -19)),
        ("PtAl2", (80, 6, 7)),
        ("CuZn", (91, 2, 20)),
        ("AuAl2", (81, 2, -1)),
    ],
)
def test_colour(crystals, name, lab):
    """CIE L*a*b* of the study that fitted the model: golden gold, reddish copper, white silver."""
    response = respond(crystals[name])
    eps = response.eps_inter + drude_dielectric(ENERGY, response.drude_frequency)
    assert delta_e(lab_color(eps), lab) < 1.5


def test_onset_of_absorption_of_the_noble_metals(crystals):
    """Energy of half the maximum: copper, gold, silver in this order."""
    window = (ENERGY > 0.5) & (ENERGY < 10)
    for name, expected in (("Cu", 1.8), ("Au", 2.6), ("Ag", 3.6)):
        absorption = respond(crystals[name]).eps_inter.imag[window]
        onset = ENERGY[window][np.argmax(absorption > absorption.max() / 2)]
        assert onset == pytest.approx(expected, abs=0.1)


def test_gold_file(sample):
    gold = np.load(GOLD)
    eps = np.array([response.eps_inter[:: int(gold["stride"])] for response in sample])
    drude = np.array([response.drude_frequency for response in sample])
    np.testing.assert_allclose(eps, gold["eps_inter"], rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(drude, gold["drude_frequency"], rtol=0, atol=1e-4)


def test_metals_absorb(sample):
    assert all((response.eps_inter.imag >= 0).all() for response in sample)
    assert all(response.eps_inter[0].imag == 0 for response in sample)
    assert all(response.drude_frequency > 0 for response in sample)


def test_f_sum_rule(sample, crystals):
    """Exact where the bands have less strength than free electrons, an excess elsewhere."""
    exact = 0
    for response in [*sample, respond(crystals["Na"])]:
        total = response.drude_frequency**2 + response.interband_strength + response.tail_strength
        if response.tail_strength > 0:
            assert total == pytest.approx(response.valence_strength, rel=1e-12)
            exact += 1
        else:
            assert 1 <= total / response.valence_strength < 1.35
    assert exact >= 0.9 * len(sample)


def test_f_sum_of_the_spectrum(crystals):
    """(2/π) ∫ ω Im ε dω is the strength of the interband part and the tail."""
    model, strengths = model_strengths(crystals["Al"])
    energy = np.concatenate([np.arange(0, 70, 0.02), np.arange(70, 4000, 1.0)])
    absorption = direct_sum(strengths, valence_strength(model), energy).imag
    strength = 2 / np.pi * np.trapezoid(energy * absorption, energy)
    expected = valence_strength(model) - strengths.drude
    assert strength == pytest.approx(expected, rel=0.01)


def model_strengths(crystal):
    from optimetal.database.surrogate.hamiltonian import TightBinding

    crystal = primitive_crystal(crystal.lattice, crystal.atomic_numbers, crystal.positions)
    model = TightBinding.from_crystal(crystal.lattice, crystal.atomic_numbers, crystal.positions)
    shift = np.zeros(len(crystal.atomic_numbers))
    return model, band_strengths(model, fill_bands(model, shift, *k_mesh(crystal, 0.3)))


def direct_sum(strengths, valence, energy):
    """Interband dielectric function at any photon energy, transition by transition."""
    z2 = (energy + 1j * BROADENING) ** 2
    eps = np.ones(len(energy), dtype=complex)
    for index in np.flatnonzero(strengths.interband):
        eps += strengths.interband[index] / ((BIN_WIDTH * index) ** 2 - z2)
    tail = max(0, valence - strengths.drude - strengths.interband.sum())
    return eps + tail / (TAIL_ENERGY**2 - energy**2 - 1j * energy * TAIL_DAMPING)


def test_spectrum_is_the_sum_over_transitions(crystals):
    model, strengths = model_strengths(crystals["CuZn"])
    response = assemble_response(strengths, valence_strength(model))
    expected = direct_sum(strengths, valence_strength(model), ENERGY)
    np.testing.assert_allclose(response.eps_inter, expected, atol=1e-10)


def test_a_single_transition():
    strength = np.zeros(3001)
    strength[150] = 7.0  # 3 eV
    expected = 7.0 / (9.0 - (ENERGY + 1j * BROADENING) ** 2)
    np.testing.assert_allclose(broadened_spectrum(strength), expected, atol=1e-11)


@pytest.mark.parametrize("name", ["Cu", "CuZn", "PtAl2"])
def test_kramers_kronig(crystals, name):
    """Re ε - 1 = (2/π) P∫ ω' Im ε(ω') / (ω'² - ω²) dω' on every other point."""
    model, strengths = model_strengths(crystals[name])
    response = assemble_response(strengths, valence_strength(model))
    wide = np.arange(0, 400, ENERGY[1])
    absorption = direct_sum(strengths, valence_strength(model), wide).imag
    absorption[:NUM_ENERGIES] = response.eps_inter.imag
    for index in (50, 201, 500, 1000, 1500):
        others = np.arange((index + 1) % 2, len(wide), 2)
        kernel = wide[others] / (wide[others] ** 2 - wide[index] ** 2)
        integral = 2 / np.pi * 2 * ENERGY[1] * (kernel * absorption[others]).sum()
        scale = np.abs(response.eps_inter[index] - 1)
        assert integral == pytest.approx(response.eps_inter[index].real - 1, abs=5e-3 * scale)


@pytest.mark.parametrize("name", ["Cu", "TiAl", "CaAu"])
def test_rotation(crystals, name):
    crystal, turn = crystals[name], Rotation.random(rng=5).as_matrix()
    turned = optical_response(
        crystal.lattice @ turn, crystal.atomic_numbers, crystal.positions @ turn
    )
    assert_same(turned, respond(crystal), eps=1e-5, drude=2e-6)


@pytest.mark.parametrize("name", ["Al", "TiAl", "PtAl2"])
def test_other_primitive_cell(crystals, name):
    crystal = crystals[name]
    skew = np.array([[1, 1, 0], [0, 1, 0], [-1, 0, 1]])
    other = optical_response(skew @ crystal.lattice, crystal.atomic_numbers, crystal.positions)
    assert_same(other, respond(crystal), eps=1e-5, drude=2e-6)


def test_supercell_and_order_of_atoms(crystals):
    crystal = crystals["TiAl"]
    images = np.array([[0, 0, 0], [0, 0, 1]]) @ crystal.lattice
    positions = (images[:, None] + crystal.positions).reshape(-1, 3)
    order = [2, 1, 0, 3]
    doubled = optical_response(
        np.diag([1, 1, 2]) @ crystal.lattice,
        np.tile(crystal.atomic_numbers, 2)[order],
        positions[order],
    )
    assert_same(doubled, respond(crystal), eps=1e-5, drude=2e-6)


def test_translation(crystals):
    crystal = crystals["CaAu"]
    moved = optical_response(
        crystal.lattice, crystal.atomic_numbers, crystal.positions + np.array([0.7, -1.1, 4.0])
    )
    assert_same(moved, respond(crystal), eps=1e-5, drude=2e-6)


@pytest.mark.parametrize("name", ["Al", "Cu", "PtAl2", "TiAl"])
def test_strain_is_smooth(crystals, name):
    """ω_D under isotropic strain is a parabola up to 1 meV, far less than it changes."""
    crystal, strain = crystals[name], np.linspace(-0.01, 0.01, 7)
    drude = [
        optical_response(
            (1 + e) * crystal.lattice, crystal.atomic_numbers, (1 + e) * crystal.positions
        ).drude_frequency
        for e in strain
    ]
    parabola = np.polynomial.Polynomial.fit(strain, drude, 2)(strain)
    assert np.abs(drude - parabola).max() < 1.5e-3
    assert np.ptp(drude) > 100 * np.abs(drude - parabola).max()


def test_mesh_is_fine_enough(crystals):
    """Half as many points again along each axis change ω_D of Al by little."""
    crystal = crystals["Al"]
    model, mesh = model_strengths(crystal)[0], k_mesh(crystal, 0.05)
    fine = band_strengths(model, fill_bands(model, np.zeros(1), *mesh))
    assert respond(crystal).drude_frequency == pytest.approx(np.sqrt(fine.drude), abs=0.02)


@pytest.mark.parametrize(
    ("lattice", "numbers", "positions", "message"),
    [
        (np.eye(2), [29], [[0, 0, 0]], r"expected shapes .*'lattice': \(3, 3\).*\(2, 2\)"),
        (3 * np.eye(3), [29, 30], [[0, 0, 0]], r"'positions': \(2, 3\).*got .*\(1, 3\)"),
        (3 * np.eye(3), [8], [[0, 0, 0]], r"no element with atomic number \[8\]"),
        (3 * np.eye(3), [29, 29], np.zeros((2, 3)), "do atoms coincide"),
    ],
)
def test_wrong_input(lattice, numbers, positions, message):
    with pytest.raises(ValueError, match=message):
        optical_response(lattice, numbers, positions)
