r"""Tight-binding Hamiltonian of a metallic crystal, and its commutator with position.

Orthogonal s, p, d orbitals in the two-centre approximation, spin factor 2, no spin-orbit coupling,
no magnetism, no f. Bond integrals follow Harrison's scaling with the distance d,

.. math::
    V_{ll'm} = \eta_{ll'm} \frac{\hbar^2}{m d^2} f, \quad
    V_{ldm} = \eta_{ldm} \frac{\hbar^2 r_d^{3/2}}{m d^{7/2}} f, \quad
    V_{ddm} = \eta_{ddm} \frac{\hbar^2 (r_{d,i} r_{d,j})^{3/2}}{m d^5} f,

W. A. Harrison, *Electronic Structure and the Properties of Solids* (Freeman, 1980). The prefactors
η were fitted to optical spectra of elemental metals, starting from the universal ones of Shi and
Papaconstantopoulos, Phys. Rev. B 70, 205101 (2004). f cuts bonds off as a function of
x = d / (s_i + s_j), s the Wigner-Seitz radius.

The k dependent operators use the true vectors between atoms ("atomic gauge"), so that position acts
as i∂/∂k + D with the intra-atomic dipoles D. Without D the s-p strength of nearly free electrons is
far too large.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Complex, Float, Int, Integer

from optimetal.database.surrogate.elements import Sites, gather_sites
from optimetal.database.surrogate.neighbours import periodic_pairs
from optimetal.database.surrogate.slater_koster import BondIntegrals, hopping_blocks

HBAR2_OVER_MASS: Final = 7.61996
"""ħ²/m of the electron in eV Å²."""

ETA_SS_SIGMA: Final = -0.70
ETA_SP_SIGMA: Final = 1.30
ETA_PP_SIGMA: Final = 1.70
ETA_PP_PI: Final = -0.02
ETA_SD_SIGMA: Final = -3.95
ETA_PD_SIGMA: Final = -5.40
ETA_PD_PI: Final = 2.65
ETA_DD_SIGMA: Final = -21.2
ETA_DD_PI: Final = 12.6
ETA_DD_DELTA: Final = -2.3

CUTOFF_CENTRE: Final = 1.22
"""x at which the Fermi-like cutoff is one half; fcc has neighbours at x = 0.905, 1.28, 1.57."""

CUTOFF_WIDTH: Final = 0.06

CUTOFF_END: Final = 1.60
"""No bond reaches further; the last 0.1 goes smoothly to zero."""

CUTOFF_TAPER: Final = 0.1

REPULSION_S: Final = 0.34
"""κ_s: neighbours raise the s level by κ ħ²/m f / d² each, as orthogonalisation would."""

REPULSION_P: Final = 0.40


@dataclass(frozen=True)
class Bonds:
    """All bonds i -> j of a crystal within the cutoff, both directions of each."""

    source: Int[np.ndarray, " num_bonds"]
    target: Int[np.ndarray, " num_bonds"]
    vector: Float[np.ndarray, "num_bonds 3"]
    """From source to target, Å."""
    length: Float[np.ndarray, " num_bonds"]
    """Å."""
    cutoff: Float[np.ndarray, " num_bonds"]
    """f of each bond, in [0, 1]."""


def cutoff_function(x: Float[np.ndarray, " num_bonds"]) -> Float[np.ndarray, " num_bonds"]:
    r"""Smooth cutoff f(x) of reduced distances x = d / (s_i + s_j).

    .. math:: f(x) = \frac{S((1.60 - x) / 0.1)}{1 + \exp[(x - 1.22) / 0.06]}, \quad S(t) = t^2 (3 -
    2 t), t \in [0, 1]
    """
    t = np.clip((CUTOFF_END - x) / CUTOFF_TAPER, 0.0, 1.0)
    # far beyond the end the exponential overflows, where the taper is zero anyway
    argument = np.minimum((x - CUTOFF_CENTRE) / CUTOFF_WIDTH, 100.0)
    return t**2 * (3 - 2 * t) / (1 + np.exp(argument))


def find_bonds(
    lattice: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "num_atoms 3"],
    radius: Float[np.ndarray, " num_atoms"],
) -> Bonds:
    """Neighbours with a reduced distance below `CUTOFF_END`.

    Args:
        lattice: Rows are vectors, Å.
        positions: Cartesian, Å.
        radius: Wigner-Seitz radii, Å.
    """
    source, target, vector, length = periodic_pairs(
        lattice, positions, cutoff=CUTOFF_END * 2 * radius.max()
    )
    x = length / (radius[source] + radius[target])
    near = x < CUTOFF_END
    return Bonds(
        source=source[near],
        target=target[near],
        vector=vector[near],
        length=length[near],
        cutoff=cutoff_function(x[near]),
    )


def bond_integrals(bonds: Bonds, radius_d: Float[np.ndarray, " num_atoms"]) -> BondIntegrals:
    """Harrison's bond integrals in eV; those of d orbitals vanish on atoms with r_d = 0."""
    size_i, size_j = radius_d[bonds.source] ** 1.5, radius_d[bonds.target] ** 1.5
    sp = HBAR2_OVER_MASS * bonds.cutoff / bonds.length**2
    to_d = HBAR2_OVER_MASS * bonds.cutoff / bonds.length**3.5
    dd = HBAR2_OVER_MASS * bonds.cutoff * size_i * size_j / bonds.length**5
    return BondIntegrals(
        ss_sigma=ETA_SS_SIGMA * sp,
        sp_sigma=ETA_SP_SIGMA * sp,
        pp_sigma=ETA_PP_SIGMA * sp,
        pp_pi=ETA_PP_PI * sp,
        sd_sigma=ETA_SD_SIGMA * to_d * size_j,
        ds_sigma=ETA_SD_SIGMA * to_d * size_i,
        pd_sigma=ETA_PD_SIGMA * to_d * size_j,
        dp_sigma=ETA_PD_SIGMA * to_d * size_i,
        pd_pi=ETA_PD_PI * to_d * size_j,
        dp_pi=ETA_PD_PI * to_d * size_i,
        dd_sigma=ETA_DD_SIGMA * dd,
        dd_pi=ETA_DD_PI * dd,
        dd_delta=ETA_DD_DELTA * dd,
    )


