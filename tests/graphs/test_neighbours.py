"""Edges and three-body pairs against shells counted by hand, pymatgen, and a plain double loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from optimetal.graphs.neighbours import crystal_graph, edge_pairs, neighbour_edges, pair_cosines

CUBE = np.eye(3)


def edge_set(edges):
    return set(map(tuple, np.c_[edges.edge_index.T, edges.cell_shift].tolist()))


@pytest.mark.parametrize(
    ("constant", "num_edges"),
    [(5.5, 6), (4.0, 6), (2.75, 32), (3.8890872, 18)],
    ids=["shell on the cutoff", "first shell", "cutoff is 2a", "cutoff is sqrt(2) a"],
)
def test_simple_cubic_shells(constant, num_edges):
    # shells of the simple cubic lattice: 6 at a, 12 at sqrt(2) a, 8 at sqrt(3) a, 6 at 2 a
    edges = neighbour_edges(constant * CUBE, np.zeros((1, 3)), 5.5)
    assert edges.edge_length.size == num_edges


def test_pairs_of_simple_cubic():
    # six edges leave the atom: 6 * 5 ordered pairs, 6 opposite, 24 at right angles
    graph = crystal_graph(4.0 * CUBE, [29], np.zeros((1, 3)), 5.5, 4.0)
    cosine, counts = np.unique(graph.triplet_cosine.round(6), return_counts=True)
    np.testing.assert_allclose(cosine, [-1.0, 0.0], atol=1e-6)
    assert counts.tolist() == [6, 24]
    assert graph.triplet_cosine.min() >= -(1 - 1e-7)


def random_crystal(seed):
    generator = np.random.default_rng(seed)
    lattice = 3.5 * np.eye(3) + generator.uniform(-0.6, 0.6, (3, 3))
    num_atoms = generator.integers(1, 5)
    fractional = generator.uniform(-1, 2, (num_atoms, 3))
    return lattice, np.full(num_atoms, 29), fractional @ lattice


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_edges_agree_with_pymatgen(seed):
    lattice, numbers, positions = random_crystal(seed)
    structure = Structure(Lattice(lattice), numbers, positions, coords_are_cartesian=True)
    centre, neighbour, image, length = structure.get_neighbor_list(4.5, exclude_self=True)
    edges = neighbour_edges(lattice, positions, 4.5)
    assert edge_set(edges) == set(map(tuple, np.c_[centre, neighbour, image].astype(int).tolist()))
    np.testing.assert_allclose(np.sort(edges.edge_length), np.sort(length), rtol=1e-10)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_pairs_agree_with_a_double_loop(seed):
    lattice, _, positions = random_crystal(seed)
    edges = neighbour_edges(lattice, positions, 4.5)
    source, length = edges.edge_index[0], edges.edge_length
    expected = {
        (a, b)
        for a in range(length.size)
        for b in range(length.size)
        if a != b and source[a] == source[b] and max(length[a], length[b]) <= 3.6
    }
    pairs = edge_pairs(edges, 3.6)
    assert set(map(tuple, pairs.T.tolist())) == expected
    assert pairs.shape[1] == len(expected)


def test_edge_vectors_join_the_atoms():
    lattice, _, positions = random_crystal(3)
    edges = neighbour_edges(lattice, positions, 5.0)
    source, target = edges.edge_index
    expected = positions[target] + edges.cell_shift @ lattice - positions[source]
    np.testing.assert_allclose(edges.edge_vector, expected, atol=1e-12)
    assert (np.diff(source) >= 0).all()


def test_cosines_are_those_of_the_vectors():
    vectors = np.array([[1.0, 0, 0], [1, 1, 0], [-2, 0, 0]])
    cosine = pair_cosines(vectors, np.array([[0, 0], [1, 2]]))
    np.testing.assert_allclose(cosine, [np.sqrt(0.5), -(1 - 1e-7)], rtol=1e-12)


def test_supercell_repeats_the_graph():
    lattice, numbers, positions = random_crystal(7)
    single = crystal_graph(lattice, numbers, positions, 5.0, 3.6)
    double = crystal_graph(
        np.diag([2, 1, 1]) @ lattice,
        np.tile(numbers, 2),
        np.concatenate([positions, positions + lattice[0]]),
        5.0,
        3.6,
    )
    np.testing.assert_allclose(
        np.sort(double.edge_length), np.sort(np.tile(single.edge_length, 2)), atol=1e-9
    )
    np.testing.assert_allclose(
        np.sort(double.triplet_cosine), np.sort(np.tile(single.triplet_cosine, 2)), atol=1e-7
    )


def test_an_isolated_atom_has_no_edges():
    graph = crystal_graph(20 * CUBE, [29], np.zeros((1, 3)), 5.5, 4.0)
    assert graph.edge_index.shape == (2, 0)
    assert graph.triplet_index.shape == (2, 0)


def test_no_triplet_cutoff_means_no_pairs():
    assert crystal_graph(3 * CUBE, [29], np.zeros((1, 3)), 5.5).triplet_index.shape == (2, 0)


@pytest.mark.parametrize(
    ("lattice", "numbers", "positions", "message"),
    [
        (np.ones((3, 3)), [29], np.zeros((1, 3)), "singular lattice"),
        (3 * CUBE, [29, 29], np.zeros((2, 3)), "atoms 0 and 1"),
        (3 * CUBE, [29], np.full((1, 3), np.nan), "finite"),
        (3 * CUBE, [], np.zeros((0, 3)), "at least one atom"),
        (3 * CUBE, [29, 30], np.zeros((1, 3)), "one element per position, got 2 and 1"),
        (3 * CUBE, [84], np.zeros((1, 3)), r"to Bi .*got Z = \[84\]"),
        (np.eye(2), [29], np.zeros((1, 3)), r"\(3, 3\) lattice"),
    ],
)
def test_bad_geometry_is_named(lattice, numbers, positions, message):
    with pytest.raises(ValueError, match=message):
        crystal_graph(lattice, numbers, positions, 5.5, 4.0)
