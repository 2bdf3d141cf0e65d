"""A database of the published format, made with pymatgen, with known contents."""

import json

import numpy as np
import pytest
from monty.json import MontyEncoder
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry

from optimetal.optics.grid import ENERGY


def entry(mat_id, symbols, seed=0):
    """A serialisable entry whose three directions differ."""
    generator = np.random.default_rng(seed)
    lattice = Lattice(3.0 * np.eye(3) + generator.uniform(-0.1, 0.1, (3, 3)))
    structure = Structure(lattice, symbols, generator.uniform(0, 1, (len(symbols), 3)))
    columns = generator.normal(size=(2, ENERGY.size, 3))
    real, imaginary = (np.column_stack([ENERGY, column]) for column in columns)
    data = {
        "mat_id": mat_id,
        "e_above_hull": 0.02,
        "drude_freq": np.array([3.0, 4.0, 5.0]) + seed,
        "eps_inter_re": real,
        "eps_inter_im": imaginary,
    }
    return ComputedStructureEntry(structure, energy=-1.0, data=data)


def write_entry(folder, content):
    """Write an entry, or any other content, as the published files are named."""
    number = len(content.structure) if hasattr(content, "structure") else 1
    name = content.data["mat_id"] if hasattr(content, "data") else "agm000000000"
    path = folder / f"database_nsite_{number}_part_1" / f"{name}.json"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content, cls=MontyEncoder))
    return path


@pytest.fixture(scope="session")
def entries():
    """Twelve entries of ten compositions."""
    formulas = ["Cu", "Al", "Au", "Ag", "CuAu", "CuZn", "NaCl", "AlNi", "Cu", "TiAl", "AuCu", "Pd"]
    symbols = [list(map("".join, _split(formula))) for formula in formulas]
    return [entry(f"agm{n:09d}", s, n) for n, s in enumerate(symbols)]


def _split(formula):
    import re

    return re.findall("[A-Z][a-z]?", formula)


@pytest.fixture(scope="session")
def database(entries, tmp_path_factory):
    """Folder of the entries."""
    folder = tmp_path_factory.mktemp("database")
    for item in entries:
        write_entry(folder, item)
    return folder


@pytest.fixture
def writer():
    """Functions that make and write an entry."""
    return entry, write_entry
