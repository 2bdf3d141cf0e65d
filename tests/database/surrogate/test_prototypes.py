import re
from collections import Counter

import numpy as np
import pytest

from optimetal.database.surrogate.brillouin import Crystal
from optimetal.database.surrogate.prototypes import PROTOTYPES

CENTRING = {"P": 1, "C": 2, "I": 2, "F": 4}
"""Primitive cells in the cell that the Pearson symbol counts."""


def as_crystal(prototype, species=None):
    species = prototype.site_species if species is None else species
    return Crystal(prototype.lattice, prototype.fractional_positions, np.asarray(species) + 1)


def test_the_small_set_is_complete():
    assert len(PROTOTYPES) == 24
    assert sum(p.weight for p in PROTOTYPES.values()) == 127


@pytest.mark.parametrize("prototype", PROTOTYPES.values(), ids=PROTOTYPES)
def test_geometry_agrees_with_the_aflow_tag(prototype):
    formula, pearson, space_group = prototype.aflow.split("_")[:3]
    assert as_crystal(prototype).symmetry.number == int(space_group)
    num_atoms = int(pearson[2:]) / CENTRING[pearson[1]]
    assert len(prototype.site_species) == num_atoms
    assert prototype.uniaxial == (pearson[0] in "th")
    stoichiometry = [int(n or 1) for n in re.findall(r"[A-Z](\d*)", formula)]
    count = sorted(Counter(prototype.site_species.tolist()).values())
    assert len(count) == prototype.num_species
    np.testing.assert_allclose(
        np.array(count) / sum(count), np.sort(stoichiometry) / sum(stoichiometry)
    )


@pytest.mark.parametrize("prototype", PROTOTYPES.values(), ids=PROTOTYPES)
def test_unique_axis_is_along_z(prototype):
    if prototype.uniaxial:
        rotations = as_crystal(prototype).symmetry.rotations
        basis = prototype.lattice.T
        cartesian = basis @ rotations @ np.linalg.inv(basis)
        np.testing.assert_allclose(np.abs(cartesian[:, 2, 2]), 1, atol=1e-6)


def test_equivalent_orders_give_the_same_crystal():
    """CsCl with its atoms exchanged is CsCl, shifted by half a diagonal; Cu3Au is not."""
    assert PROTOTYPES["CsCl"].canonical_order(("Cu", "Zn")) == ("Cu", "Zn")
    assert PROTOTYPES["CsCl"].canonical_order(("Zn", "Cu")) == ("Cu", "Zn")
    heusler = PROTOTYPES["MnAlCu2"]
    assert heusler.canonical_order(("Mn", "Cu", "Al")) == heusler.canonical_order(
        ("Al", "Cu", "Mn")
    )
    assert heusler.canonical_order(("Cu", "Mn", "Al")) == ("Al", "Mn", "Cu")
    assert PROTOTYPES["Cu3Au"].canonical_order(("Zn", "Cu")) == ("Zn", "Cu")


@pytest.mark.parametrize(
    "prototype", [p for p in PROTOTYPES.values() if p.equivalent_orders], ids=lambda p: p.name
)
def test_equivalent_orders_have_equal_distances(prototype):
    """Sorted distances between every pair of species are the same after the exchange."""
    from optimetal.database.surrogate.neighbours import periodic_pairs

    pairs = periodic_pairs(
        prototype.lattice, prototype.fractional_positions @ prototype.lattice, cutoff=8.0
    )
    for order in prototype.equivalent_orders:
        species = prototype.site_species
        exchanged = np.array(order)[species]
        for a in range(prototype.num_species):
            for b in range(prototype.num_species):
                before = (species[pairs.source] == a) & (species[pairs.target] == b)
                after = (exchanged[pairs.source] == a) & (exchanged[pairs.target] == b)
                np.testing.assert_allclose(
                    np.sort(pairs.length[before]), np.sort(pairs.length[after]), atol=1e-6
                )
