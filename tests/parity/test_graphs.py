"""Edges and three-body pairs equal those of the published code."""

import json

import numpy as np
import pytest

from optimetal.graphs.neighbours import edge_pairs, neighbour_edges


@pytest.fixture(scope="module")
def published(parity):
    crystals = json.loads((parity / "crystals.json").read_text())
    with np.load(parity / "graphs.npz") as graphs:
        return crystals, dict(graphs)


def names(index, shift):
    return list(map(tuple, np.c_[index.T, shift].astype(int).tolist()))


@pytest.mark.parametrize("number", range(24))
def test_same_edges_and_pairs(published, number):
    crystals, graphs = published
    crystal = crystals[number]
    edge_rows = slice(*graphs["edge_offsets"][number : number + 2])
    pair_rows = slice(*graphs["triplet_offsets"][number : number + 2])
    cutoff, triplet_cutoff = graphs["cutoffs"]
    edges = neighbour_edges(np.array(crystal["lattice"]), np.array(crystal["positions"]), cutoff)
    ours = names(edges.edge_index, edges.cell_shift)
    theirs = names(graphs["edge_index"][:, edge_rows], graphs["pbc_offset"][edge_rows])
    assert len(ours) == len(theirs)
    assert set(ours) == set(theirs)
    length = dict(zip(theirs, graphs["edge_length"][edge_rows], strict=True))
    np.testing.assert_allclose(edges.edge_length, [length[name] for name in ours], atol=1e-6)
    our_pairs = edge_pairs(edges, triplet_cutoff).T.tolist()
    their_pairs = graphs["threebody_index"][:, pair_rows].T.tolist()
    assert len(our_pairs) == len(their_pairs)
    assert {(ours[a], ours[b]) for a, b in our_pairs} == {
        (theirs[a], theirs[b]) for a, b in their_pairs
    }
