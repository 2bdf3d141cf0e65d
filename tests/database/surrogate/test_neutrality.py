import numpy as np
import pytest

from optimetal.database.surrogate import neutrality
from optimetal.database.surrogate.brillouin import k_mesh
from optimetal.database.surrogate.neutrality import (
    CHARGE_STIFFNESS,
    COARSE_SPACING,
    TOLERANCE,
    ConvergenceError,
    atomic_charges,
    neutralising_shift,
)


def charges(model, crystal, shift):
    k, weight = k_mesh(crystal, COARSE_SPACING)
    return atomic_charges(model.hamiltonian(k)[0], weight, shift, model)


def test_charges_add_up_to_the_valence(crystal, model):
    charge = charges(model, crystal, np.zeros(len(crystal.atomic_numbers)))
    assert charge.sum() == pytest.approx(model.sites.num_valence.sum())


def test_shift_is_self_consistent(crystals, build_model):
    """In CuZn and CaAu no two atoms are equivalent: charges of the wedge are those of the zone."""
    for name in ("CuZn", "CaAu"):
        crystal, model = crystals[name], build_model(crystals[name])
        shift = neutralising_shift(model, crystal)
        excess = charges(model, crystal, shift) - model.sites.num_valence
        np.testing.assert_allclose(shift, CHARGE_STIFFNESS * excess, atol=1.01 * TOLERANCE)


def test_self_consistency_reduces_charges(crystals, build_model):
    crystal = crystals["CaAu"]
    model = build_model(crystal)
    bare = charges(model, crystal, np.zeros(3)) - model.sites.num_valence
    screened = charges(model, crystal, neutralising_shift(model, crystal)) - model.sites.num_valence
    assert np.abs(screened).max() < 0.5 * np.abs(bare).max()


def test_an_element_needs_no_shift(crystals, build_model):
    assert neutralising_shift(build_model(crystals["Cu"]), crystals["Cu"]) == pytest.approx(0)


def test_equivalent_atoms_get_the_same_shift(crystals, build_model):
    shift = neutralising_shift(build_model(crystals["PtAl2"]), crystals["PtAl2"])
    assert shift[1] == shift[2]
    assert shift[0] > 0 > shift[1]  # aluminium, less electronegative, gives electrons


def test_failure_says_what_to_do(monkeypatch, crystals, build_model):
    monkeypatch.setattr(neutrality, "MAX_ITERATIONS", 1)
    with pytest.raises(ConvergenceError, match=r"less than 0\.006 eV after 1 iterations, got"):
        neutralising_shift(build_model(crystals["PtAl2"]), crystals["PtAl2"])
