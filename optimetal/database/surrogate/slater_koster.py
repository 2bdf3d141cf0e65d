r"""Two-centre matrix elements of s, p and d orbitals for all bonds at once.

Slater and Koster, Phys. Rev. 94, 1498 (1954), list the elements one by one. Here they follow from
projections. Let n be the unit vector of the bond, :math:`y(n)` the five real quadratic harmonics
with :math:`|y| = 1`, and :math:`G = \nabla_t y / \sqrt 3` their tangential gradient: the columns of
G that are perpendicular to n span the two π states, normalised because
:math:`\sum_m |\nabla_t y_m|^2 = l (l + 1) = 6`. Then, with one bond integral V per symmetry,

.. math::
    H_{ss} &= V_{ss\sigma} \\
    H_{sp} &= V_{sp\sigma} n^T \\
    H_{pp} &= V_{pp\sigma} n n^T + V_{pp\pi} (1 - n n^T) \\
    H_{sd} &= V_{sd\sigma} y^T \\
    H_{pd} &= V_{pd\sigma} n y^T + V_{pd\pi} G^T \\
    H_{dd} &= V_{dd\sigma} y y^T + V_{dd\pi} G G^T + V_{dd\delta} (1 - y y^T - G G^T)

and the parity of the orbitals gives ps = -sp^T and dp = -pd^T.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class BondIntegrals:
    """Hopping of each bond i -> j in eV; the letters are the orbitals of i and j in this order."""

    ss_sigma: Float[np.ndarray, " num_bonds"]
    sp_sigma: Float[np.ndarray, " num_bonds"]
    pp_sigma: Float[np.ndarray, " num_bonds"]
    pp_pi: Float[np.ndarray, " num_bonds"]
    sd_sigma: Float[np.ndarray, " num_bonds"]
    ds_sigma: Float[np.ndarray, " num_bonds"]
    pd_sigma: Float[np.ndarray, " num_bonds"]
    dp_sigma: Float[np.ndarray, " num_bonds"]
    pd_pi: Float[np.ndarray, " num_bonds"]
    dp_pi: Float[np.ndarray, " num_bonds"]
    dd_sigma: Float[np.ndarray, " num_bonds"]
    dd_pi: Float[np.ndarray, " num_bonds"]
    dd_delta: Float[np.ndarray, " num_bonds"]

    def as_columns(self) -> "BondIntegrals":
        """Same integrals with two trailing axes of length one, to multiply matrices."""
        return BondIntegrals(**{f.name: getattr(self, f.name)[:, None, None] for f in fields(self)})


def quadratic_harmonics(
    direction: Float[np.ndarray, "num_bonds 3"],
) -> tuple[Float[np.ndarray, "num_bonds 5 1"], Float[np.ndarray, "num_bonds 5 3"]]:
    """Harmonics y(n) of the d orbitals xy, yz, zx, x²-y², 3z²-r² and their tangential gradient G.

    Args:
        direction: Unit vectors n.

    Returns:
        y with sum y² = 1, and G = ∇_t y / √3.
    """
    x, y, z = direction.T
    root3, zero = np.sqrt(3), np.zeros_like(x)
    value = np.stack(
        [
            root3 * x * y,
            root3 * y * z,
            root3 * z * x,
            root3 / 2 * (x**2 - y**2),
            (2 * z**2 - x**2 - y**2) / 2,
        ],
        axis=1,
    )
    gradient = np.stack(
        [
            np.stack([root3 * y, root3 * x, zero], axis=1),
            np.stack([zero, root3 * z, root3 * y], axis=1),
            np.stack([root3 * z, zero, root3 * x], axis=1),
            np.stack([root3 * x, -root3 * y, zero], axis=1),
            np.stack([-x, -y, 2 * z], axis=1),
        ],
        axis=1,
    )
    # y is homogeneous of degree 2, so its radial derivative is 2 y
    tangential = gradient - 2 * value[:, :, None] * direction[:, None, :]
    return value[:, :, None], tangential / root3


def hopping_blocks(
    direction: Float[np.ndarray, "num_bonds 3"], integrals: BondIntegrals
) -> Float[np.ndarray, "num_bonds 9 9"]:
    """Hamiltonian blocks <i, l|H|j, l'> of all bonds.

    Args:
        direction: Unit vectors from atom i to atom j.
        integrals: Bond integrals in eV.

    Returns:
        eV; rows are the orbitals of i, columns those of j, in the order of `elements.ORBITALS`.
    """
    v = integrals.as_columns()
    n = direction[:, :, None]  # (num_bonds, 3, 1)
    n_t = direction[:, None, :]
    y, g = quadratic_harmonics(direction)
    y_t, g_t = y.swapaxes(1, 2), g.swapaxes(1, 2)
    sigma_p, sigma_d, pi_d = n * n_t, y * y_t, g @ g_t
    blocks = np.empty((len(direction), 9, 9))
    s, p, d = slice(0, 1), slice(1, 4), slice(4, 9)
    blocks[:, s, s] = v.ss_sigma
    blocks[:, s, p] = v.sp_sigma * n_t
    blocks[:, p, s] = -v.sp_sigma * n
    blocks[:, p, p] = v.pp_sigma * sigma_p + v.pp_pi * (np.eye(3) - sigma_p)
    blocks[:, s, d] = v.sd_sigma * y_t
    blocks[:, d, s] = v.ds_sigma * y
    blocks[:, p, d] = v.pd_sigma * n * y_t + v.pd_pi * g_t
    blocks[:, d, p] = -v.dp_sigma * y * n_t - v.dp_pi * g
    blocks[:, d, d] = (
        v.dd_sigma * sigma_d + v.dd_pi * pi_d + v.dd_delta * (np.eye(5) - sigma_d - pi_d)
    )
    return blocks
