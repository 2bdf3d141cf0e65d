"""From a structure as people have it to the graph that networks see.

Nothing here needs a network, so that many processes can prepare structures side by side.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import spglib
from pymatgen.core import DummySpecies, Element, IStructure, Lattice, Structure

from optimetal.graphs.neighbours import MAX_ATOMIC_NUMBER, CrystalGraph, crystal_graph
from optimetal.graphs.quotient import quotient_graph
from optimetal.inference.domain import DOMAIN_TITLES, Domain, domain_warnings
from optimetal.symmetry import SymmetryError, call_spglib

TOLERANCE: Final = 1e-4
"""Lengths (Å) and cosines count as equal up to this difference, as in the graphs of the studies."""


@dataclass(frozen=True)
class Settings:
    """What decides how a structure is prepared; see :attr:`Ensemble.settings`. Can be pickled."""

    cutoff: float
    """Longest edge that the networks see, Å."""
    triplet_cutoff: float | None
    """Longest edge of a three-body pair, Å; none: two-body networks only."""
    domain: Domain
    """What the training set held."""
    reduce: bool = True
    """Whether to reduce a cell to a primitive one."""


@dataclass(frozen=True)
class Prepared:
    """A structure ready for the networks. Can be pickled."""

    name: str
    structure: Structure
    """The cell that was used: primitive where the given one could be reduced."""
    graph: CrystalGraph
    """Its quotient graph."""
    warnings: tuple[str, ...]
    """Reasons to distrust the prediction, a sentence each."""
    notes: tuple[str, ...]
    """What was done to the structure, a sentence each; no reason for distrust."""


def prepare(structure: Any, name: str | None, settings: Settings) -> Prepared:
    """Check a structure, reduce it to a primitive cell and build its graph.

    Args:
        structure: pymatgen Structure or ASE Atoms, periodic in all directions. Charges, magnetic
            moments and other properties of the sites are left out: no network knows of them.
        name: What to call it; none: its reduced formula.
        settings: Of the networks that will see it.

    Raises:
        ValueError: If no network can predict it (disorder, elements beyond Bi, no crystal ...).
        TypeError: If it is neither of the two kinds.
    """
    given = as_structure(structure)
    used = primitive_cell(given) if settings.reduce else given
    full = crystal_graph(
        used.lattice.matrix,
        np.array(used.atomic_numbers),
        used.cart_coords,
        settings.cutoff,
        settings.triplet_cutoff,
    )
    graph = quotient_graph(full, TOLERANCE)
    return Prepared(
        name=name or used.composition.reduced_formula,
        structure=used,
        graph=graph,
        warnings=tuple(domain_warnings(used, graph, settings.domain)),
        notes=tuple(_notes(len(given), len(used), settings.domain)),
    )


def _notes(num_given: int, num_used: int, domain: Domain) -> Iterator[str]:
    if num_used < num_given:
        yield f"The cell of {num_given} atoms was reduced to a primitive one of {num_used}."
    if unknown := [title for key, title in DOMAIN_TITLES.items() if getattr(domain, key) is None]:
        yield (
            f"The model's card does not tell the {', '.join(unknown)} of its training set, so they "
            "were not compared."
        )


def as_structure(structure: Any) -> Structure:
    """pymatgen Structure of bare elements, from a Structure or ASE Atoms.

    Raises:
        ValueError: If it is disordered, not periodic in all directions or holds an element that
            the networks do not know.
        TypeError: If it is neither of the two kinds.
    """
    if isinstance(structure, IStructure):
        _check_order(not structure.is_ordered)
        numbers = _atomic_numbers([site.specie for site in structure])
        lattice, positions = structure.lattice, structure.cart_coords
    elif hasattr(structure, "get_atomic_numbers"):  # ASE is no dependency of this module
        _check_order(_is_disordered(structure.info))
        numbers = structure.get_atomic_numbers()
        a, b, c = structure.pbc.tolist()
        lattice = Lattice(structure.cell.array, pbc=(a, b, c))
        positions = structure.get_positions()
    else:
        raise TypeError(
            f"Expected a pymatgen Structure or ASE Atoms, got {type(structure).__name__}: read files "
            "with Structure.from_file or ase.io.read, or use the command `optimetal predict`."
        )
    _check_crystal(lattice, np.asarray(numbers))
    return Structure(lattice, _elements(numbers), positions, coords_are_cartesian=True)


def primitive_cell(structure: Structure) -> Structure:
    """Primitive cell in the same orientation; the structure itself where it is one already.

    Atoms count as equal where a translation maps one onto the other up to TOLERANCE.
    """
    _, amounts = np.unique(structure.atomic_numbers, return_counts=True)
    if np.gcd.reduce(amounts) == 1:  # such atoms fill no two equal cells, which saves the search
        return structure
    try:
        lattice, positions, numbers = call_spglib(
            spglib.standardize_cell,
            spglib_cell(structure),
            to_primitive=True,
            no_idealize=True,
            symprec=TOLERANCE,
        )
    except SymmetryError:
        return structure
    if len(numbers) >= len(structure):
        return structure
    return Structure(lattice, _elements(numbers), positions)


def spglib_cell(structure: Structure) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Lattice (rows, Å), fractional positions and atomic numbers: what spglib works with."""
    return structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers


def _elements(atomic_numbers: Iterable[int]) -> list[Element]:
    return [Element.from_Z(int(number)) for number in atomic_numbers]


def _is_disordered(info: dict[str, Any]) -> bool:
    """Whether ASE has read partial occupancies, which it keeps beside the atoms."""
    sites = info.get("occupancy") or {}
    return any(set(site.values()) != {1} or len(site) > 1 for site in sites.values())


def _check_order(disordered: bool) -> None:
    if disordered:
        raise ValueError(
            "The structure is disordered: some sites are shared by several elements or partly empty. "
            "Networks know full sites only; predict ordered approximants instead."
        )


def _atomic_numbers(species: list[Any]) -> list[int]:
    """0 for what is no element."""
    return [0 if isinstance(specie, DummySpecies) else specie.Z for specie in species]


def _check_crystal(lattice: Lattice, numbers: np.ndarray) -> None:
    if not numbers.size:
        raise ValueError("A crystal needs at least one atom, the structure has none.")
    if not (np.isfinite(lattice.matrix).all() and lattice.volume > 1e-3):
        raise ValueError(
            f"Expected three lattice vectors that span a volume, got {lattice.matrix}."
        )
    if not all(lattice.pbc):
        raise ValueError(
            "Expected a crystal, periodic in all three directions, got the periodicity "
            f"{tuple(lattice.pbc)}: set it where the structure is a bulk crystal; molecules and slabs "
            "cannot be predicted."
        )
    unknown = numbers[(numbers < 1) | (numbers > MAX_ATOMIC_NUMBER)]
    if unknown.size:
        symbols = [Element.from_Z(z).symbol if 0 < z < 119 else "no element" for z in unknown]
        raise ValueError(
            f"The networks know the elements from H to Bi only, the structure holds "
            f"{', '.join(dict.fromkeys(symbols))}."
        )
