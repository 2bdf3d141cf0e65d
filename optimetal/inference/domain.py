"""Where predictions cannot be trusted: what the training set never held, and what is no metal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Composition, Element, Structure

from optimetal.graphs.neighbours import CrystalGraph

CLOSEST: Final = 0.7
FARTHEST: Final = 2.0
"""Neighbours closer or farther than so many sums of their covalent radii are hardly a crystal."""

SLACK: Final = 0.01
"""Å by which a distance may leave the range of the training set before it is mentioned."""

ANIONS: Final = {
    **dict.fromkeys(("N", "P", "As"), 3),
    **dict.fromkeys(("O", "S", "Se", "Te"), 2),
    **dict.fromkeys(("H", "F", "Cl", "Br", "I"), 1),
}
"""Electronegative elements and the charge that fills their shell. Carbides, borides, silicides and
most antimonides of metals are metals and therefore not counted."""

SEMIMETALS: Final = frozenset({"As", "Sb"})
"""Metalloids that conduct like metals as pure elements."""

DOMAIN_TITLES: Final = {
    "elements": "elements",
    "max_atoms": "sizes of cells",
    "nearest": "distances of neighbours",
}
"""Field of :class:`Domain` -> what it is called in a sentence."""

_LANTHANIDE_CHARGES: Final = {"Ce": (3, 4), "Eu": (2, 3), "Yb": (2, 3)}


@dataclass(frozen=True)
class Domain:
    """What the training set of some networks held; ``None`` where their cards do not say."""

    elements: frozenset[str] | None = None
    """Symbols of the elements."""
    max_atoms: int | None = None
    """Atoms in the largest cell."""
    nearest: tuple[float, float] | None = None
    """Shortest and longest distance of an atom to its nearest neighbour, Å."""

    @classmethod
    def of_cards(cls, cards: Sequence[Mapping[str, Any]]) -> "Domain":
        """What every member of an ensemble has seen, as far as the cards' ``domain`` tells."""
        domains = [card.get("domain") or {} for card in cards]
        elements, sizes, nearest = (
            [domain[key] for domain in domains if domain.get(key) is not None]
            for key in ("elements", "max_atoms", "nearest")
        )
        shortest, longest = zip(*nearest, strict=True) if nearest else ((), ())
        return cls(
            elements=frozenset.intersection(*map(frozenset, elements)) if elements else None,
            max_atoms=min(sizes) if sizes else None,
            nearest=(max(shortest), min(longest)) if nearest else None,
        )


def domain_warnings(structure: Structure, graph: CrystalGraph, domain: Domain) -> list[str]:
    """Reasons to distrust a prediction, one sentence each.

    Args:
        structure: Ordered; its primitive cell.
        graph: Its full graph or its quotient.
        domain: Of the training set.
    """
    composition = structure.composition
    return [
        *_unseen_elements(composition, domain),
        *_unseen_size(len(structure), domain),
        *_non_metal(composition),
        *_distances(graph, domain),
    ]


def _unseen_elements(composition: Composition, domain: Domain) -> Iterator[str]:
    if domain.elements is None:
        return
    symbols = [element.symbol for element in composition.elements]
    if unseen := [symbol for symbol in symbols if symbol not in domain.elements]:
        yield f"No crystal of the training set contained {_listed(unseen, 'or')}."


def _unseen_size(num_atoms: int, domain: Domain) -> Iterator[str]:
    if domain.max_atoms is not None and num_atoms > domain.max_atoms:
        yield (
            f"The cell has {num_atoms} atoms, the largest of the training set had {domain.max_atoms}."
        )


# No metal?


def _non_metal(composition: Composition) -> Iterator[str]:
    """The networks know metals only; whether this is one can only be guessed from the composition."""
    consequence = (
        "the networks know metals only, and their Drude frequency would be meaningless for a material "
        "with a band gap"
    )
    if not any(e.is_metal or e.symbol in SEMIMETALS for e in composition.elements):
        yield f"Without a metallic element this is probably no metal (a guess): {consequence}."
    elif charges := closed_shell_charges(composition):
        ions = " ".join(f"{symbol}{charge:+d}" for symbol, charge in charges.items())
        yield (
            f"This is probably no metal (a guess): the charges {ions} balance and leave every ion with "
            f"a closed shell; {consequence}."
        )


