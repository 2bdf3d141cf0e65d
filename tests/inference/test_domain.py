"""Warnings: each is given where it should be, and not where it should not."""

import numpy as np
import pytest
from pymatgen.core import Composition, Element, Lattice, Structure

from optimetal.graphs.domain import domain_of
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.graphs.quotient import quotient_graph
from optimetal.inference.domain import (
    Domain,
    closed_shell_charges,
    domain_warnings,
    nearest_distances,
)

SEEN = Domain(frozenset({"Al", "Cu", "Au"}), 4, (2.2, 3.1))


def graph_of(structure):
    numbers = np.array(structure.atomic_numbers)
    full = crystal_graph(structure.lattice.matrix, numbers, structure.cart_coords, 5.5)
    return quotient_graph(full, 1e-4)


def warnings_of(structure, domain=SEEN):
    return domain_warnings(structure, graph_of(structure), domain)


def cubic(edge, species, *positions):
    return Structure(Lattice.cubic(edge), species, [[0, 0, 0], *positions])


def test_a_crystal_like_those_of_the_training_set(copper, gold_copper, low_symmetry):
    for structure in (copper, gold_copper, low_symmetry):
        assert warnings_of(structure) == []


def test_unknown_domain_gives_no_warning(gold_copper):
    gold_copper.replace_species({"Au": "Pt"})
    assert warnings_of(gold_copper * (2, 1, 1), Domain()) == []


def test_unseen_elements(gold_copper):
    gold_copper.replace_species({"Au": "Pt"})
    assert warnings_of(gold_copper) == ["No crystal of the training set contained Pt."]
    gold_copper.replace_species({"Cu": "Ir"})
    assert warnings_of(gold_copper) == ["No crystal of the training set contained Pt or Ir."]
    nothing_in_common = Domain(frozenset())
    assert "contained Pt or Ir" in warnings_of(gold_copper, nothing_in_common)[0]


def test_larger_cells_than_any_seen(gold_copper):
    assert warnings_of(gold_copper * (2, 1, 1)) == [
        "The cell has 8 atoms, the largest of the training set had 4."
    ]


METALS = (
    "Cu Cu3Au TiN ZrN VN ReO3 RuO2 SrRuO3 NaWO3 TiC WC MgB2 LaB6 LaNi5 CoSi2 PdH TiH2 NbS2 TiO As Sb "
    "AuAl2 YBa2Cu3O7 BaFe2As2 NiAs Mg2Si CuO"
)
NO_METALS = (
    "NaCl MgO TiO2 SrTiO3 CaTiO3 Al2O3 GaAs ZnS CdTe PbTe Bi2Te3 Cu2O CeO2 Nd2O3 EuO CaCO3 AlN BN SiC "
    "Si C MgH2 CsPbI3 KH2PO4 WO3 MgAgAs H2O"
)


@pytest.mark.parametrize("formula", METALS.split())
def test_metals_are_not_taken_for_others(formula):
    """Some of them, such as Mg2Si, are none, but nothing says so: the guess errs on this side."""
    structure = chemically(formula)
    assert not any("probably no metal" in warning for warning in warnings_of(structure))


@pytest.mark.parametrize("formula", NO_METALS.split())
def test_insulators_and_semiconductors_are_mentioned(formula):
    (warning,) = (w for w in warnings_of(chemically(formula)) if "probably no metal" in w)
    assert "(a guess)" in warning
    assert "know metals only" in warning


def chemically(formula):
    """Atoms in a row with a composition; distances do not matter here."""
    composition = Composition(formula)
    species = [e for e, n in composition.items() for _ in range(int(n))]
    places = np.linspace(0, 1, len(species), endpoint=False)
    lattice = Lattice.tetragonal(3, 2.5 * len(species))
    return Structure(lattice, species, [[0, 0, z] for z in places])


