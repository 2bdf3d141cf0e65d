"""The quotient of a crystal graph: what is merged, what is not, and what it may not depend on."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimetal.graphs.neighbours import CrystalGraph, crystal_graph
from optimetal.graphs.quotient import quotient_graph, quotient_graphs

TOLERANCE = 1e-4


def full_graph(crystal, cutoff=5.5, triplet_cutoff=4.0):
    return crystal_graph(*crystal, cutoff, triplet_cutoff)


def without_pairs(graph):
    return replace(
        graph,
        triplet_index=np.zeros((2, 0), np.int64),
        triplet_cosine=np.zeros(0),
        triplet_multiplicity=np.zeros(0, np.int64),
    )


def sizes(graph):
    return len(graph.atomic_numbers), len(graph.edge_length), len(graph.triplet_cosine)


def populations(graph):
    edges = graph.edge_multiplicity * graph.class_size[graph.edge_index[1]]
    return graph.class_size, edges, graph.triplet_multiplicity * edges[graph.triplet_index[1]]


def random_crystal(seed, num_atoms=4):
    rng = np.random.default_rng(seed)
    lattice = (16 * num_atoms) ** (1 / 3) * np.eye(3) + rng.uniform(-0.5, 0.5, (3, 3))
    numbers = rng.choice([11, 29], num_atoms)
    while True:
        positions = rng.uniform(0, 1, (num_atoms, 3)) @ lattice
        if crystal_graph(lattice, numbers, positions, 5.5).edge_length.min() > 1.5:
            return lattice, numbers, positions


def assert_equal_graphs(one, two):
    for field in fields(CrystalGraph):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


def side_by_side(one, two):
    """Two crystals as one graph of two components."""
    columns = {
        field.name: np.concatenate([getattr(one, field.name), getattr(two, field.name)], axis=-1)
        for field in fields(CrystalGraph)
    }
    nodes, edges, triplets = sizes(one)
    columns["edge_index"][:, edges:] += nodes
    columns["triplet_index"][:, triplets:] += edges
    return CrystalGraph(**columns)


def stable_classes_by_hand(graph):
    """Numbers of classes, refined with plain dictionaries; reals are equal when they round alike."""
    atoms = list(graph.atomic_numbers)
    edges = [round(length, 5) for length in graph.edge_length]
    cosines = [round(cosine, 5) + 0.0 for cosine in graph.triplet_cosine]
    for _ in range(len(atoms) + 3):
        pairs = list(zip(*graph.triplet_index, cosines, strict=True))
        arriving = [[] for _ in edges]
        for first, second, cosine in pairs:
            arriving[second].append((edges[first], cosine))
        ends = zip(*graph.edge_index, strict=True)
        edges = [
            (edges[n], atoms[source], atoms[target], tuple(sorted(arriving[n])))
            for n, (source, target) in enumerate(ends)
        ]
        edges = numbered(edges)
        arriving = [[] for _ in atoms]
        for edge, target in zip(edges, graph.edge_index[1], strict=True):
            arriving[target].append(edge)
        atoms = numbered([(atom, tuple(sorted(arriving[n]))) for n, atom in enumerate(atoms)])
    triplets = {(edges[first], edges[second], cosine) for first, second, cosine in pairs}
    return len(set(atoms)), len(set(edges)), len(triplets)


def numbered(colours):
    names = {colour: number for number, colour in enumerate(sorted(set(colours)))}
    return [names[colour] for colour in colours]


def test_face_centred_cubic_by_hand(prototypes):
    # one atom; shells of 12, 6 and 24 at a/sqrt(2), a and a sqrt(3/2), a = 4.
    graph = quotient_graph(full_graph(prototypes["Cu"], cutoff=5.5), TOLERANCE)
    assert graph.class_size.tolist() == [1]
    order = np.argsort(graph.edge_length)
    assert graph.edge_multiplicity[order].tolist() == [12, 6, 24]
    np.testing.assert_allclose(graph.edge_length[order], 4 * np.sqrt([0.5, 1.0, 1.5]), rtol=1e-12)


def test_pairs_of_the_first_shell_of_fcc_by_hand(prototypes):
    # from each neighbour the 11 others are seen at 60 (4), 90 (2), 120 (4) and 180 degrees (1)
    graph = quotient_graph(full_graph(prototypes["Cu"], 3.0, 3.0), TOLERANCE)
    assert sizes(graph) == (1, 1, 4)
    order = np.argsort(graph.triplet_cosine)
    assert graph.triplet_multiplicity[order].tolist() == [1, 4, 2, 4]
    np.testing.assert_allclose(
        graph.triplet_cosine[order], [-(1 - 1e-7), -0.5, 0.0, 0.5], atol=1e-12
    )


def test_prototypes_against_plain_refinement(prototypes):
    for name, crystal in prototypes.items():
        graph = full_graph(crystal, 4.6, 3.6)
        for kind in (graph, without_pairs(graph)):
            assert sizes(quotient_graph(kind, TOLERANCE)) == stable_classes_by_hand(kind), name


@pytest.mark.parametrize("pairs", [True, False])
def test_populations_are_those_of_the_full_graph(prototypes, pairs):
    for crystal in [*prototypes.values(), random_crystal(1)]:
        full = full_graph(crystal)
        full = full if pairs else without_pairs(full)
        quotient = quotient_graph(full, TOLERANCE)
        assert tuple(p.sum() for p in populations(quotient)) == sizes(full)
        for weights in populations(quotient):
            assert (weights > 0).all()


def test_rows_are_sorted_by_target(prototypes):
    graph = quotient_graph(full_graph(prototypes["CaCu5"]), TOLERANCE)
    assert (np.diff(graph.edge_index[1]) >= 0).all()
    assert (np.diff(graph.triplet_index[1]) >= 0).all()


def test_other_descriptions_of_a_crystal_have_the_same_quotient(prototypes, other_descriptions):
    """A crystal beside another description of itself has no class more than alone."""
    for name, crystal in {**prototypes, "none": random_crystal(3)}.items():
        full = full_graph(crystal)
        alone = quotient_graph(full, TOLERANCE)
        for description, other in other_descriptions(crystal).items():
            other_full = full_graph(other)
            both = quotient_graph(side_by_side(full, other_full), TOLERANCE)
            assert sizes(both) == sizes(quotient_graph(other_full, TOLERANCE)), (name, description)
            copies = 1 + len(other.atomic_numbers) // len(full.atomic_numbers)
            expected = replace(alone, class_size=copies * alone.class_size)
            for field in fields(CrystalGraph):
                np.testing.assert_allclose(
                    getattr(both, field.name), getattr(expected, field.name), rtol=0, atol=1e-10
                )


def test_different_crystals_share_no_class(prototypes):
    graphs = [full_graph(crystal) for crystal in prototypes.values()]
    alone = quotient_graphs(graphs, TOLERANCE)
    for n in range(1, len(graphs)):
        both = quotient_graph(side_by_side(graphs[n - 1], graphs[n]), TOLERANCE)
        expected = np.add(sizes(alone[n - 1]), sizes(alone[n]))
        assert sizes(both) == tuple(expected)


def test_sites_of_one_element_are_told_apart(prototypes):
    # double hcp: layers with the neighbours of hcp and of fcc in turn
    graph = quotient_graph(full_graph(prototypes["dhcp"]), TOLERANCE)
    assert graph.class_size.tolist() == [2, 2]


def test_angles_tell_apart_what_lengths_do_not(prototypes):
    """The twelve nearest neighbours of fcc and of ideal hcp are equally far, at other angles."""
    lattice, numbers, positions = prototypes["dhcp"]
    hcp = lattice * [[1], [1], [0.5]], numbers[:2], positions[:2]
    fcc = 3.2 / 2**0.5 * (1 - np.eye(3)), numbers[:1], np.zeros((1, 3))
    both = side_by_side(full_graph(hcp, 3.5, 3.5), full_graph(fcc, 3.5, 3.5))
    assert sizes(quotient_graph(without_pairs(both), TOLERANCE)) == (1, 1, 0)
    assert quotient_graph(both, TOLERANCE).class_size.tolist() == [2, 1]


def test_nothing_is_merged_without_symmetry():
    full = full_graph(random_crystal(2))
    quotient = quotient_graph(full, TOLERANCE)
    assert len(quotient.atomic_numbers) == len(full.atomic_numbers)
    # but for the edges to opposite images of one atom, where no pair tells them apart
    between = [graph.edge_index[0] != graph.edge_index[1] for graph in (full, quotient)]
    assert between[0].sum() == between[1].sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-7, 1e-6]))
def test_noise_of_stored_positions_changes_no_class(prototypes, seed, noise):
    rng = np.random.default_rng(seed)
    lattice, numbers, positions = prototypes[rng.choice(list(prototypes))]
    noisy = lattice, numbers, positions + noise * rng.uniform(-1, 1, positions.shape)
    exact = quotient_graph(full_graph((lattice, numbers, positions)), TOLERANCE)
    other = quotient_graph(full_graph(noisy), TOLERANCE)
    assert sizes(other) == sizes(exact)
    for name in ("edge_length", "triplet_cosine"):
        values = np.sort(getattr(other, name)), np.sort(getattr(exact, name))
        np.testing.assert_allclose(*values, rtol=0, atol=5e-6)


def test_values_are_means_over_the_class():
    """A square chain whose two bonds differ by less than the tolerance."""
    lattice = np.diag([5.0 + 4e-5, 20, 20])
    crystal = lattice, np.array([29, 29]), np.array([[0.0, 0, 0], [2.5, 0, 0]])
    graph = quotient_graph(full_graph(crystal, 3.0, None), TOLERANCE)
    assert sizes(graph) == (1, 1, 0)
    np.testing.assert_allclose(graph.edge_length, 2.5 + 2e-5, rtol=1e-12)
    assert sizes(quotient_graph(full_graph(crystal, 3.0, None), 1e-5)) == (1, 2, 0)


def test_a_quotient_is_its_own_quotient(prototypes):
    for crystal in prototypes.values():
        quotient = quotient_graph(full_graph(crystal), TOLERANCE)
        assert_equal_graphs(quotient_graph(quotient, TOLERANCE), quotient)


def test_company_does_not_matter(prototypes):
    lonely = 20 * np.eye(3), np.array([29]), np.zeros((1, 3))
    crystals = [*prototypes.values(), lonely, random_crystal(4)]
    graphs = [full_graph(crystal) for crystal in crystals]
    for graph, together in zip(graphs, quotient_graphs(graphs, TOLERANCE), strict=True):
        assert_equal_graphs(quotient_graph(graph, TOLERANCE), together)


def test_tolerance_zero_leaves_the_full_graph(prototypes):
    full = full_graph(prototypes["CaTiO3"])
    assert_equal_graphs(quotient_graph(full, 0.0), full)


def test_atoms_without_edges_are_merged_by_element():
    positions = np.array([[0.0, 0, 0], [20, 0, 0], [40, 0, 0]])
    full = full_graph((60 * np.eye(3), np.array([29, 11, 29]), positions))
    quotient = quotient_graph(full, TOLERANCE)
    assert sizes(quotient) == (2, 0, 0)
    assert quotient.class_size.tolist() == [2, 1]
    assert quotient.edge_index.shape == quotient.triplet_index.shape == (2, 0)


def test_no_crystals_no_graphs():
    assert quotient_graphs([], TOLERANCE) == []


@pytest.mark.parametrize("tolerance", [-1e-4, float("nan"), float("inf")])
def test_a_bad_tolerance_is_refused(prototypes, tolerance):
    with pytest.raises(ValueError, match="tolerance of 0 Å or more"):
        quotient_graph(full_graph(prototypes["Cu"]), tolerance)
