"""Crystal prototypes: primitive cells in which every site belongs to one of one to three species.

The geometries are those of the AFLOW library (Mehl et al., Comput. Mater. Sci. 136, S1 (2017);
Hicks et al., ibid. 161, S1 (2019)) in the orientation that spglib gives the standard primitive
cell: the unique axis of a tetragonal, trigonal or hexagonal cell lies along z. Names are those of
the compound that a prototype was first seen in; only its geometry is used, so that CaTiO3 stands
for a metallic antiperovskite and CaCuO2 for an ordered ABC2 alloy.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Prototype:
    """One prototype."""

    name: str
    aflow: str
    """Tag in the AFLOW library: stoichiometry, Pearson symbol, space group, Wyckoff letters."""
    weight: float
    """Relative frequency with which crystals are drawn from it."""
    num_species: int
    equivalent_orders: tuple[tuple[int, ...], ...]
    """Permutations of the species that give the same crystal, apart from the identity."""
    uniaxial: bool
    """Whether the ratio c/a is free (tetragonal, trigonal, hexagonal), with c along z."""
    lattice: Float[np.ndarray, "3 3"]
    """Rows are vectors; only the shape matters."""
    fractional_positions: Float[np.ndarray, "num_atoms 3"]
    site_species: Int[np.ndarray, " num_atoms"]
    """Species of each site, 0 ... num_species - 1."""

    def canonical_order(self, elements: tuple[str, ...]) -> tuple[str, ...]:
        """The same for all orders of the elements that give the same crystal."""
        orders = [tuple(elements[i] for i in order) for order in self.equivalent_orders]
        return min([elements, *orders])


def _prototype(name: str, row: dict[str, Any]) -> Prototype:
    return Prototype(
        name=name,
        aflow=row["aflow"],
        weight=float(row["weight"]),
        num_species=len(row["species"]),
        equivalent_orders=tuple(tuple(order) for order in row["equivalent_orders"]),
        uniaxial=row["uniaxial"],
        lattice=np.array(row["lattice"]),
        fractional_positions=np.array(row["fractional_positions"]),
        site_species=np.array(row["site_species"]),
    )


def _read_prototypes() -> dict[str, Prototype]:
    text = (
        files("optimetal.database.surrogate")
        .joinpath("prototypes.json")
        .read_text(encoding="utf-8")
    )
    return {name: _prototype(name, row) for name, row in json.loads(text)["prototypes"].items()}


PROTOTYPES: Final = _read_prototypes()
"""Name -> prototype, in the order in which crystals are drawn."""
