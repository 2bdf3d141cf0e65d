"""What a training set held."""

import json

import numpy as np
import pytest
import torch

from optimetal.graphs import domain
from optimetal.graphs.domain import domain_of
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.graphs.quotient import quotient_graphs


@pytest.fixture(scope="module")
def crystals(prototypes):
    alone = 20 * np.eye(3), np.array([55]), np.zeros((1, 3))
    return [prototypes[name] for name in ("Cu", "NaCl", "CaTiO3")] + [alone]


def packed(crystals, tolerance, triplet_cutoff=4.0):
    graphs = [crystal_graph(*crystal, 5.5, triplet_cutoff) for crystal in crystals]
    return pack(quotient_graphs(graphs, tolerance), 5.5, triplet_cutoff)


@pytest.mark.parametrize("tolerance", [0, 1e-4])
@pytest.mark.parametrize("triplet_cutoff", [None, 4.0])
def test_elements_sizes_and_distances(crystals, tolerance, triplet_cutoff, monkeypatch):
    found = domain_of(packed(crystals, tolerance, triplet_cutoff))
    # by hand: perovskite CuAlTi3 of 80 Å³ with Al in the middle, a/2 from Ti, and Cu in the corner,
    # a/√2 from Ti; fcc Cu of 16 Å³ and rock salt lie between; the lonely Cs has no neighbour
    assert found["elements"] == ["Na", "Al", "Cl", "Ti", "Cu", "Cs"]
    assert found["max_atoms"] == 5
    edge = 80 ** (1 / 3)
    assert found["nearest"] == pytest.approx([edge / 2, edge / 2**0.5], abs=1e-3)
    assert json.loads(json.dumps(found)) == found
    monkeypatch.setattr(domain, "_TOGETHER", 2)
    assert domain_of(packed(crystals, tolerance, triplet_cutoff)) == found


def test_only_the_crystals_learned_from_count(crystals):
    found = domain_of(packed(crystals, 1e-4), torch.tensor([1, 0]))
    assert found == domain_of(packed(crystals, 1e-4), [0, 1])
    assert found["elements"] == ["Na", "Cl", "Cu"]
    assert found["max_atoms"] == 2
    assert found["nearest"] == pytest.approx([2.8, 4 / 2**0.5], abs=1e-3)


def test_supercells_count_as_they_are(prototypes, other_descriptions):
    large = other_descriptions(prototypes["Cu"])["2x2x2"]
    assert domain_of(packed([large], 1e-4))["max_atoms"] == 8


def test_atoms_without_neighbours_have_no_distance(crystals):
    assert domain_of(packed(crystals[-1:], 1e-4)) == {
        "elements": ["Cs"],
        "max_atoms": 1,
        "nearest": None,
    }
