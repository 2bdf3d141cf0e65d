"""Oscillator strengths of the bands against the sum rule that they must obey."""

from dataclasses import replace

import numpy as np
import pytest

from optimetal.database.surrogate.brillouin import k_mesh
from optimetal.database.surrogate.hamiltonian import BlochSum, RealSpace, commute_with_position
from optimetal.database.surrogate.strengths import (
    CHARGE2_OVER_EPSILON0,
    band_strengths,
    fill_bands,
)


def double_commutator_strength(model, bands):
    """Σ S + ω_D² from the ground state alone: occupied expectation value of [x, [H, x]], eV²."""
    first = commute_with_position(model.terms, model.sites)
    total = 0.0
    for a in range(3):
        component = RealSpace(first.source, first.target, first.vector, first.blocks[a : a + 1])
        twice = commute_with_position(component, model.sites)
        along = RealSpace(twice.source, twice.target, twice.vector, twice.blocks[a : a + 1])
        operator = -BlochSum.from_terms(along, model.sites)(bands.k)[0]
        expected = np.einsum(
            "kin,kij,kjn->kn", bands.state.conj(), operator, bands.state, optimize=True
        )
        total += 2 * (bands.weight[:, None] * bands.occupation * expected.real).sum() / 3
    return CHARGE2_OVER_EPSILON0 / model.volume * total


@pytest.mark.parametrize(
    ("name", "spacing", "tolerance"),
    [
        ("Al", 0.09, 1e-6),
        ("Na", 0.09, 1e-6),
        ("Cu", 0.09, 1e-6),
        ("W", 0.09, 3e-6),
        ("CuZn", 0.15, 1e-4),
        ("TiAl", 0.2, 2e-4),
    ],
)
def test_sum_rule_of_the_tight_binding_model(crystals, build_model, name, spacing, tolerance):
    """Holds on a mesh so fine, and at a kT so high, that sums over k are integrals."""
    crystal, model = crystals[name], build_model(crystals[name])
    k, weight = k_mesh(crystal, spacing)
    bands = fill_bands(model, np.zeros(len(crystal.atomic_numbers)), k, weight, kt=0.5)
    strengths = band_strengths(model, bands)
    total = strengths.drude + strengths.interband.sum()
    assert total == pytest.approx(double_commutator_strength(model, bands), rel=tolerance)


@pytest.mark.parametrize(
    ("name", "without", "full"), [("Na", 61, 3.3), ("Al", 192, 76), ("Cu", 432, 208)]
)
def test_dipoles_cancel_most_of_the_s_p_strength(crystals, build_model, name, without, full):
    """Interband strengths in eV² of the study that fitted the model; dipoles leave ω_D alone."""
    model = build_model(crystals[name])
    bare = replace(model, sites=replace(model.sites, dipole=0 * model.sites.dipole))
    bands = fill_bands(model, np.zeros(1), *k_mesh(crystals[name], 0.09))
    strengths, bare_strengths = band_strengths(model, bands), band_strengths(bare, bands)
    assert strengths.interband.sum() == pytest.approx(full, rel=0.02)
    assert bare_strengths.interband.sum() == pytest.approx(without, rel=0.02)
    assert bare_strengths.drude == pytest.approx(strengths.drude, rel=1e-6)


def test_a_shift_of_all_levels_changes_nothing(crystals, build_model):
    crystal, model = crystals["CuZn"], build_model(crystals["CuZn"])
    mesh = k_mesh(crystal, 0.4)
    plain, shifted = (
        band_strengths(model, fill_bands(model, np.full(2, shift), *mesh)) for shift in (0.0, 1.7)
    )
    assert shifted.drude == pytest.approx(plain.drude)
    np.testing.assert_allclose(shifted.interband, plain.interband, atol=1e-8)


def test_strengths_are_positive(crystal, model):
    bands = fill_bands(model, np.zeros(len(crystal.atomic_numbers)), *k_mesh(crystal, 0.4))
    strengths = band_strengths(model, bands)
    assert strengths.drude > 0
    assert (strengths.interband >= 0).all()


def test_free_electrons_conduct(crystals, build_model):
    """Sodium: ω_D is near the plasma frequency, and little strength is left between bands."""
    model = build_model(crystals["Na"])
    crystal = crystals["Na"]
    k, weight = k_mesh(crystal, 0.12)
    bands = fill_bands(model, np.zeros(1), k, weight)
    strengths = band_strengths(model, bands)
    plasma2 = CHARGE2_OVER_EPSILON0 * 7.61996 / model.volume
    assert strengths.drude == pytest.approx(plasma2, rel=0.25)
    assert strengths.interband.sum() < 0.15 * strengths.drude
