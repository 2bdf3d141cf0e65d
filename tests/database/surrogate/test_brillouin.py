import numpy as np
import pytest

from optimetal.database.surrogate.brillouin import (
    Crystal,
    fermi_function,
    find_fermi_level,
    k_mesh,
    primitive_crystal,
)


def full_mesh(crystal, spacing):
    """The same mesh without using any symmetry."""
    reciprocal = crystal.reciprocal_lattice
    size = np.ceil(np.linalg.norm(reciprocal, axis=1) / spacing).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1)
    return (grid.reshape(-1, 3) + 0.5) / size @ reciprocal


def test_weights_of_the_mesh(crystal):
    k, weight = k_mesh(crystal, 0.4)
    assert weight.sum() == pytest.approx(1)
    assert len(k) == len(weight)
    assert (
        len(k) <= len(full_mesh(crystal, 0.4)) / 2 + 1
    )  # time reversal halves even the worst case


def test_wedge_and_full_mesh_have_the_same_density_of_states(crystal, model):
    k, weight = k_mesh(crystal, 0.4)
    wedge = model.hamiltonian(k)[0]
    full = model.hamiltonian(full_mesh(crystal, 0.4))[0]

    def moments(hamiltonian, weight):
        energy = np.linalg.eigvalsh(hamiltonian)
        return [weight @ (energy**power).sum(axis=1) for power in (1, 2, 3)]

    uniform = np.full(len(full), 1 / len(full))
    np.testing.assert_allclose(moments(wedge, weight), moments(full, uniform), rtol=1e-10)


def test_supercell_and_other_cell_have_the_same_primitive_cell(crystals):
    crystal = crystals["TiAl"]
    skew = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    other = (skew @ crystal.lattice, crystal.atomic_numbers, crystal.positions)
    images = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]]) @ crystal.lattice
    doubled = (
        np.diag([2, 1, 2]) @ crystal.lattice,
        np.tile(crystal.atomic_numbers, 4),
        (images[:, None] + crystal.positions).reshape(-1, 3),
    )
    own = (crystal.lattice, crystal.atomic_numbers, crystal.positions)
    reference = primitive_crystal(*own)
    for cell in (other, doubled):
        found = primitive_crystal(*cell)
        np.testing.assert_allclose(found.lattice, reference.lattice, atol=1e-9)
        assert sorted(found.atomic_numbers) == sorted(reference.atomic_numbers)


def test_equivalent_atoms(crystals):
    assert len(set(crystals["CuZn"].equivalent_atoms)) == 2
    labels = crystals["PtAl2"].equivalent_atoms
    assert labels[0] != labels[1] == labels[2]


def test_coinciding_atoms_are_refused():
    with pytest.raises(ValueError, match="do atoms coincide"):
        primitive_crystal(3 * np.eye(3), np.array([29, 29]), np.zeros((2, 3)))


def test_reciprocal_lattice():
    crystal = Crystal(
        np.array([[2.0, 0, 0], [1, 3, 0], [0, 1, 4]]), np.zeros((1, 3)), np.array([3])
    )
    np.testing.assert_allclose(
        crystal.lattice @ crystal.reciprocal_lattice.T, 2 * np.pi * np.eye(3), atol=1e-12
    )


def test_fermi_level_holds_the_electrons():
    rng = np.random.default_rng(0)
    energy = rng.normal(size=(20, 6)) * 3
    weight = rng.random(20)
    weight /= weight.sum()
    level = find_fermi_level(energy, weight, 5.0)
    assert 2 * weight @ fermi_function(energy, level).sum(axis=1) == pytest.approx(5.0, abs=1e-8)


def test_fermi_function_limits():
    kt = 0.25
    energy = np.array([-1e3, 0.0, kt * np.log(3), 1e3])
    np.testing.assert_allclose(fermi_function(energy, 0.0, kt), [1, 0.5, 0.25, 0], atol=1e-12)
