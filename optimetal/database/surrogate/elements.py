"""The atoms of the tight-binding surrogate: valence levels, orbital sizes, dipoles and volumes.

Every number belongs to a free or confined *atom*; no element was adjusted on its own. Levels are
the eigenvalues of a spherical scalar-relativistic LDA atom in the configuration it has in the
solid: d^(g-1) s^1 (groups 3-11), d^10 s^2 (group 12), s^1 and s^2 (groups 1, 2), s^2 p^n (groups
13-15). Without relativity gold would have its 5d level 3.9 eV below 6s, like silver, instead of 1.0
eV. Orbital sizes come from the same atom confined by the potential (r/r0)² hartree, r0 = 1.85
covalent radii, times one factor for all elements.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Integer

ORBITALS: Final = ("s", "x", "y", "z", "xy", "yz", "zx", "x2-y2", "3z2-r2")
"""Order of the real orbitals of an atom; atoms without d levels have the first four."""

RADIUS_D_FACTOR: Final = 1.09
"""Fitted: r_d = 1.09 <r>_d of the confined atom (Harrison's d-state radius)."""

DIPOLE_FACTOR: Final = 1.28
"""Fitted: intra-atomic dipoles are 1.28 times those of the confined atom."""

MOLE_PER_CUBIC_CENTIMETRE: Final = 0.602214076
"""1 / (cm³/mol) in Å⁻³ per atom: Avogadro's number times 1e-24."""


@dataclass(frozen=True)
class Element:
    """One element of the surrogate."""

    symbol: str
    atomic_number: int
    num_valence: int
    """Valence electrons N_val: s and p; s, p and d for elements with d levels."""
    level_s: float
    """eV."""
    level_p: float
    """eV."""
    level_d: float | None
    """eV; None without d orbitals."""
    radius_d: float
    """r_d in Å, sets the hopping of d orbitals; zero without them."""
    dipole_sp: float
    """D_sp = <s|x|p_x> in Å."""
    dipole_pd: float
    """D_pd = <p_y|x|d_xy> in Å; zero without d orbitals."""
    volume: float
    """Volume per atom of the element in Å³, from the molar volume."""
    electronegativity: float
    """Pauling scale."""

    @property
    def wigner_seitz_radius(self) -> float:
        """Radius s = (3 v / 4π)^(1/3) in Å of a sphere with the volume v of the atom."""
        return (3 * self.volume / (4 * np.pi)) ** (1 / 3)

    @property
    def num_orbitals(self) -> int:
        """4 (s, p) or 9 (s, p, d)."""
        return 4 if self.level_d is None else 9


def _element(symbol: str, row: dict[str, float]) -> Element:
    return Element(
        symbol=symbol,
        atomic_number=int(row["atomic_number"]),
        num_valence=int(row["valence_electrons"]),
        level_s=row["level_s"],
        level_p=row["level_p"],
        level_d=row.get("level_d"),
        radius_d=RADIUS_D_FACTOR * row.get("confined_radius_d", 0.0),
        dipole_sp=DIPOLE_FACTOR * row["confined_dipole_sp"],
        dipole_pd=DIPOLE_FACTOR * row.get("confined_dipole_pd", 0.0),
        volume=row["molar_volume"] / MOLE_PER_CUBIC_CENTIMETRE,
        electronegativity=row["electronegativity"],
    )


def _read_elements() -> dict[str, Element]:
    text = (
        files("optimetal.database.surrogate").joinpath("elements.json").read_text(encoding="utf-8")
    )
    return {symbol: _element(symbol, row) for symbol, row in json.loads(text)["elements"].items()}


ELEMENTS: Final = _read_elements()
"""Symbol -> element, all 46 that the surrogate knows."""

# fmt: off
SMALL_ELEMENTS: Final = (
    "Li", "Na", "Mg", "Al", "K", "Ca", "Ti", "V", "Cr", "Fe", "Ni", "Cu", "Zn", "Zr", "Nb", "Mo",
    "Pd", "Ag", "Sn", "Pt", "Au", "Pb",
)
# fmt: on
"""The 22 elements of the demonstration set."""


@dataclass(frozen=True)
class Sites:
    """Element properties gathered over the atoms of a crystal."""

    num_valence: Float[np.ndarray, " num_atoms"]
    level: Float[np.ndarray, "num_atoms 9"]
    """Free-atom levels in eV in the order of `ORBITALS`; zero where an orbital does not exist."""
    exists: Bool[np.ndarray, "num_atoms 9"]
    """Which orbitals the atom has."""
    radius: Float[np.ndarray, " num_atoms"]
    """Wigner-Seitz radii s in Å."""
    radius_d: Float[np.ndarray, " num_atoms"]
    """r_d in Å."""
    dipole: Float[np.ndarray, "3 num_atoms 9 9"]
    """Intra-atomic position operator in Å: real, symmetric, one matrix per direction and atom."""


@cache
def _dipole_patterns() -> tuple[Float[np.ndarray, "3 9 9"], Float[np.ndarray, "3 9 9"]]:
    """Angular factors of <s|x_a|p> (in units of D_sp) and <p|x_a|d> (in units of D_pd)."""
    third = 1 / np.sqrt(3)
    sp = [("x", "s", "x", 1.0), ("y", "s", "y", 1.0), ("z", "s", "z", 1.0)]
    pd = [
        ("x", "y", "xy", 1.0),
        ("x", "z", "zx", 1.0),
        ("x", "x", "x2-y2", 1.0),
        ("x", "x", "3z2-r2", -third),
        ("y", "x", "xy", 1.0),
        ("y", "z", "yz", 1.0),
        ("y", "y", "x2-y2", -1.0),
        ("y", "y", "3z2-r2", -third),
        ("z", "y", "yz", 1.0),
        ("z", "x", "zx", 1.0),
        ("z", "z", "3z2-r2", 2 * third),
    ]
    return _symmetric_operators(sp), _symmetric_operators(pd)


def _symmetric_operators(
    entries: list[tuple[str, str, str, float]],
) -> Float[np.ndarray, "3 9 9"]:
    operators = np.zeros((3, 9, 9))
    for direction, left, right, value in entries:
        a, i, j = "xyz".index(direction), ORBITALS.index(left), ORBITALS.index(right)
        operators[a, i, j] = operators[a, j, i] = value
    return operators


@cache
def _by_atomic_number() -> dict[int, Element]:
    return {element.atomic_number: element for element in ELEMENTS.values()}


def gather_sites(atomic_numbers: Integer[np.ndarray, " num_atoms"]) -> Sites:
    """Look up the elements of a crystal.

    Args:
        atomic_numbers: Z of each atom.

    Raises:
        ValueError: If the surrogate does not know an element.
    """
    table = _by_atomic_number()
    unknown = sorted({int(z) for z in atomic_numbers} - table.keys())
    if unknown:
        raise ValueError(
            f"the tight-binding surrogate has no element with atomic number {unknown}; "
            f"known elements are {' '.join(ELEMENTS)}"
        )
    atoms = [table[int(z)] for z in atomic_numbers]
    level = np.array([[a.level_s] + [a.level_p] * 3 + [a.level_d or 0.0] * 5 for a in atoms])
    sp, pd = _dipole_patterns()
    dipole_sp = np.array([a.dipole_sp for a in atoms])
    dipole_pd = np.array([a.dipole_pd for a in atoms])
    return Sites(
        num_valence=np.array([float(a.num_valence) for a in atoms]),
        level=level,
        exists=np.arange(9) < np.array([[a.num_orbitals] for a in atoms]),
        radius=np.array([a.wigner_seitz_radius for a in atoms]),
        radius_d=np.array([a.radius_d for a in atoms]),
        dipole=np.einsum("n,aij->anij", dipole_sp, sp) + np.einsum("n,aij->anij", dipole_pd, pd),
    )
