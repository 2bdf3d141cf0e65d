"""Small fresh networks on disk, and crystals as people have them."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from optimetal.inference.models import SEARCH_PATH, load_model
from optimetal.models import build_model
from optimetal.models.weights import save_model

mpl.use("Agg")

CARD = {
    "model": "small",
    "num_train": 100,
    "width": 8,
    "seed": 1,
    "source": "surrogate, not ab initio",
    "domain": {"elements": ["Al", "Cu", "Au"], "max_atoms": 4, "nearest": [2.2, 3.1]},
    "test": {"num_materials": 10, "loss": 0.5},
}


@pytest.fixture
def card() -> dict:
    """A full model card."""
    return CARD


@pytest.fixture
def save_member(small_architectures):
    """Function: write a fresh network with its card, return the file."""

    def save(file, seed=1, architecture="2b_cgconv", **card):
        torch.manual_seed(seed)
        network = build_model(small_architectures[architecture])
        save_model(network, file, {**CARD, "seed": seed, **card})
        return file

    return save


@pytest.fixture
def ensemble(save_member, tmp_path):
    """Two members, on the CPU."""
    folder = tmp_path / "somewhere" / "small"
    for seed in (1, 42):
        save_member(folder / f"seed{seed}.safetensors", seed)
    return load_model(folder, "cpu")


@pytest.fixture
def model_folders(tmp_path, monkeypatch):
    """Three folders in which models are looked for, all of them below ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SEARCH_PATH, str(tmp_path / "named"))
    monkeypatch.setattr(
        "optimetal.inference.models.user_data_path", lambda name: tmp_path / "user" / name
    )
    return [
        tmp_path / "named",
        tmp_path / "results" / "models",
        tmp_path / "user" / "optimetal" / "models",
    ]


@pytest.fixture
def copper() -> Structure:
    """fcc Cu, the cell with four atoms."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])


@pytest.fixture
def gold_copper() -> Structure:
    """Cu3Au."""
    sites = [[0, 0, 0], [0, 0.5, 0.5]]
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.75), ["Au", "Cu"], sites)


@pytest.fixture
def low_symmetry() -> Structure:
    """AlCu2 in a triclinic cell."""
    lattice = Lattice.from_parameters(4.1, 4.4, 4.9, 82, 95, 101)
    positions = [[0, 0, 0], [0.47, 0.31, 0.52], [0.12, 0.66, 0.58]]
    return Structure(lattice, ["Al", "Cu", "Cu"], positions)


@pytest.fixture
def as_atoms():
    """Function: pymatgen Structure to ASE Atoms."""
    ase = pytest.importorskip("ase")

    def convert(structure):
        return ase.Atoms(
            numbers=structure.atomic_numbers,
            positions=structure.cart_coords,
            cell=np.array(structure.lattice.matrix),
            pbc=True,
        )

    return convert
