"""Invented metallic crystals: prototypes decorated with elements, at plausible volumes.

Nothing is relaxed. A scatter of the volume and of c/a stands in for relaxation; without it both
would be functions of composition and prototype alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float, Int

from optimetal.database.surrogate.elements import ELEMENTS
from optimetal.database.surrogate.neighbours import periodic_pairs
from optimetal.database.surrogate.prototypes import PROTOTYPES, Prototype

if TYPE_CHECKING:
    from optimetal.config.surrogate import SurrogateSettings

CONTRACTION: Final = 0.12
"""Compounds shrink by this times the standard deviation of the electronegativity."""

VOLUME_SCATTER: Final = 0.03
"""Standard deviation of ln V."""

STRETCH_SCATTER: Final = 0.02
"""Standard deviation of ln c/c0 of a stretch at constant volume."""

CONTACT: Final = 0.905
"""Nearest neighbours in an fcc metal touch at 0.905 times the sum of the Wigner-Seitz radii."""

CLOSEST: Final = 0.78
"""Shortest allowed distance in units of the contact distance."""

MAX_REJECTIONS: Final = 2000
"""So many candidates in a row without a new crystal mean that the choice is exhausted."""


@dataclass(frozen=True)
class SurrogateCrystal:
    """One invented crystal."""

    index: int
    """Number in the stream of crystals of a seed, from 0."""
    prototype: str
    elements: tuple[str, ...]
    """Element of each species of the prototype."""
    lattice: Float[np.ndarray, "3 3"]
    """Rows are vectors, Å."""
    atomic_numbers: Int[np.ndarray, " num_atoms"]
    positions: Float[np.ndarray, "num_atoms 3"]
    """Cartesian, Å."""
    stability_score: float
    """Ranking score in eV/atom, low for well-matched compounds; no energy, no hull was built."""


def generate_crystals(settings: "SurrogateSettings") -> list[SurrogateCrystal]:
    """The first ``settings.num_crystals`` crystals of `crystal_stream`.

    Raises:
        ValueError: If elements and prototypes allow fewer.
    """
    return list(islice(crystal_stream(settings), settings.num_crystals))


def crystal_stream(settings: "SurrogateSettings") -> Iterator[SurrogateCrystal]:
    """Distinct crystals without end, in an order that the seed fixes.

    Raises:
        ValueError: When elements and prototypes allow no further crystal.
    """
    rng = np.random.default_rng(settings.seed)
    prototypes = [PROTOTYPES[name] for name in settings.prototypes]
    weight = np.array([p.weight for p in prototypes])
    seen: set[tuple[str, tuple[str, ...]]] = set()
    rejections = 0
    while rejections < MAX_REJECTIONS:
        prototype = prototypes[rng.choice(len(prototypes), p=weight / weight.sum())]
        chosen = rng.choice(len(settings.elements), size=prototype.num_species, replace=False)
        elements = tuple(settings.elements[i] for i in chosen)
        crystal = decorate(prototype, elements, rng, index=len(seen))
        key = (prototype.name, prototype.canonical_order(elements))
        if crystal is None or key in seen:
            rejections += 1
            continue
        rejections = 0
        seen.add(key)
        yield crystal
    raise ValueError(
        f"expected {settings.num_crystals} crystals, but elements and prototypes allow only about "
        f"{len(seen)}: ask for fewer, or allow more elements or prototypes"
    )


def decorate(
    prototype: Prototype, elements: tuple[str, ...], rng: np.random.Generator, index: int = 0
) -> SurrogateCrystal | None:
    """A prototype with elements on its sites, or None if atoms come too close.

    The volume follows Zen's rule with a contraction, V = (1 - 0.12 σ_χ) Σ v_i times a scatter, σ_χ
    the standard deviation of Pauling's electronegativity over the sites; c/a of uniaxial cells gets
    a scatter at constant volume.
    """
    atoms = [ELEMENTS[elements[s]] for s in prototype.site_species]
    contraction = 1 - CONTRACTION * np.std([a.electronegativity for a in atoms])
    volume = sum(a.volume for a in atoms) * contraction
    volume *= np.exp(rng.normal(0.0, VOLUME_SCATTER))
    stretch = np.exp(rng.normal(0.0, STRETCH_SCATTER)) if prototype.uniaxial else 1.0
    lattice = prototype.lattice * np.array([stretch**-0.5, stretch**-0.5, stretch])
    lattice = lattice * (volume / abs(np.linalg.det(lattice))) ** (1 / 3)
    positions = prototype.fractional_positions @ lattice
    radius = np.array([a.wigner_seitz_radius for a in atoms])
    closest = neighbour_distances(lattice, positions, radius)
    if closest.min() < CLOSEST:
        return None
    return SurrogateCrystal(
        index=index,
        prototype=prototype.name,
        elements=elements,
        lattice=lattice,
        atomic_numbers=np.array([a.atomic_number for a in atoms]),
        positions=positions,
        stability_score=stability_score(
            closest, radius, np.array([a.electronegativity for a in atoms])
        ),
    )


def neighbour_distances(
    lattice: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "num_atoms 3"],
    radius: Float[np.ndarray, " num_atoms"],
    num_neighbours: int = 4,
) -> Float[np.ndarray, "num_atoms num_neighbours"]:
    """The smallest distances of each atom over contact distances 0.905 (s_i + s_j), ascending."""
    # within four radii of the largest atom every site of these prototypes has more than four
    # neighbours
    pairs = periodic_pairs(lattice, positions, cutoff=4 * radius.max())
    reduced = pairs.length / (CONTACT * (radius[pairs.source] + radius[pairs.target]))
    order = np.lexsort((reduced, pairs.source))
    first = np.searchsorted(pairs.source, np.arange(len(radius)))
    return reduced[order][first[:, None] + np.arange(num_neighbours)]


def stability_score(
    closest: Float[np.ndarray, "num_atoms num_neighbours"],
    radius: Float[np.ndarray, " num_atoms"],
    electronegativity: Float[np.ndarray, " num_atoms"],
) -> float:
    r"""Stand-in for the energy above the hull: :math:`\max(0, 2 m_2 + 0.6 r_2 - 0.06 c_2)` eV/atom.

    m_2 is the mean squared deviation of the neighbours (``closest``) from contact, r_2 the squared
    relative scatter of the radii, c_2 the variance of the electronegativity: strained and badly
    matched crystals score high, polar ones low.
    """
    strain = np.mean((closest.mean(axis=1) - 1) ** 2)
    mismatch = (radius.std() / radius.mean()) ** 2
    polarity = electronegativity.var()
    return float(max(0.0, 2.0 * strain + 0.6 * mismatch - 0.06 * polarity))
