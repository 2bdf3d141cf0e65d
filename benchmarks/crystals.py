"""Crystals like those of the published database, made in seconds, for measurements of speed.

Decorated prototypes whose number of atoms per cell is distributed as in the published database. The
spectra are smooth inventions: their size matters here, not their physics.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from pymatgen.core import Lattice, Structure

from optimetal.database.entries import Record
from optimetal.database.surrogate.crystals import SurrogateCrystal, decorate
from optimetal.database.surrogate.elements import ELEMENTS
from optimetal.database.surrogate.prototypes import PROTOTYPES, Prototype
from optimetal.optics.grid import ENERGY

PUBLISHED_SIZES: Final = {
    1: 68,
    2: 924,
    3: 11854,
    4: 73403,
    5: 28938,
    6: 19068,
    7: 7905,
    8: 18146,
    9: 9287,
    10: 31768,
}
"""Atoms per cell -> crystals in the published database."""

# space group, lattice constants (a, c in units of a) and species, position of every orbit; sizes
# that the surrogate's own prototypes lack. Textbook positions (AFLOW library).
_LARGER: Final = {
    "K2NiF4": ("I4/mmm", 3.3, [(0, (0, 0, 0.355)), (1, (0, 0, 0)), (2, (0, 0.5, 0)), (2, (0, 0, 0.15))]),
    "ZrNiAl": ("P-62m", 0.5, [(0, (0.6, 0, 0.5)), (1, (0, 0, 0.5)), (1, (1 / 3, 2 / 3, 0)), (2, (0.25, 0, 0))]),
    "Mo2FeB2": ("P4/mbm", 0.55, [(0, (0.18, 0.68, 0.5)), (1, (0, 0, 0)), (2, (0.39, 0.89, 0))]),
    "K2NaAlF6": ("Fm-3m", 1.0, [(0, (0.25, 0.25, 0.25)), (1, (0.5, 0.5, 0.5)), (1, (0, 0, 0)), (2, (0.24, 0, 0))]),
}  # fmt: skip


def _larger_prototype(name: str) -> Prototype:
    space_group, c, orbits = _LARGER[name]
    hexagonal = space_group.startswith("P-6")
    lattice = Lattice.hexagonal(1, c) if hexagonal else Lattice.tetragonal(1, c)
    species, sites = zip(*orbits, strict=True)
    cell = Structure.from_spacegroup(
        space_group, lattice, [ELEMENTS_OF_SPECIES[s] for s in species], sites
    ).get_primitive_structure()
    return replace(
        PROTOTYPES["MgAgAs"],
        name=name,
        aflow="",
        equivalent_orders=(),
        uniaxial=False,
        lattice=cell.lattice.matrix,
        fractional_positions=cell.frac_coords,
        site_species=np.array([ELEMENTS_OF_SPECIES.index(site.specie.symbol) for site in cell]),
    )


ELEMENTS_OF_SPECIES: Final = ("Cu", "Al", "Ti")


def crystals_of_published_sizes(count: int, seed: int) -> Iterator[SurrogateCrystal]:
    """Decorated prototypes, their sizes drawn from the published distribution."""
    prototypes = [*PROTOTYPES.values(), *map(_larger_prototype, _LARGER)]
    of_size = {
        size: [p for p in prototypes if len(p.site_species) == size] for size in PUBLISHED_SIZES
    }
    rng = np.random.default_rng(seed)
    share = np.array(list(PUBLISHED_SIZES.values())) / sum(PUBLISHED_SIZES.values())
    for index in range(count):
        choice = of_size[rng.choice(list(PUBLISHED_SIZES), p=share)]
        crystal = None
        while crystal is None:  # atoms too close: again, with the same size
            crystal = _decorated(choice, rng, index)
        yield crystal


def _decorated(
    prototypes: list[Prototype], rng: np.random.Generator, index: int
) -> SurrogateCrystal | None:
    weight = np.array([p.weight for p in prototypes])
    prototype = prototypes[rng.choice(len(prototypes), p=weight / weight.sum())]
    elements = rng.choice(list(ELEMENTS), size=prototype.num_species, replace=False)
    return decorate(prototype, tuple(map(str, elements)), rng, index)


def benchmark_records(count: int, seed: int = 0) -> Iterator[Record]:
    """Records of such crystals with invented spectra."""
    rng = np.random.default_rng(seed)
    for crystal in crystals_of_published_sizes(count, seed):
        resonance, width, strength = rng.uniform([1, 0.5, 1], [8, 4, 20])
        oscillator = strength / (resonance**2 - ENERGY**2 - 1j * width * ENERGY)
        yield Record(
            mat_id=f"bench{crystal.index:06d}",
            composition=f"{crystal.prototype} {'-'.join(crystal.elements)}",
            e_above_hull=crystal.stability_score,
            lattice=crystal.lattice.astype(np.float32),
            atomic_numbers=crystal.atomic_numbers.astype(np.uint16),
            positions=crystal.positions.astype(np.float32),
            drude_frequency=float(rng.uniform(2, 10)),
            eps_inter=(1 + oscillator).astype(np.complex64),
            source="invented for benchmarks",
        )