def onsite_levels(bonds: Bonds, sites: Sites) -> Float[np.ndarray, "num_atoms 9"]:
    r"""Levels :math:`\epsilon_l + \kappa_l \sum_j f \hbar^2 / m d^2` in eV; atomic for d."""
    crowding = np.bincount(
        bonds.source,
        weights=HBAR2_OVER_MASS * bonds.cutoff / bonds.length**2,
        minlength=len(sites.level),
    )
    repulsion = np.array([REPULSION_S] + [REPULSION_P] * 3 + [0.0] * 5)
    return sites.level + crowding[:, None] * repulsion


@dataclass(frozen=True)
class RealSpace:
    """Real blocks <i, l|O|j, l'> between atoms, on-site ones included, of operators O."""

    source: Int[np.ndarray, " num_terms"]
    target: Int[np.ndarray, " num_terms"]
    vector: Float[np.ndarray, "num_terms 3"]
    """From source to target, Å; zero for on-site terms."""
    blocks: Float[np.ndarray, "num_operators num_terms 9 9"]


def hamiltonian_terms(bonds: Bonds, sites: Sites) -> RealSpace:
    """The Hamiltonian of neutral free atoms put together; eV, one operator."""
    atoms = np.arange(len(sites.radius))
    hopping = hopping_blocks(
        bonds.vector / bonds.length[:, None], bond_integrals(bonds, sites.radius_d)
    )
    onsite = onsite_levels(bonds, sites)[:, :, None] * np.eye(9)
    return RealSpace(
        source=np.concatenate([atoms, bonds.source]),
        target=np.concatenate([atoms, bonds.target]),
        vector=np.concatenate([np.zeros((len(atoms), 3)), bonds.vector]),
        blocks=np.concatenate([onsite, hopping])[None],
    )


def commute_with_position(terms: RealSpace, sites: Sites) -> RealSpace:
    r"""[O, x_a] for a = x, y, z of the first operator O of ``terms``.

    With the atoms' places R and their dipoles D, position is R + D, so that a block gains
    :math:`(R_j - R_i)_a O_{ij} + O_{ij} D_{a,j} - D_{a,i} O_{ij}`. The velocity is i times this for
    O = H, which equals :math:`\partial H / \partial k_a - i [D_a, H]`.

    Returns:
        Three operators, in units of O times Å.
    """
    block = terms.blocks[0]
    displacement = terms.vector.T[:, :, None, None] * block
    dipole = block @ sites.dipole[:, terms.target] - sites.dipole[:, terms.source] @ block
    return RealSpace(terms.source, terms.target, terms.vector, displacement + dipole)


