"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # read by torch at its first import: tests run side by side


LONGEST = ("test_workflow.py", "test_data_rules.py", "test_published.py", "test_module.py")
"""Files that take minutes, the longest first: begun last, they would keep one core busy while the others wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder with the numbers of the published code; tests that need it skip where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("OPTIMETAL_PARITY", root / ".." / "shared" / "parity"))
    if not (folder / "optimetal").is_dir():
        pytest.skip(f"no parity numbers at OPTIMETAL_PARITY={folder}: set it to their folder")
    return (folder / "optimetal").resolve()


def _small_architectures() -> dict:
    from optimetal.config import architecture as a

    small = {"hidden_dim": 8, "spectra_dim": 8, "depth": 1}
    gaussian = {"num_basis": 6, "basis_width": 2.0}
    return {
        "optimate": a.OptiMate(),
        "2b_cgconv": a.OptiMetal2B(**small, message_passing=a.CGConvLayers(hidden_multiplier=2)),
        "2b_gatv2": a.OptiMetal2B(
            **small,
            activation="leakyrelu",
            node_embedding=a.AtomEmbedding(embedding_dim=5),
            edge_embedding=a.GaussianEmbedding(**gaussian, envelope_exponent=None),
            message_passing=a.GATv2Layers(heads=4, hidden_multiplier=2),
            pooling=a.ScalarAttentionPooling(),
        ),
        "2b_transformer": a.OptiMetal2B(
            **small,
            activation="silu",
            edge_embedding=a.BesselEmbedding(num_basis=6, trainable=True, envelope_exponent=5),
            message_passing=a.TransformerLayers(heads=2, hidden_multiplier=2),
            pooling=a.Set2SetPooling(processing_steps=2),
        ),
        "2b_no_residual": a.OptiMetal2BNoResidual(
            **small,
            activation="gelu",
            edge_embedding=a.BesselEmbedding(num_basis=6, envelope_exponent=None),
            message_passing=a.PlainGATv2Layers(heads=2),
            pooling=a.MeanPooling(),
        ),
        "3b_transformer": a.OptiMetal3B(
            **small,
            edge_message_passing=a.Transformer(heads=4, hidden_multiplier=2),
            node_message_passing=a.Transformer(heads=2, hidden_multiplier=2),
        ),
        "3b_cgconv": a.OptiMetal3B(
            **small,
            node_embedding=a.AtomEmbedding(embedding_dim=5),
            edge_embedding=a.GaussianEmbedding(**gaussian, envelope_exponent=None),
            angle_embedding=a.AngleEmbedding(l_max=4),
            edge_message_passing=a.CGConv(hidden_multiplier=2),
            node_message_passing=a.CGConv(hidden_multiplier=2),
            pooling=a.MeanPooling(),
        ),
        "3b_gatv2": a.OptiMetal3B(
            **small,
            activation="silu",
            num_layers=1,
            angle_embedding=a.AngleEmbedding(l_max=0),
            edge_message_passing=a.GATv2(heads=2, hidden_multiplier=2),
            node_message_passing=a.GATv2(heads=4, hidden_multiplier=2),
            pooling=a.Set2SetPooling(),
        ),
    }


SMALL_ARCHITECTURES = _small_architectures()


@pytest.fixture(scope="session")
def small_architectures() -> dict:
    """Name -> architecture of width 8 (OptiMate: its own sizes); together they use every layer."""
    return SMALL_ARCHITECTURES


@pytest.fixture(params=SMALL_ARCHITECTURES)
def architecture(request):
    """Each of the small architectures in turn."""
    return SMALL_ARCHITECTURES[request.param]


class Crystal(NamedTuple):
    """Lattice (rows, Å), atomic numbers and Cartesian positions (Å)."""

    lattice: np.ndarray
    atomic_numbers: np.ndarray
    positions: np.ndarray


@pytest.fixture(scope="session")
def prototypes() -> dict[str, Crystal]:
    """Name -> primitive cell of a symmetric crystal; the surrogate's prototypes (fcc is Cu, bcc W,
    hcp Mg, Heusler MnAlCu2, perovskite CaTiO3 ...), rock salt and double hcp."""
    from optimetal.database.surrogate.prototypes import PROTOTYPES

    elements = np.array([29, 13, 22])
    crystals = {}
    for name, prototype in PROTOTYPES.items():
        volume = 16.0 * len(prototype.site_species)
        scale = (volume / abs(np.linalg.det(prototype.lattice))) ** (1 / 3)
        lattice = scale * prototype.lattice
        crystals[name] = Crystal(
            lattice, elements[prototype.site_species], prototype.fractional_positions @ lattice
        )
    fcc = 2.8 * (1 - np.eye(3))
    crystals["NaCl"] = Crystal(fcc, np.array([11, 17]), np.array([[0, 0, 0], [2.8, 0, 0]]))
    hexagonal = 3.2 * np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 4 * (2 / 3) ** 0.5]])
    a, b, c = (0, 0), (1 / 3, 2 / 3), (2 / 3, 1 / 3)
    layers = np.array([(*site, n / 4) for n, site in enumerate([a, b, a, c])])
    crystals["dhcp"] = Crystal(hexagonal, np.full(4, 57), layers @ hexagonal)
    return crystals


CELLS = {
    "2x1x1": np.diag([2, 1, 1]),
    "2x2x2": np.diag([2, 2, 2]),
    "fourfold, skewed": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),  # fcc -> its cube
}


def _supercell(crystal: Crystal, matrix: np.ndarray) -> Crystal:
    from pymatgen.core import Structure

    structure = Structure(*crystal, coords_are_cartesian=True).make_supercell(matrix)
    return Crystal(
        structure.lattice.matrix, np.array(structure.atomic_numbers), structure.cart_coords
    )


def _other_descriptions(crystal: Crystal) -> dict[str, Crystal]:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    lattice, numbers, positions = crystal
    order = rng.permutation(len(numbers))
    turn = Rotation.random(rng=rng).as_matrix()
    mirror = np.diag([-1, 1, 1])
    return {
        "permuted": Crystal(lattice, numbers[order], positions[order]),
        "rotated": Crystal(lattice @ turn, numbers, positions @ turn),
        "mirrored": Crystal(lattice @ mirror, numbers, positions @ mirror),
        "translated": Crystal(lattice, numbers, positions + np.array([1.3, -0.7, 9.1])),
        **{name: _supercell(crystal, matrix) for name, matrix in CELLS.items()},
    }


@pytest.fixture(scope="session")
def other_descriptions() -> Callable[[Crystal], dict[str, Crystal]]:
    """Function: other cells, orders and orientations of the same crystal, by name."""
    return _other_descriptions
