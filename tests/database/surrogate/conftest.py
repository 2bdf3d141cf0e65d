"""Crystals of elements and compounds at the volumes of the surrogate."""

import numpy as np
import pytest

from optimetal.database.surrogate.brillouin import Crystal
from optimetal.database.surrogate.elements import ELEMENTS
from optimetal.database.surrogate.hamiltonian import TightBinding

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
BCC = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])
SHAPES = {"fcc": FCC, "bcc": BCC}


def metal(symbol, shape):
    """Elemental metal with one atom per cell, at its atomic volume."""
    lattice = SHAPES[shape] * (ELEMENTS[symbol].volume / abs(np.linalg.det(SHAPES[shape]))) ** (
        1 / 3
    )
    return Crystal(lattice, np.zeros((1, 3)), np.array([ELEMENTS[symbol].atomic_number]))


def compound(symbols, lattice, fractional_positions):
    """Crystal of the given lattice in Å."""
    numbers = np.array([ELEMENTS[symbol].atomic_number for symbol in symbols])
    return Crystal(np.asarray(lattice, float), np.asarray(fractional_positions, float), numbers)


CRYSTALS = {
    "Al": metal("Al", "fcc"),
    "Na": metal("Na", "bcc"),
    "Cu": metal("Cu", "fcc"),
    "Ag": metal("Ag", "fcc"),
    "Au": metal("Au", "fcc"),
    "Pt": metal("Pt", "fcc"),
    "W": metal("W", "bcc"),
    "Ca": metal("Ca", "fcc"),
    "CuZn": compound(["Cu", "Zn"], 2.95 * np.eye(3), [[0, 0, 0], [0.5] * 3]),
    "PtAl2": compound(["Pt", "Al", "Al"], 5.91 * FCC, [[0, 0, 0], [0.25] * 3, [0.75] * 3]),
    "AuAl2": compound(["Au", "Al", "Al"], 6.00 * FCC, [[0, 0, 0], [0.25] * 3, [0.75] * 3]),
    "TiAl": compound(["Ti", "Al"], np.diag([2.83, 2.83, 4.07]), [[0, 0, 0], [0.5] * 3]),
    "CaAu": compound(
        ["Ca", "Au", "Mg"],
        [[3.4, 0.1, 0.0], [0.2, 3.9, 0.3], [0.4, 0.0, 4.6]],
        [[0.0, 0.0, 0.0], [0.5, 0.45, 0.4], [0.1, 0.55, 0.6]],
    ),
}
"""CaAu, without any symmetry, stands for the general case."""


@pytest.fixture(params=["Al", "Cu", "CuZn", "CaAu"])
def crystal(request):
    return CRYSTALS[request.param]


def tight_binding(crystal):
    return TightBinding.from_crystal(crystal.lattice, crystal.atomic_numbers, crystal.positions)


@pytest.fixture
def model(crystal):
    return tight_binding(crystal)


@pytest.fixture
def crystals():
    """Name -> crystal, for tests that need certain ones."""
    return CRYSTALS


@pytest.fixture
def build_model():
    """Tight-binding model of a crystal."""
    return tight_binding