@dataclass(frozen=True)
class BlochSum:
    """Operators of a crystal as functions of k.

    The terms of each pair of atoms fill one row of a rectangular table (short rows are padded with
    zeros), so that all Bloch sums are one batched matrix product.
    """

    vector: Float[np.ndarray, "num_pairs num_slots 3"]
    blocks: Float[np.ndarray, "num_pairs num_slots num_entries"]
    num_operators: int
    orbitals: Int[np.ndarray, " num_orbitals"]
    """Which of the (atom, orbital) rows of the table exist."""
    num_atoms: int

    @classmethod
    def from_terms(cls, terms: RealSpace, sites: Sites) -> "BlochSum":
        """Arrange the terms by pair of atoms."""
        num_atoms = len(sites.radius)
        width = int(sites.exists.any(axis=0).sum())  # 4 where no atom has d orbitals
        pair = terms.source * num_atoms + terms.target
        order = np.argsort(pair, kind="stable")
        population = np.bincount(pair, minlength=num_atoms**2)
        first = np.cumsum(population) - population
        slot = np.arange(len(order)) - first[pair[order]]
        shape = (num_atoms**2, int(population.max()))
        num_operators = len(terms.blocks)
        vector = np.zeros((*shape, 3))
        vector[pair[order], slot] = terms.vector[order]
        blocks = np.zeros((*shape, num_operators, width, width))
        blocks[pair[order], slot] = terms.blocks[:, order, :width, :width].swapaxes(0, 1)
        return cls(
            vector=vector,
            blocks=blocks.reshape(*shape, -1),
            num_operators=num_operators,
            orbitals=np.flatnonzero(sites.exists[:, :width]),
            num_atoms=num_atoms,
        )

    def __call__(
        self, k: Float[np.ndarray, "num_k 3"]
    ) -> Complex[np.ndarray, "num_operators num_k num_orbitals num_orbitals"]:
        r"""Operators :math:`O(k) = \sum O_{ij} e^{i k \cdot d}`; k Cartesian in 1/Å."""
        phase = np.exp(1j * (k @ self.vector.swapaxes(1, 2)))  # (num_pairs, num_k, num_slots)
        n, width = self.num_atoms, int(np.sqrt(self.blocks.shape[2] // self.num_operators))
        summed = phase @ self.blocks  # (num_pairs, num_k, num_entries)
        matrix = summed.reshape(n, n, len(k), self.num_operators, width, width)
        matrix = matrix.transpose(3, 2, 0, 4, 1, 5)
        matrix = matrix.reshape(self.num_operators, len(k), n * width, n * width)
        if len(self.orbitals) == n * width:
            return matrix
        return matrix[:, :, self.orbitals[:, None], self.orbitals]


@dataclass(frozen=True)
class TightBinding:
    """Tight-binding model of one crystal, before charges are made self-consistent."""

    lattice: Float[np.ndarray, "3 3"]
    sites: Sites
    terms: RealSpace

    @classmethod
    def from_crystal(
        cls,
        lattice: Float[np.ndarray, "3 3"],
        atomic_numbers: Integer[np.ndarray, " num_atoms"],
        positions: Float[np.ndarray, "num_atoms 3"],
    ) -> "TightBinding":
        """Set up levels and hopping.

        Args:
            lattice: Rows are vectors, Å.
            atomic_numbers: Z of each atom.
            positions: Cartesian, Å.

        Raises:
            ValueError: If the surrogate does not know an element.
        """
        sites = gather_sites(atomic_numbers)
        bonds = find_bonds(lattice, positions, sites.radius)
        return cls(lattice, sites, hamiltonian_terms(bonds, sites))

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return float(abs(np.linalg.det(self.lattice)))

    @cached_property
    def orbital_atom(self) -> Int[np.ndarray, " num_orbitals"]:
        """Atom that each orbital belongs to."""
        return np.nonzero(self.sites.exists)[0]

    @cached_property
    def hamiltonian(self) -> BlochSum:
        """H(k) of neutral free atoms, eV."""
        return BlochSum.from_terms(self.terms, self.sites)

    @cached_property
    def velocity(self) -> BlochSum:
        """[H, x_a](k) in eV Å, the velocity over i; shifts of whole atoms do not change it."""
        return BlochSum.from_terms(commute_with_position(self.terms, self.sites), self.sites)
