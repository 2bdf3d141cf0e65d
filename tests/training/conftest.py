"""A few crystals with smooth invented spectra, packed for training."""

import numpy as np
import pytest

from optimetal.config.run import Run
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.optics.grid import ENERGY

NUM_CRYSTALS = 12


def _packed(numbers):
    """Simple cubic and CsCl-like crystals whose spectra depend on elements and cell."""
    graphs, eps, drude = [], [], []
    for n in numbers:
        constant, symbols = 2.8 + 0.05 * n, [11 + n, 29][: 1 + n % 2]
        positions = constant / 2 * np.arange(len(symbols))[:, None] * np.ones(3)
        graphs.append(crystal_graph(constant * np.eye(3), symbols, positions, 5.5, 4.0))
        line = 1.0 + 0.1 * n
        part = line / ((ENERGY - 3 - 0.2 * n) ** 2 + 1)
        eps.append(np.stack([part, part[::-1]], axis=1))
        drude.append(4 + 0.3 * n)
    return pack(
        graphs,
        5.5,
        4.0,
        {
            "eps_inter": np.array(eps),
            "drude_frequency": np.array(drude),
            "lab": np.full((len(numbers), 3), 50.0),
        },
        mat_ids=[f"made-up-{n:03d}" for n in numbers],
        compositions=["Cu"] * len(numbers),
        source="invented",
    )


@pytest.fixture(scope="session")
def train_graphs():
    return _packed(range(NUM_CRYSTALS))


@pytest.fixture(scope="session")
def val_graphs():
    return _packed(range(NUM_CRYSTALS, NUM_CRYSTALS + 4))


@pytest.fixture
def make_run():
    """Function that declares a small run."""

    def make(architecture=None, num_train=8, seed=1, **training):
        settings = {"epochs": 4, "batch_size": 3, "warmup_epochs": 1, "checkpoint_every": 1}
        return Run.model_validate(
            {
                "model": "small",
                "architecture": architecture
                or {"type": "optimetal_2b", "hidden_dim": 8, "spectra_dim": 8, "depth": 1},
                "training": {**settings, "device": "cpu", **training},
                "num_train": num_train,
                "seed": seed,
            }
        )

    return make
