"""Slater-Koster blocks against the published table and against rotations."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from optimetal.database.surrogate.elements import ORBITALS
from optimetal.database.surrogate.slater_koster import BondIntegrals, hopping_blocks


def random_integrals(rng, num_bonds=1):
    return BondIntegrals(**{f.name: rng.normal(size=num_bonds) for f in fields(BondIntegrals)})


def repeated(integrals, times):
    return BondIntegrals(
        **{f.name: np.repeat(getattr(integrals, f.name), times) for f in fields(integrals)}
    )


def block(direction, integrals):
    return hopping_blocks(np.asarray(direction)[None], integrals)[0]


def test_entries_of_the_published_table():
    """Table I of Slater and Koster (1954); l, m, n are the direction cosines."""
    rng = np.random.default_rng(0)
    v = random_integrals(rng)
    l, m, n = direction = np.array([0.48, 0.6, 0.64])  # noqa: E741 (their names)
    root3 = np.sqrt(3)
    expected = {
        ("s", "s"): v.ss_sigma,
        ("s", "x"): l * v.sp_sigma,
        ("x", "s"): -l * v.sp_sigma,
        ("x", "x"): l**2 * v.pp_sigma + (1 - l**2) * v.pp_pi,
        ("x", "y"): l * m * (v.pp_sigma - v.pp_pi),
        ("s", "xy"): root3 * l * m * v.sd_sigma,
        ("s", "x2-y2"): root3 / 2 * (l**2 - m**2) * v.sd_sigma,
        ("s", "3z2-r2"): (n**2 - (l**2 + m**2) / 2) * v.sd_sigma,
        ("3z2-r2", "s"): (n**2 - (l**2 + m**2) / 2) * v.ds_sigma,
        ("x", "xy"): root3 * l**2 * m * v.pd_sigma + m * (1 - 2 * l**2) * v.pd_pi,
        ("x", "yz"): root3 * l * m * n * v.pd_sigma - 2 * l * m * n * v.pd_pi,
        ("x", "zx"): root3 * l**2 * n * v.pd_sigma + n * (1 - 2 * l**2) * v.pd_pi,
        ("y", "x2-y2"): root3 / 2 * m * (l**2 - m**2) * v.pd_sigma
        - m * (1 + l**2 - m**2) * v.pd_pi,
        ("z", "3z2-r2"): n * (n**2 - (l**2 + m**2) / 2) * v.pd_sigma
        + root3 * n * (l**2 + m**2) * v.pd_pi,
        ("xy", "x"): -root3 * l**2 * m * v.dp_sigma - m * (1 - 2 * l**2) * v.dp_pi,
        ("xy", "xy"): 3 * l**2 * m**2 * v.dd_sigma
        + (l**2 + m**2 - 4 * l**2 * m**2) * v.dd_pi
        + (n**2 + l**2 * m**2) * v.dd_delta,
        ("xy", "yz"): 3 * l * m**2 * n * v.dd_sigma
        + l * n * (1 - 4 * m**2) * v.dd_pi
        + l * n * (m**2 - 1) * v.dd_delta,
        ("xy", "x2-y2"): 1.5 * l * m * (l**2 - m**2) * v.dd_sigma
        + 2 * l * m * (m**2 - l**2) * v.dd_pi
        + 0.5 * l * m * (l**2 - m**2) * v.dd_delta,
        ("x2-y2", "3z2-r2"): root3 / 2 * (l**2 - m**2) * (n**2 - (l**2 + m**2) / 2) * v.dd_sigma
        + root3 * n**2 * (m**2 - l**2) * v.dd_pi
        + root3 / 4 * (1 + n**2) * (l**2 - m**2) * v.dd_delta,
        ("3z2-r2", "3z2-r2"): (n**2 - (l**2 + m**2) / 2) ** 2 * v.dd_sigma
        + 3 * n**2 * (l**2 + m**2) * v.dd_pi
        + 0.75 * (l**2 + m**2) ** 2 * v.dd_delta,
    }
    got = block(direction, v)
    for (row, column), value in expected.items():
        entry = got[ORBITALS.index(row), ORBITALS.index(column)]
        assert entry == pytest.approx(value[0], abs=1e-12), (row, column)


def test_singular_values_do_not_depend_on_the_direction():
    rng = np.random.default_rng(1)
    integrals = random_integrals(rng)
    directions = rng.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    blocks = hopping_blocks(directions, repeated(integrals, len(directions)))
    # s, p and d shells turn among themselves, so each pair of shells is invariant on its own
    shells = [slice(0, 1), slice(1, 4), slice(4, 9)]
    for rows in shells:
        for columns in shells:
            values = np.linalg.svd(blocks[:, rows, columns], compute_uv=False)
            np.testing.assert_allclose(values, values[:1].repeat(200, axis=0), atol=1e-14)
    values = np.linalg.svd(blocks, compute_uv=False)
    np.testing.assert_allclose(values, values[:1].repeat(200, axis=0), atol=1e-14)


def test_blocks_turn_with_the_orbitals():
    """p orbitals turn like vectors."""
    rng = np.random.default_rng(2)
    integrals, turn = random_integrals(rng), Rotation.random(rng=3).as_matrix()
    direction = np.array([0.48, 0.6, 0.64])
    before, after = block(direction, integrals), block(turn @ direction, integrals)
    p = slice(1, 4)
    np.testing.assert_allclose(after[p, p], turn @ before[p, p] @ turn.T, atol=1e-14)
    np.testing.assert_allclose(after[0, p], turn @ before[0, p], atol=1e-14)


def test_reverse_bond_is_the_transpose():
    rng = np.random.default_rng(4)
    v = random_integrals(rng)
    reverse = BondIntegrals(
        **{f.name: getattr(v, f.name) for f in fields(v)}
        | {"sd_sigma": v.ds_sigma, "ds_sigma": v.sd_sigma}
        | {"pd_sigma": v.dp_sigma, "dp_sigma": v.pd_sigma, "pd_pi": v.dp_pi, "dp_pi": v.pd_pi}
    )
    direction = np.array([0.48, 0.6, 0.64])
    np.testing.assert_allclose(block(-direction, reverse), block(direction, v).T, atol=1e-14)
