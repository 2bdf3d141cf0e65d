"""From a structure as people have it to the graph that networks see."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import DummySpecies, IStructure, Lattice, Structure

from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.quotient import quotient_graph
from optimetal.inference.domain import Domain
from optimetal.inference.preparation import Settings, as_structure, prepare, primitive_cell

SETTINGS = Settings(5.5, 4.0, Domain())
KNOWN = Settings(5.5, 4.0, Domain(frozenset({"Cu"}), 9, (1, 9)))


def rows(graph):
    """Lengths and cosines with their multiplicities, in an order that the cell has no part in."""
    edges = np.stack([graph.edge_length.round(6), graph.edge_multiplicity])
    pairs = np.stack([graph.triplet_cosine.round(6), graph.triplet_multiplicity])
    return [graph.atomic_numbers, *(part[:, np.lexsort(part)] for part in (edges, pairs))]


def assert_same_graph(one, other):
    for ours, theirs in zip(rows(one), rows(other), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_graph_is_the_quotient_of_the_crystal(low_symmetry):
    prepared = prepare(low_symmetry, None, SETTINGS)
    full = crystal_graph(
        low_symmetry.lattice.matrix,
        np.array(low_symmetry.atomic_numbers),
        low_symmetry.cart_coords,
        5.5,
        4.0,
    )
    assert_same_graph(prepared.graph, quotient_graph(full, 1e-4))
    assert prepared.structure == low_symmetry
    assert prepared.name == "AlCu2"
    assert prepare(low_symmetry, "mine", SETTINGS).name == "mine"


def test_no_pairs_for_two_body_networks(copper):
    prepared = prepare(copper, None, replace(SETTINGS, triplet_cutoff=None))
    assert prepared.graph.triplet_cosine.size == 0
    assert prepared.graph.edge_length.max() < 5.5


def test_cells_are_reduced_where_that_is_exact(copper):
    prepared = prepare(copper, None, KNOWN)
    assert prepared.notes == ("The cell of 4 atoms was reduced to a primitive one of 1.",)
    assert (len(prepared.structure), prepared.warnings) == (1, ())
    kept = prepare(copper, None, replace(KNOWN, reduce=False))
    assert (len(kept.structure), kept.notes) == (4, ())
    assert prepared.structure.volume == pytest.approx(copper.volume / 4)
    assert prepared.structure.matches(copper)
    assert_same_graph(prepared.graph, kept.graph)
    assert (prepared.graph.class_size, kept.graph.class_size) == (1, 4)


def test_orientation_is_kept(copper):
    turned = copper.copy()
    angle = np.deg2rad(20)
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    turned.lattice = Lattice(turned.lattice.matrix @ turn)
    reduced = primitive_cell(turned).lattice
    whole = turned.lattice.matrix @ np.linalg.inv(reduced.matrix)
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-8)
    assert abs(np.linalg.det(whole)) == pytest.approx(4)


@pytest.mark.parametrize(("shift", "num_atoms"), [(2e-5, 1), (1e-3, 8)])
def test_atoms_that_differ_are_not_merged(copper, shift, num_atoms):
    """Å: below the tolerance of the graphs, and above it."""
    cell = primitive_cell(copper) * (2, 2, 2)
    cell.translate_sites([0], [shift, 0, 0], frac_coords=False)
    assert len(prepare(cell, None, SETTINGS).structure) == num_atoms


def test_different_elements_are_not_merged(copper):
    copper.replace(0, "Au")
    assert prepare(copper, None, KNOWN).notes == ()


def test_a_card_without_domain_is_noted(copper):
    (note,) = prepare(primitive_cell(copper), None, SETTINGS).notes
    assert "does not tell the elements, sizes of cells, distances of neighbours" in note
    partly = replace(SETTINGS, domain=Domain(max_atoms=8, nearest=(1, 9)))
    (note,) = prepare(primitive_cell(copper), None, partly).notes
    assert "does not tell the elements of its training set" in note


def test_warnings_come_along(copper):
    copper.replace_species({"Cu": "Pt"})
    (warning,) = prepare(copper, None, KNOWN).warnings
    assert "Pt" in warning


def test_prepared_and_settings_go_to_other_processes(copper):
    prepared = pickle.loads(pickle.dumps(prepare(copper, "a", KNOWN)))
    assert (prepared.name, len(prepared.structure)) == ("a", 1)
    assert pickle.loads(pickle.dumps(KNOWN)) == KNOWN


def test_properties_of_sites_are_left_out(copper):
    decorated = copper.copy()
    decorated.add_oxidation_state_by_element({"Cu": 1})
    decorated.add_site_property("magmom", [1, -1, 1, -1])
    assert as_structure(decorated) == copper
    assert len(prepare(decorated, None, SETTINGS).structure) == 1
    assert as_structure(IStructure.from_sites(copper.sites)) == copper


def test_ase_atoms(low_symmetry, as_atoms):
    atoms = as_atoms(low_symmetry)
    assert as_structure(atoms) == low_symmetry
    atoms.info["occupancy"] = {"0": {"Al": 1.0}, "1": {"Cu": 1}}
    assert as_structure(atoms) == low_symmetry


@pytest.mark.parametrize(
    "occupancy", [{"0": {"Al": 0.5}}, {"0": {"Al": 0.5, "Au": 0.5}}, {"0": {"Al": 1, "Au": 1}}]
)
def test_disordered_atoms_of_ase_are_refused(low_symmetry, as_atoms, occupancy):
    atoms = as_atoms(low_symmetry)
    atoms.info["occupancy"] = occupancy
    with pytest.raises(ValueError, match="disordered: some sites are shared"):
        prepare(atoms, None, SETTINGS)


@pytest.mark.parametrize("occupancy", [{"Cu": 0.5, "Au": 0.5}, {"Cu": 0.9}])
def test_disordered_structures_are_refused(occupancy):
    alloy = Structure(Lattice.cubic(3), [occupancy], [[0, 0, 0]])
    with pytest.raises(ValueError, match="ordered approximants"):
        prepare(alloy, None, SETTINGS)


@pytest.mark.parametrize("periodic", [False, (True, True, False)])
def test_molecules_and_slabs_are_refused(copper, as_atoms, periodic):
    atoms = as_atoms(copper)
    atoms.pbc = periodic
    with pytest.raises(ValueError, match="periodic in all three directions"):
        prepare(atoms, None, SETTINGS)
    if periodic:
        slab = Structure(Lattice(copper.lattice.matrix, pbc=periodic), ["Cu"], [[0, 0, 0]])
        with pytest.raises(ValueError, match="molecules and slabs"):
            prepare(slab, None, SETTINGS)


@pytest.mark.parametrize(
    ("species", "message"),
    [("U", "holds U"), ("Og", "holds Og"), (DummySpecies("X"), "holds no element")],
)
def test_unknown_elements_are_refused(copper, species, message):
    copper.replace(0, species)
    with pytest.raises(ValueError, match=message):
        prepare(copper, None, SETTINGS)


def test_deuterium_is_hydrogen():
    structure = Structure(Lattice.cubic(3), ["D"], [[0, 0, 0]])
    assert as_structure(structure).atomic_numbers == (1,)


def test_what_is_no_crystal_is_refused(copper, as_atoms):
    with pytest.raises(ValueError, match="at least one atom"):
        prepare(Structure(Lattice.cubic(3), [], []), None, SETTINGS)
    flat = as_atoms(copper)
    flat.cell[2] = 0
    with pytest.raises(ValueError, match="span a volume"):
        prepare(flat, None, SETTINGS)
    twice = Structure(Lattice.cubic(3), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match=r"less than 0\.001 Å"):
        prepare(twice, None, SETTINGS)
    with pytest.raises(TypeError, match=r"got dict: read files with Structure\.from_file"):
        prepare({}, None, SETTINGS)