def test_charges_of_closed_shells():
    assert closed_shell_charges(Composition("CaTiO3")) == {"Ca": 2, "Ti": 4, "O": -2}
    assert closed_shell_charges(Composition("PbO")) == {"Pb": 2, "O": -2}
    assert closed_shell_charges(Composition("Fe3O4")) is None
    assert closed_shell_charges(Composition("Na")) is None


def test_isolated_atoms():
    (alone,) = warnings_of(cubic(6, ["Al"]))
    assert alone.startswith("An atom of Al has no neighbour as far as the networks see")
    assert warnings_of(cubic(6, ["Al"]), Domain()) == [alone]


def test_atoms_too_close_or_too_far():
    near, *others = warnings_of(cubic(1.7, ["Cu"]), Domain())
    assert others == []
    assert near == (
        "The distance Cu–Cu of 1.70 Å is only 64% of the sum of the covalent radii: check the structure."
    )
    assert warnings_of(cubic(1.9, ["Cu"]), Domain()) == []  # 72 %
    (far,) = warnings_of(cubic(5.4, ["Cu"]), Domain())
    assert far.startswith("An atom of Cu is 5.40 Å from its nearest neighbour, more than 2 times")
    assert warnings_of(cubic(5.2, ["Cu"]), Domain()) == []


def test_the_nearest_neighbour_of_each_atom_counts():
    """Three Al in a chain along z: only the last one is far from the others."""
    lattice = Lattice.tetragonal(5.3, 12)
    chain = Structure(lattice, ["Al", "Al", "Cu"], [[0, 0, 0], [0, 0, 2.6 / 12], [0, 0, 7.2 / 12]])
    np.testing.assert_allclose(sorted(nearest_distances(graph_of(chain))), [2.6, 2.6, 4.6])
    (unusual,) = warnings_of(chain)
    assert unusual == (
        "Some nearest neighbours are 4.60 Å apart; in the training set it was 2.20 to 3.10 Å."
    )


@pytest.mark.parametrize(
    ("edge", "seen"), [(2.18, False), (2.195, True), (3.105, True), (3.12, False)]
)
def test_distances_outside_those_seen(edge, seen):
    assert [("training set it was" in w) for w in warnings_of(cubic(edge, ["Al"]))] == (
        [] if seen else [True]
    )


def test_distances_outside_on_both_sides():
    lattice = Lattice.tetragonal(5.3, 12)
    chain = Structure(lattice, ["Al", "Al", "Cu"], [[0, 0, 0], [0, 0, 2.1 / 12], [0, 0, 7.0 / 12]])
    (unusual,) = warnings_of(chain)
    assert "neighbours are 2.10 and 4.90 Å apart" in unusual


def test_domains_of_several_members():
    cards = [
        {"domain": {"elements": ["Cu", "Al"], "max_atoms": 8, "nearest": [2.0, 3.0]}},
        {"domain": {"elements": ["Cu", "Au"], "max_atoms": 4, "nearest": [2.5, 4.0]}},
        {"domain": {"elements": ["Cu", "Pt"], "max_atoms": 9, "nearest": None}},
        {"domain": None},
        {},
    ]
    assert Domain.of_cards(cards) == Domain(frozenset({"Cu"}), 4, (2.5, 3.0))
    assert Domain.of_cards(cards[3:]) == Domain()


def test_no_crystal_of_the_training_set_is_outside_of_it(copper, gold_copper, low_symmetry):
    structures = [copper, gold_copper, low_symmetry]
    graphs = [graph_of(structure) for structure in structures]
    domain = Domain.of_cards([{"domain": domain_of(pack(graphs, 5.5, None))}])
    for structure, graph in zip(structures, graphs, strict=True):
        assert domain_warnings(structure, graph, domain) == []
    assert domain.elements == {"Al", "Cu", "Au"}


@pytest.mark.parametrize("atomic_number", range(1, 84))
def test_every_element_has_a_radius(atomic_number):
    structure = cubic(5.49, [Element.from_Z(atomic_number)])
    assert isinstance(warnings_of(structure, Domain()), list)