def closed_shell_charges(composition: Composition) -> dict[str, int] | None:
    """Charges, one per element, that balance and leave only closed shells; None if there are none.

    The octet rule of salts and valence compounds, such as Na+1 Cl-1 or Ga+3 As-3: shells of noble
    gases, full d shells and lone s pairs count as closed, f electrons of lanthanides as core.
    Metallic nitrides like TiN, in which Ti+3 keeps an electron, are told apart from Ti+4 O-2.

    Args:
        composition: Of elements.
    """
    elements = [Element(element.symbol) for element in composition.elements]
    amounts = [composition[element] for element in elements]
    for charges in product(*map(_charges, elements)):
        balance = sum(n * q for n, q in zip(amounts, charges, strict=True))
        if abs(balance) < 1e-6:
            return {e.symbol: q for e, q in zip(elements, charges, strict=True)}
    return None


def _charges(element: Element) -> list[int]:
    """Charges that close the shells of an element."""
    if element.is_lanthanoid:
        return list(_LANTHANIDE_CHARGES.get(element.symbol, (3,)))
    anion = [-ANIONS[element.symbol]] if element.symbol in ANIONS else []
    return anion + [charge for charge in _cation_charges(element.group) if charge > 0]


def _cation_charges(group: int) -> tuple[int, ...]:
    """Without all valence electrons, or with a full d shell or two s electrons left."""
    if group <= 7:
        return (group,)
    return (group - 10, group - 12) if group >= 11 else ()


# Distances


def _distances(graph: CrystalGraph, domain: Domain) -> Iterator[str]:
    nearest = nearest_distances(graph)
    isolated = np.isinf(nearest)
    if isolated.any():
        yield (
            f"{_atoms(graph, isolated)} has no neighbour as far as the networks see: they know nothing of "
            "its surroundings."
        )
    source, target = graph.atomic_numbers[graph.edge_index]
    relative = graph.edge_length / (_radii(source) + _radii(target))
    if relative.size and relative.min() < CLOSEST:
        closest = relative.argmin()
        pair = "–".join(_symbol(z[closest]) for z in (source, target))
        yield (
            f"The distance {pair} of {graph.edge_length[closest]:.2f} Å is only {relative[closest]:.0%} of "
            "the sum of the covalent radii: check the structure."
        )
    loose = ~isolated & (_per_node(relative, graph) > FARTHEST)
    if loose.any():
        yield (
            f"{_atoms(graph, loose)} is {nearest[loose].max():.2f} Å from its nearest neighbour, more than "
            f"{FARTHEST:g} times the sum of the covalent radii: check the structure."
        )
    yield from _unseen_distances(nearest[~isolated], domain)


def _unseen_distances(nearest: Float[np.ndarray, " num_nodes"], domain: Domain) -> Iterator[str]:
    if domain.nearest is None or not nearest.size:
        return
    shortest, longest = domain.nearest
    extremes = nearest.min(), nearest.max()
    outside = {f"{d:.2f}" for d in extremes if not shortest - SLACK <= d <= longest + SLACK}
    if outside:
        yield (
            f"Some nearest neighbours are {_listed(sorted(outside), 'and')} Å apart; in the training set "
            f"it was {shortest:.2f} to {longest:.2f} Å."
        )


def nearest_distances(graph: CrystalGraph) -> Float[np.ndarray, " num_nodes"]:
    """Distance of each node to its nearest neighbour, Å; infinite where it has none."""
    return _per_node(graph.edge_length, graph)


def _per_node(
    values: Float[np.ndarray, " num_edges"], graph: CrystalGraph
) -> Float[np.ndarray, " num_nodes"]:
    smallest = np.full(len(graph.atomic_numbers), np.inf)
    np.minimum.at(smallest, graph.edge_index[1], values)
    return smallest


def _radii(atomic_numbers: np.ndarray) -> Float[np.ndarray, " num_atoms"]:
    """Covalent radii of Cordero et al. (Dalton Trans. 2008, 2832), Å."""
    numbers, where = np.unique(atomic_numbers, return_inverse=True)
    return np.array([CovalentRadius.radius[_symbol(z)] for z in numbers])[where]


def _symbol(atomic_number: int) -> str:
    return Element.from_Z(int(atomic_number)).symbol


def _atoms(graph: CrystalGraph, chosen: np.ndarray) -> str:
    symbols = dict.fromkeys(map(_symbol, graph.atomic_numbers[chosen]))
    return f"An atom of {_listed(list(symbols), 'or')}"


def _listed(words: Sequence[str], conjunction: str) -> str:
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last
