from itertools import combinations

import numpy as np
import pytest

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate.crystals import (
    CLOSEST,
    decorate,
    generate_crystals,
    neighbour_distances,
    stability_score,
)
from optimetal.database.surrogate.elements import ELEMENTS
from optimetal.database.surrogate.prototypes import PROTOTYPES


@pytest.fixture(scope="module")
def sample():
    return generate_crystals(SurrogateSettings(num_crystals=1500, seed=11))


def same(crystal, other):
    return (
        crystal.index == other.index
        and crystal.prototype == other.prototype
        and crystal.elements == other.elements
        and np.array_equal(crystal.lattice, other.lattice)
        and np.array_equal(crystal.positions, other.positions)
    )


def radii(crystal):
    by_number = {e.atomic_number: e.wigner_seitz_radius for e in ELEMENTS.values()}
    return np.array([by_number[z] for z in crystal.atomic_numbers])


def test_a_seed_fixes_the_crystals_and_more_crystals_extend_them(sample):
    fewer = generate_crystals(SurrogateSettings(num_crystals=60, seed=11))
    assert all(same(a, b) for a, b in zip(fewer, sample[:60], strict=True))
    other = generate_crystals(SurrogateSettings(num_crystals=60, seed=12))
    assert not any(same(a, b) for a, b in zip(fewer, other, strict=True))


def test_no_crystal_appears_twice(sample):
    keys = {(c.prototype, PROTOTYPES[c.prototype].canonical_order(c.elements)) for c in sample}
    assert len(keys) == len(sample)
    assert [c.index for c in sample] == list(range(len(sample)))


def test_distances(sample):
    for crystal in sample[:200]:
        closest = neighbour_distances(crystal.lattice, crystal.positions, radii(crystal))
        assert closest.min() >= CLOSEST


def test_neighbour_distances_of_fcc_and_bcc():
    """Nearest neighbours at 0.905 (fcc) and 0.879 (bcc) times the sum of the radii."""
    radius = np.array([1.0])
    volume = 4 * np.pi / 3
    fcc = (4 * volume) ** (1 / 3) * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    bcc = (2 * volume) ** (1 / 3) * np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])
    for lattice, expected in ((fcc, 0.9047), (bcc, 0.8794)):
        closest = neighbour_distances(lattice, np.zeros((1, 3)), radius)
        np.testing.assert_allclose(closest, expected / 0.905, rtol=1e-3)


def test_volume_scatters_around_the_rule(sample):
    ratio, volume_per_atom = [], {e.atomic_number: e.volume for e in ELEMENTS.values()}
    chi = {e.atomic_number: e.electronegativity for e in ELEMENTS.values()}
    for crystal in sample:
        rule = sum(volume_per_atom[z] for z in crystal.atomic_numbers)
        rule *= 1 - 0.12 * np.std([chi[z] for z in crystal.atomic_numbers])
        ratio.append(np.log(np.linalg.det(crystal.lattice) / rule))
    assert np.mean(ratio) == pytest.approx(0, abs=0.004)
    assert np.std(ratio) == pytest.approx(0.03, abs=0.003)


def test_only_uniaxial_cells_are_stretched(sample):
    stretch = {True: [], False: []}
    for crystal in sample:
        prototype = PROTOTYPES[crystal.prototype]
        scale = crystal.lattice @ np.linalg.inv(prototype.lattice)
        singular = np.linalg.svd(np.linalg.inv(prototype.lattice) @ crystal.lattice)[1]
        assert np.linalg.det(scale) > 0
        stretch[prototype.uniaxial].append(np.log(singular[0] / singular[2]))
    assert np.max(stretch[False]) < 1e-9
    # axis longer by t, the others shorter by t^(-1/2): mean of 3/2 |ln t| with ln t from N(0, 0.02)
    assert np.mean(stretch[True]) == pytest.approx(1.5 * 0.02 * np.sqrt(2 / np.pi), rel=0.1)


def test_prototypes_are_drawn_by_weight(sample):
    """Compared between two prototypes that allow thousands of crystals each."""
    names = [c.prototype for c in sample]
    ratio = names.count("MnAlCu2") / names.count("MgAgAs")
    assert ratio == pytest.approx(
        PROTOTYPES["MnAlCu2"].weight / PROTOTYPES["MgAgAs"].weight, rel=0.25
    )


def test_elements_sit_on_the_sites_of_their_species():
    crystal = decorate(PROTOTYPES["Cu3Au"], ("Cu", "Au"), np.random.default_rng(0))
    assert sorted(crystal.atomic_numbers.tolist()) == [29, 29, 29, 79]


def test_stability_score(sample):
    """Range of the score, and its terms: contact and equal radii are best, polarity lowers it."""
    score = np.array([c.stability_score for c in sample])
    assert np.median(score) == pytest.approx(0.0135, abs=0.003)
    assert np.quantile(score, 0.95) == pytest.approx(0.058, abs=0.01)
    assert np.mean(score == 0) == pytest.approx(0.12, abs=0.04)
    contact, equal = np.ones((2, 4)), np.ones(2)
    assert stability_score(contact, equal, equal) == 0
    assert stability_score(1.1 * contact, equal, equal) == pytest.approx(2 * 0.01)
    assert stability_score(contact, np.array([0.9, 1.1]), equal) == pytest.approx(0.6 * 0.01)
    assert stability_score(1.1 * contact, equal, np.array([1.0, 2.0])) == pytest.approx(
        0.02 - 0.06 * 0.25
    )


def test_exhausted_choice_is_an_error():
    settings = SurrogateSettings(num_crystals=50, elements=("Cu", "Zn", "Au"), prototypes=("CsCl",))
    with pytest.raises(ValueError, match=r"expected 50 crystals.*only about 3: ask for fewer"):
        generate_crystals(settings)
    three = generate_crystals(settings.model_copy(update={"num_crystals": 3}))
    found = {frozenset(c.elements) for c in three}
    assert found == {frozenset(pair) for pair in combinations(("Cu", "Zn", "Au"), 2)}


def test_all_elements_of_the_table_can_be_used():
    settings = SurrogateSettings(num_crystals=300, elements=tuple(ELEMENTS), seed=2)
    used = {symbol for c in generate_crystals(settings) for symbol in c.elements}
    assert used == set(ELEMENTS)
