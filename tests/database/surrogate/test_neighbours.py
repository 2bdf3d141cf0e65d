import numpy as np

from optimetal.database.surrogate.neighbours import periodic_pairs

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def test_shells_of_fcc():
    pairs = periodic_pairs(4.0 * FCC, np.zeros((1, 3)), cutoff=5.0)
    length, count = np.unique(pairs.length.round(9), return_counts=True)
    np.testing.assert_allclose(length, 4.0 * np.sqrt([0.5, 1.0, 1.5]))
    assert count.tolist() == [12, 6, 24]


def test_every_pair_has_its_reverse():
    rng = np.random.default_rng(1)
    lattice = 3 * np.eye(3) + rng.uniform(-1, 1, (3, 3))
    pairs = periodic_pairs(lattice, rng.uniform(-5, 5, (3, 3)), cutoff=6.0)
    forward = np.column_stack([pairs.source, pairs.target, pairs.vector])
    backward = np.column_stack([pairs.target, pairs.source, -pairs.vector])
    order = [np.lexsort(rows.round(6).T) for rows in (forward, backward)]
    np.testing.assert_allclose(forward[order[0]], backward[order[1]], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(pairs.vector, axis=1), pairs.length)


def test_skewed_cell_and_atoms_outside_it_find_the_same_pairs():
    """The lattice of simple cubic does not change when a vector is added to another."""
    skew = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]])
    cubic = 3.0 * np.eye(3)
    inside, outside = np.array([[0.0] * 3, [1.0, 1.2, 1.4]]), np.array([[0.0] * 3, [-8, 10.2, 1.4]])
    straight = periodic_pairs(cubic, inside, cutoff=5.5)
    skewed = periodic_pairs(skew @ cubic, outside, cutoff=5.5)
    np.testing.assert_allclose(np.sort(straight.length), np.sort(skewed.length))
