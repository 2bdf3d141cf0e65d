import numpy as np
import pytest

from optimetal.database.surrogate.hamiltonian import (
    HBAR2_OVER_MASS,
    bond_integrals,
    cutoff_function,
    find_bonds,
    onsite_levels,
)

K_POINTS = np.random.default_rng(7).uniform(-1, 1, (5, 3))


def test_hamiltonian_is_hermitian(model):
    h = model.hamiltonian(K_POINTS)[0]
    np.testing.assert_allclose(h, h.conj().swapaxes(1, 2), atol=1e-13)


def test_velocity_is_hermitian_times_i(model):
    velocity = 1j * model.velocity(K_POINTS)
    np.testing.assert_allclose(velocity, velocity.conj().swapaxes(2, 3), atol=1e-13)


def test_velocity_is_the_derivative_plus_the_dipoles(model):
    """M = dH/dk - i [D, H], by central differences and with the dipoles as one matrix."""
    step = 1e-3
    k, shift = K_POINTS[:, None], step * np.eye(3)
    forward, backward, forward2, backward2 = (
        model.hamiltonian((k + factor * shift).reshape(-1, 3))[0].reshape(
            5, 3, *(2 * [len(model.orbital_atom)])
        )
        for factor in (1, -1, 2, -2)
    )
    derivative = (8 * (forward - backward) - (forward2 - backward2)) / (12 * step)
    h = model.hamiltonian(K_POINTS)[0]
    dipole = dipole_matrix(model)
    for a in range(3):
        expected = derivative[:, a] - 1j * (dipole[a] @ h - h @ dipole[a])
        got = 1j * model.velocity(K_POINTS)[a]
        np.testing.assert_allclose(got, expected, atol=1e-9)


def dipole_matrix(model):
    exists = model.sites.exists.ravel()
    num_rows = exists.size
    full = np.zeros((3, num_rows, num_rows))
    for atom in range(num_rows // 9):
        rows = slice(9 * atom, 9 * atom + 9)
        full[:, rows, rows] = model.sites.dipole[:, atom]
    return full[:, exists][:, :, exists]


def test_bands_are_periodic_in_k(crystal, model):
    shifted = K_POINTS + np.array([1, -2, 1]) @ crystal.reciprocal_lattice
    bands = [np.linalg.eigvalsh(model.hamiltonian(k)[0]) for k in (K_POINTS, shifted)]
    np.testing.assert_allclose(*bands, atol=1e-10)


def test_bands_at_gamma_of_a_one_atom_crystal_add_up_all_hopping(crystals, build_model):
    """At Γ of a cubic crystal s does not mix with p: E_s = level + sum of V_ss of the bonds."""
    crystal = crystals["Al"]
    model = build_model(crystal)
    bonds = find_bonds(crystal.lattice, crystal.positions, model.sites.radius)
    level = onsite_levels(bonds, model.sites)[0, 0]
    expected = level + bond_integrals(bonds, model.sites.radius_d).ss_sigma.sum()
    energies = np.linalg.eigvalsh(model.hamiltonian(np.zeros((1, 3)))[0])[0]
    assert np.abs(energies - expected).min() < 1e-10


def test_cutoff_is_smooth_and_ends():
    x = np.linspace(0.8, 1.7, 901)
    f = cutoff_function(x)
    assert cutoff_function(np.array([1.22]))[0] == pytest.approx(0.5)
    assert f[0] == pytest.approx(1, abs=2e-3)
    assert (f[x >= 1.6] == 0).all()
    assert (np.diff(f) <= 0).all()
    assert np.abs(np.diff(f)).max() < 5e-3  # no jumps: the slope is at most 1 / (4 * 0.06)


def test_neighbours_within_the_cutoff(crystals, build_model):
    """fcc at x = 0.905, 1.28, 1.57: 12 + 6 + 24 bonds."""
    crystal = crystals["Cu"]
    radius = build_model(crystal).sites.radius
    bonds = find_bonds(crystal.lattice, crystal.positions, radius)
    x = np.unique((bonds.length / (2 * radius[0])).round(6))
    assert len(bonds.length) == 42
    np.testing.assert_allclose(x, [0.905, 1.280, 1.567], atol=1e-3)


def test_harrison_scaling(crystals, build_model):
    model = build_model(crystals["CuZn"])
    crystal, r_d = crystals["CuZn"], model.sites.radius_d
    bonds = find_bonds(crystal.lattice, crystal.positions, model.sites.radius)
    v = bond_integrals(bonds, r_d)
    i, j, d = bonds.source, bonds.target, bonds.length
    unit = HBAR2_OVER_MASS * bonds.cutoff
    np.testing.assert_allclose(v.sp_sigma, 1.30 * unit / d**2)
    np.testing.assert_allclose(v.pd_pi, 2.65 * unit * r_d[j] ** 1.5 / d**3.5)
    np.testing.assert_allclose(v.ds_sigma, -3.95 * unit * r_d[i] ** 1.5 / d**3.5)
    np.testing.assert_allclose(v.dd_delta, -2.3 * unit * (r_d[i] * r_d[j]) ** 1.5 / d**5)
